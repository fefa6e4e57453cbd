// A 3-D map: slices along three axes, and a surface that can be turned, at a threshold that can be moved.
import { flat } from "./image.js";
import { element, get, preview, tell } from "./parts.js";

const AXES = ["z", "y", "x"];

export async function view(viewer) {
  const info = await (await get(preview(viewer, { form: "info" }))).json();
  if (info.kind !== "volume") return flat(viewer, info);
  const coloured = viewer.dataset.viewer === "map-coloured" && viewer.dataset.colour;
  const surface = element("div", { class: "stack-s" });
  viewer.replaceChildren(element("div", { class: "map-grid" }, surface, slices(viewer, info)), facts(info));
  const { surfaceView } = await import("./surface.js");
  await surfaceView(surface, viewer, coloured ? viewer.dataset.colour : null).catch((error) => tell(surface, error));
}

function facts(info) {
  const { x, y, z } = info.shape;
  const voxel = info.voxel_size.x;
  const words = `${x} × ${y} × ${z} voxels${voxel ? ` of ${Number(voxel).toPrecision(4)} Å` : ""}, values from ${short(info.min)} to ${short(info.max)}`;
  return element("p", { class: "muted small" }, words);
}

const short = (value) => (value == null ? "?" : Number(value).toPrecision(3));

function slices(viewer, info) {
  const pictures = element("div", { class: "slices" });
  const sliders = element("div", { class: "stack-s" });
  let cut = 0.5;
  const draws = AXES.map((axis) => {
    const last = info.shape[axis] - 1;
    const middle = Math.floor(last / 2);
    const picture = element("img", { alt: `Slice across ${axis}`, loading: "lazy" });
    const words = element("figcaption", { class: "small muted" });
    pictures.append(element("figure", {}, picture, words));
    const range = element("input", { type: "range", min: 0, max: last, value: middle });
    const shown = element("output", {}, String(middle));
    sliders.append(element("label", { class: "slider" }, element("span", {}, axis), range, shown));
    const draw = () => {
      shown.textContent = range.value;
      words.textContent = `${axis} = ${range.value}`;
      picture.alt = `Slice across ${axis} at ${range.value}`;
      picture.src = preview(viewer, { form: "image", axis, index: range.value, low: cut, high: 100 - cut, size: 256 });
    };
    range.addEventListener("input", later(draw));
    draw();
    return draw;
  });
  const contrast = element("input", { type: "range", min: 0, max: 10, step: 0.5, value: cut });
  const shown = element("output", {}, `${cut} %`);
  sliders.append(element("label", { class: "slider" }, element("span", {}, "Contrast"), contrast, shown));
  contrast.addEventListener("input", later(() => {
    cut = contrast.value;
    shown.textContent = `${cut} %`;
    draws.forEach((draw) => draw());
  }));
  pictures.append(sliders);
  return pictures;
}

function later(act) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, 80);
  };
}
