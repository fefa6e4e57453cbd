// The beginning of a text file.
import { content, element, get } from "./parts.js";

const MOST = 100_000;

export async function view(viewer) {
  const answer = await fetch(content(viewer), { headers: { Range: `bytes=0-${MOST - 1}` } });
  const text = answer.ok ? await answer.text() : await (await get(content(viewer))).text();
  const size = Number(answer.headers.get("Content-Range")?.split("/")[1] ?? 0);
  if (text.includes("\u0000")) {
    viewer.replaceChildren(element("p", { class: "muted" }, "This file is not text; download it to look at it."));
    return;
  }
  viewer.replaceChildren(
    element("pre", { class: "code", tabindex: "0", role: "group", "aria-label": viewer.dataset.title ?? "Text" }, pretty(viewer.dataset.path, text)),
  );
  if (size > MOST) viewer.append(element("p", { class: "muted small" }, "Only the beginning is shown."));
}

function pretty(path, text) {
  // Programs draw their progress over the same line again: what would be seen in the end is shown.
  if (!path.endsWith(".json")) return text.replace(/[^\n]*\r(?=[^\n])/g, "");
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
