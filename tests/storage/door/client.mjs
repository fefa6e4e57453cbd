// tus-js-client on Node: node client.mjs '{"endpoint", "headers", "project", "path", "file", "streams"}'
import { createReadStream } from "node:fs";
import * as tus from "tus-js-client";

const asked = JSON.parse(process.argv[2]);
const { project, path } = asked;
const upload = new tus.Upload(createReadStream(asked.file), {
  endpoint: asked.endpoint,
  headers: asked.headers,
  chunkSize: asked.chunk ?? Infinity,
  parallelUploads: asked.streams,
  metadata: { project, path },
  metadataForPartialUploads: { project },
  retryDelays: [0, 500],
  onSuccess: () => console.log(upload.url),
  onError: (error) => {
    console.error(String(error));
    process.exit(1);
  },
});
upload.start();
