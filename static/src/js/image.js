// A measured image: its contrast (how many per cent of the darkest and brightest pixels are cut off), and of a stack or
// movie which frame.
import { element, get, preview } from "./parts.js";

export async function view(viewer) {
  const range = viewer.querySelector("[data-contrast]");
  if (!range) return;
  const options = controls(viewer, viewer.querySelector("img"), range);
  viewer.querySelector("[data-frames]")?.remove();
  const info = await (await get(preview(viewer, { form: "info" }))).json();
  if (info.shape?.z > 1) frames(range.closest("label"), info.shape.z, options);
}

// Where a file named like a map holds one image, or a stack of them.
export function flat(viewer, info) {
  const alt = viewer.dataset.title || "Image";
  const picture = element("img", { class: "viewer-image", alt, src: preview(viewer, { form: "image", size: 1024 }) });
  const range = element("input", { type: "range", min: 0, max: 10, step: 0.5, value: 0.5, "data-contrast": true });
  const label = element("label", { class: "slider" }, element("span", {}, "Contrast"), range, element("output", {}, "0.5 %"));
  viewer.replaceChildren(picture, label);
  const options = controls(viewer, picture, range);
  if (info.shape.z > 1) frames(label, info.shape.z, options);
}

function controls(viewer, picture, range) {
  const asked = { form: "image", size: 1024 };
  let timer;
  const set = (more) => {
    Object.assign(asked, more);
    clearTimeout(timer);
    timer = setTimeout(() => (picture.src = preview(viewer, asked)), 150);
  };
  range.oninput = () => {
    range.nextElementSibling.textContent = `${range.value} %`;
    set({ low: range.value, high: 100 - range.value });
  };
  return set;
}

function frames(below, count, set) {
  const middle = Math.floor(count / 2);
  const range = element("input", { type: "range", min: 0, max: count - 1, value: middle });
  const told = element("output", {}, `${middle + 1} of ${count}`);
  range.addEventListener("input", () => {
    told.textContent = `${Number(range.value) + 1} of ${count}`;
    set({ index: range.value });
  });
  below.after(element("label", { class: "slider", "data-frames": true }, element("span", {}, "Frame"), range, told));
}
