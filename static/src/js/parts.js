// What all viewers are made of: where a file is read, how a failure is told, small HTML from parts.
export const content = (viewer, path = viewer.dataset.path) =>
  `/projects/${viewer.dataset.project}/files/content/?path=${encodeURIComponent(path)}`;

export const framed = (viewer) => `/projects/${viewer.dataset.project}/files/show/?path=${encodeURIComponent(viewer.dataset.path)}`;

export const preview = (viewer, options = {}, path = viewer.dataset.path) =>
  `/api/v1/projects/${viewer.dataset.project}/files/preview/?${new URLSearchParams({ path, ...options })}`;

export async function get(url) {
  const answer = await fetch(url, { headers: { Accept: "*/*" }, credentials: "same-origin" });
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new Error(problem.detail ? [problem.detail, problem.hint].filter(Boolean).join(" ") : `The file can't be shown (${answer.status}).`);
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
