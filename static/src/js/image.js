// Contrast of a measured image: how many per cent of the darkest and brightest pixels are cut off.
import { preview } from "./parts.js";

export async function view(viewer) {
  const range = viewer.querySelector("[data-contrast]");
  if (!range) return;
  let timer;
  range.addEventListener("input", () => {
    range.nextElementSibling.textContent = `${range.value} %`;
    clearTimeout(timer);
    timer = setTimeout(() => (viewer.querySelector("img").src = preview(viewer, { form: "image", size: 1024, low: range.value, high: 100 - range.value })), 200);
  });
}
