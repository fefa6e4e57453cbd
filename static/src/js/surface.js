// The surface of a map with its controls: threshold, turning by buttons, and the scale of its colours.
import { isDark } from "./colours.js";
import { element, get, preview } from "./parts.js";

// Light and dark ends are told apart without colour, too; the CSS of .scale has the same colours.
export const RAMP = [0x2b66b1, 0x35a3c4, 0x6fc38b, 0xf0d35c, 0xec8d3b, 0xc2311f];

export async function surfaceView(box, viewer, colourPath) {
  const stage = element("div", { class: "volume" });
  const waiting = element("div", { class: "waiting", role: "status" }, "Building the surface…");
  stage.append(waiting);
  box.replaceChildren(stage);
  if (!hasWebGL()) {
    waiting.textContent = "This browser can't draw in 3-D (no WebGL). The slices show the same map, and the file can be downloaded.";
    return;
  }
  const load = async (path) => new Uint8Array(await (await get(preview(viewer, { form: "volume", size: 96 }, path))).arrayBuffer());
  const [{ drawSurface }, map, colours] = await Promise.all([import("./volume.js"), load(viewer.dataset.path), colourPath ? load(colourPath) : null]);
  const { ramp, range } = scaleOf(viewer);
  const drawing = await drawSurface(stage, map, colours, { ramp, range, dark: isDark() });
  waiting.remove();
  stage.tabIndex = 0;
  stage.setAttribute("role", "application");
  stage.setAttribute("aria-label", `Surface of ${viewer.dataset.title ?? "the map"}: arrow keys turn it, plus and minus come closer and go away`);
  stage.addEventListener("keydown", (event) => {
    const turn = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const zoom = { "+": 0.85, "=": 0.85, "-": 1 / 0.85 }[event.key];
    if (turn) drawing.turn(...turn);
    else if (zoom) drawing.zoom(zoom);
    else return;
    event.preventDefault();
  });
  box.append(...controls(drawing, colourPath, ramp));
  const colour = () => drawing.dark(isDark());
  document.addEventListener("portolan:colours", colour);
  viewer.addEventListener("portolan:leave", () => {
    document.removeEventListener("portolan:colours", colour);
    drawing.dispose();
  }, { once: true });
}

// A tool may say which colours it used in its own pictures; the surface then has the same ones.
function scaleOf(viewer) {
  const { range, ramp } = viewer.dataset;
  if (!range || !ramp) return { ramp: RAMP, range: null };
  return { ramp: ramp.split(" ").map((colour) => parseInt(colour.slice(1), 16)), range: range.split(" ").map(Number) };
}

const css = (colour) => `#${colour.toString(16).padStart(6, "0")}`;

function controls(drawing, coloured, ramp) {
  const threshold = element("input", { type: "range", min: 0.5, max: Math.max(6, Math.min(drawing.highest, 14)).toFixed(1), step: 0.1, value: drawing.threshold });
  const shown = element("output", {}, `${drawing.threshold} σ`);
  let timer;
  threshold.addEventListener("input", () => {
    shown.textContent = `${threshold.value} σ`;
    clearTimeout(timer);
    timer = setTimeout(() => drawing.setThreshold(Number(threshold.value)), 120);
  });
  const turns = element("div", { class: "row", role: "group", "aria-label": "Turn the map" });
  for (const [words, act] of [
    ["← Left", () => drawing.turn(-1, 0)],
    ["Right →", () => drawing.turn(1, 0)],
    ["Closer", () => drawing.zoom(0.8)],
    ["Further", () => drawing.zoom(1.25)],
    ["Reset", () => drawing.reset()],
  ]) {
    const button = element("button", { class: "button small", type: "button" }, words);
    button.addEventListener("click", act);
    turns.append(button);
  }
  const parts = [element("label", { class: "slider" }, element("span", {}, "Threshold"), threshold, shown), turns];
  if (coloured && drawing.domain) {
    const [low, high] = drawing.domain;
    const colours = element("span", { class: "ramp" });
    // Set by script: the page's policy allows no style attributes.
    colours.style.background = `linear-gradient(to right, ${ramp.map(css).join(", ")})`;
    parts.unshift(element("div", { class: "scale", role: "img", "aria-label": `Colours from ${low.toFixed(1)} Å, blue, to ${high.toFixed(1)} Å, red` },
      element("span", {}, `${low.toFixed(1)} Å`), colours, element("span", {}, `${high.toFixed(1)} Å`)));
  }
  return parts;
}

function hasWebGL() {
  try {
    return Boolean(document.createElement("canvas").getContext("webgl2"));
  } catch {
    return false;
  }
}
