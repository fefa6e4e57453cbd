// Bundles static/src into static/dist: one small script and style for every page; viewers are chunks loaded when seen.
import { rename, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const watch = process.argv.includes("--watch");
const options = {
  entryPoints: { app: here("src/js/app.js"), style: here("src/css/style.css"), theme: here("src/js/theme.js") },
  outdir: here(watch ? "dist" : "dist.new"),
  bundle: true,
  splitting: true,
  format: "esm",
  target: ["es2022", "chrome110", "firefox115", "safari16.4"],
  minify: !watch,
  sourcemap: watch,
  chunkNames: "chunks/[name]-[hash]",
  assetNames: "assets/[name]-[hash]",
  loader: { ".woff2": "file", ".svg": "file" },
  define: { "process.env.NODE_ENV": '"production"', "process.env.DEBUG": '""' },
  // Parts of Mol* that only its own server or its film export need.
  external: ["fs", "path", "crypto", "util", "stream", "http", "https", "zlib", "url", "buffer"],
  logLevel: "warning",
};

if (watch) {
  await (await esbuild.context(options)).watch();
} else {
  // What is served stays whole until the new one is.
  await rm(here("dist.new"), { recursive: true, force: true });
  await esbuild.build(options);
  await rm(here("dist"), { recursive: true, force: true });
  await rename(here("dist.new"), here("dist"));
}
