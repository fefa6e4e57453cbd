// Finds the viewers of a page and loads the code of each kind when the first of its kind comes near the screen.
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
  } else {
    open(viewer);
  }
}

export const content = (viewer, path = viewer.dataset.path) =>
  `/projects/${viewer.dataset.project}/files/content/?path=${encodeURIComponent(path)}`;

export const preview = (viewer, options = {}, path = viewer.dataset.path) =>
  `/api/v1/projects/${viewer.dataset.project}/files/preview/?${new URLSearchParams({ path, ...options })}`;

export async function get(url) {
  const answer = await fetch(url, { headers: { Accept: "*/*" }, credentials: "same-origin" });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new Error(problem.title ? `${problem.title} ${problem.detail ?? ""}` : `The file can't be shown (${answer.status}).`);
}

export function tell(viewer, error) {
  const words = document.createElement("p");
  words.className = "note error";
  words.setAttribute("role", "alert");
  words.textContent = error.message;
  viewer.replaceChildren(words);
}

// Small HTML from parts: element("p", { class: "muted" }, "text", child).
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false && value != null) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}
