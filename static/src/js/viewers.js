// Finds the viewers of a page and loads the code of each kind when the first of its kind comes near the screen.
import { content, framed, preview, tell } from "./parts.js";

const KINDS = {
  chart: () => import("./chart.js"),
  table: () => import("./table.js"),
  text: () => import("./text.js"),
  image: () => import("./image.js"),
  map: () => import("./map.js"),
  "map-coloured": () => import("./map.js"),
};

const near = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      open(entry.target);
    }
  },
  { rootMargin: "300px" },
);

export function viewersIn(root) {
  for (const viewer of root.querySelectorAll("[data-viewer]:not([data-seen])")) {
    viewer.dataset.seen = "yes";
    near.observe(viewer);
  }
  for (const choice of root.querySelectorAll("[data-choose]:not([data-seen])")) {
    choice.dataset.seen = "yes";
    choice.addEventListener("change", () => choose(choice));
  }
}

async function open(viewer) {
  const load = KINDS[viewer.dataset.viewer];
  if (!load) return;
  try {
    await (await load()).view(viewer);
  } catch (error) {
    tell(viewer, error);
  }
}

// A viewer keeps its own element: showing another file is a new view of it.
function choose(choice) {
  const card = choice.closest(".result");
  const viewer = card.querySelector("[data-viewer]");
  const download = card.querySelector("[data-download]");
  download.href = content(viewer, choice.value);
  viewer.dataset.path = choice.value;
  viewer.dispatchEvent(new Event("portolan:leave"));
  if (viewer.dataset.viewer === "image") {
    viewer.querySelector("img").src = preview(viewer, { form: "image", size: 1024 });
    viewer.querySelector("a").href = content(viewer);
    open(viewer);
  } else if (viewer.querySelector("iframe")) {
    for (const part of viewer.querySelectorAll("iframe, a")) part[part.localName === "a" ? "href" : "src"] = framed(viewer);
  } else {
    open(viewer);
  }
}
