// The panel of uploads: what is on its way, how fast, how long still; pause, go on, cancel; what failed and why; names
// that are taken. It lives outside the page's content: while files are on their way, links change the content only.
import { another, UploadManager } from "../uploads.js";
import { reload } from "./files.js";
import { followLinks } from "./staying.js";
import { element } from "./parts.js";

const SHOWN = 100;
const BUSY = ["uploading", "waiting", "conflict"];
const ENDED = ["done", "skipped", "cancelled"];
const LIST_MS = 4000;
const managers = new Map();
let panel;

export function start(area) {
  const manager = managerOf(area.dataset.project);
  const send = (files) => {
    if (!files.length) return;
    panel.hidden = false;
    manager.add(files, area.dataset.path);
    tellUnfinished(manager, area);
  };
  tellUnfinished(manager, area);
  for (const label of document.querySelectorAll("[data-upload-button]")) {
    label.hidden = false;
    const input = label.querySelector("input");
    input.addEventListener("change", () => {
      send([...input.files].map((file) => ({ file, relativePath: file.webkitRelativePath || file.name })));
      input.value = "";
    });
  }
  dropping(area, send);
}

// What a closed page left midway: the same files picked again go on, if one knows which and where.
function tellUnfinished(manager, area) {
  const note = document.querySelector("[data-unfinished]");
  const left = manager.unfinished();
  note.hidden = !left.length;
  if (!left.length) return;
  const there = left.filter(({ into }) => (into ?? "") === area.dataset.path);
  const named = (there.length ? there : left).slice(0, 3).map(({ path }) => path);
  const more = (there.length ? there : left).length - named.length;
  const words = element("p", { class: "grow" }, element("strong", {}, `${left.length} upload${left.length > 1 ? "s" : ""} stopped midway: `), `${named.join(", ")}${more ? ` and ${more} more` : ""}. `);
  if (there.length) words.append("Choose the same files again here, and they go on where they were.");
  for (const into of new Set(left.map((one) => one.into ?? ""))) {
    if (into === area.dataset.path) continue;
    words.append(" Go on in ", element("a", { href: `/projects/${area.dataset.project}/files/?${new URLSearchParams({ path: into })}` }, into || "the project’s folder"), ".");
  }
  const forget = element("button", { class: "button small quiet", type: "button" }, "Give them up");
  forget.addEventListener("click", async () => {
    await manager.abandon();
    tellUnfinished(manager, area);
  });
  note.replaceChildren(words, forget);
}

// One manager for each project, for as long as the document lives.
function managerOf(projectId) {
  panel ??= makePanel();
  if (!managers.has(projectId)) {
    const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
    const manager = new UploadManager({ projectId, csrfToken: () => token });
    managers.set(projectId, manager);
    manager.addEventListener("change", panel.redraw);
  }
  return managers.get(projectId);
}

const every = () => [...managers.values()].flatMap((manager) => manager.items().map((item) => ({ ...item, manager })));
const busy = () => every().some((item) => BUSY.includes(item.state));

function makePanel() {
  const made = document.querySelector("[data-uploads]");
  document.body.append(made);
  drawing(made);
  // What lies under the panel can be scrolled to.
  new ResizeObserver(() => (document.body.style.paddingBottom = made.hidden ? "" : `${made.offsetHeight + 32}px`)).observe(made);
  followLinks(busy, made);
  addEventListener("beforeunload", (event) => {
    if (busy()) event.preventDefault();
  });
  return made;
}

function dropping(area, send) {
  let inside = 0;
  const files = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  area.addEventListener("dragenter", (event) => files(event) && ++inside && area.classList.add("over"));
  area.addEventListener("dragleave", (event) => files(event) && --inside <= 0 && area.classList.remove("over"));
  area.addEventListener("dragover", (event) => files(event) && event.preventDefault());
  area.addEventListener("drop", async (event) => {
    if (!files(event)) return;
    event.preventDefault();
    inside = 0;
    area.classList.remove("over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const found = [];
    const empty = [];
    const unread = [];
    for (const entry of entries) await walk(entry, "", found, empty).catch(() => unread.push(entry.name));
    send(found);
    if (unread.length) tell(`This browser could not read: ${unread.join(", ")}. Choose them with “Upload a folder”.`);
    if (empty.length) await makeFolders(area, empty);
  });
}

function tell(words) {
  panel.hidden = false;
  panel.querySelector("[data-unread]").textContent = words;
}

// No file brings an empty folder into being, so the portal is asked for it. One that is there already is as good.
async function makeFolders(area, names) {
  const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
  const missing = [];
  for (const name of names) {
    const answer = await fetch(`/api/v1/projects/${area.dataset.project}/files/folder/`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": token },
      body: JSON.stringify({ path: [area.dataset.path, name].filter(Boolean).join("/") }),
    }).catch(() => null);
    if (!answer?.ok && answer?.status !== 409) missing.push(name);
  }
  await reload().catch(() => {});
  if (missing.length) tell(`These empty folders were not made: ${missing.join(", ")}.`);
}

async function walk(entry, above, found, empty) {
  const relativePath = above + entry.name;
  if (entry.isFile) {
    found.push({ file: await new Promise((yes, no) => entry.file(yes, no)), relativePath });
    return;
  }
  const reader = entry.createReader();
  for (let seen = 0; ; ) {
    const some = await new Promise((yes, no) => reader.readEntries(yes, no));
    if (!some.length) {
      if (!seen) empty.push(relativePath);
      return;
    }
    seen += some.length;
    for (const one of some) await walk(one, `${relativePath}/`, found, empty);
  }
}

const WORDS = { waiting: "waiting", paused: "paused", done: "done", skipped: "skipped", cancelled: "cancelled" };

function drawing(made) {
  const title = element("strong", { class: "grow" });
  const spoken = element("span", { class: "visually-hidden", role: "status" });
  const all = element("button", { class: "button small quiet", type: "button" });
  const close = element("button", { class: "button small quiet", type: "button" }, "Close");
  const bar = element("progress", { class: "uploads-all", max: 1, "aria-label": "All uploads" });
  const unread = element("p", { class: "uploads-note error", role: "alert", "data-unread": true });
  const asked = element("div", { class: "uploads-asked", role: "alert", hidden: true });
  const rest = element("p", { class: "uploads-note muted", hidden: true });
  const list = element("ul", { class: "uploads-list", tabindex: "0", "aria-label": "Files on their way" });
  const rows = new Map();
  let frame = 0;
  made.append(element("div", { class: "uploads-head" }, title, spoken, all, close), bar, unread, asked, list, rest);
  all.addEventListener("click", () => {
    const running = every().some((item) => item.state === "uploading");
    for (const manager of managers.values()) running ? manager.pauseAll() : manager.resumeAll();
  });
  close.addEventListener("click", () => {
    made.hidden = true;
    unread.textContent = "";
    for (const manager of managers.values()) manager.clear();
  });
  const draw = () => {
    frame = 0;
    const items = every();
    const tally = {};
    for (const item of items) tally[item.state] = (tally[item.state] ?? 0) + 1;
    const count = (...states) => states.reduce((sum, state) => sum + (tally[state] ?? 0), 0);
    const open = count(...BUSY, "paused");
    title.textContent = heading(items, count);
    all.hidden = count("uploading", "waiting", "paused") === 0;
    close.hidden = open > 0;
    bar.value = share(items);
    // A reader is told every tenth, not every piece.
    const told = open ? `${Math.floor(bar.value * 10) * 10} % of ${items.length} uploads` : title.textContent;
    if (spoken.textContent !== told) spoken.textContent = told;
    bar.hidden = open === 0;
    all.textContent = count("uploading") ? "Pause all" : "Go on";
    ask(asked, items.filter((item) => item.state === "conflict"));
    const drawn = shown(items);
    const kept = new Set(drawn.map((item) => item.id));
    for (const [id, old] of rows) if (!kept.has(id) && !old.root.contains(document.activeElement)) (old.root.remove(), rows.delete(id));
    for (const item of drawn) row(list, rows, item);
    rest.hidden = drawn.length === items.length;
    rest.textContent = `and ${items.length - drawn.length} more`;
    follow(count("done"), open);
  };
  made.redraw = () => (frame ||= requestAnimationFrame(draw));
}

// The list of files behind the panel shows what has come, from time to time and at the end.
const follow = (() => {
  let [seen, timer] = [0, 0];
  return (done, open) => {
    if (done <= seen || (timer && open)) return (seen = Math.min(seen, done));
    clearTimeout(timer);
    timer = setTimeout(() => ((timer = 0), reload().catch(() => {})), open ? LIST_MS : 300);
    seen = done;
  };
})();

function heading(items, count) {
  const [open, done, failed] = [count(...BUSY, "paused"), count("done"), count("failed")];
  const wrong = failed ? `, ${failed} not` : "";
  if (!open) return done || failed ? `${done} uploaded${wrong}` : "Nothing was uploaded";
  if (!count(...BUSY)) return `Paused, ${done} of ${items.length} uploaded${wrong}`;
  return `${done} of ${items.length} uploaded${wrong}${left(items)}`;
}

function share(items) {
  const counted = items.filter((item) => !["skipped", "cancelled"].includes(item.state));
  const size = counted.reduce((sum, item) => sum + item.size, 0);
  if (!size) return counted.length ? counted.filter((item) => item.state === "done").length / counted.length : 1;
  return counted.reduce((sum, item) => sum + item.sent, 0) / size;
}

// Of thousands only some are drawn: those that need a look or move now, what comes next, and what came last.
function shown(items) {
  if (items.length <= SHOWN) return items;
  const ranked = ["failed", "conflict", "uploading", "paused", "waiting"].flatMap((state) => items.filter((item) => item.state === state));
  const ended = items.filter((item) => ENDED.includes(item.state));
  return [...ranked, ...ended.reverse()].slice(0, SHOWN);
}

function ask(area, conflicts) {
  const [first] = conflicts;
  area.hidden = !first;
  if (!first) delete area.dataset.id;
  if (!first || area.dataset.id === first.id + conflicts.length) return;
  area.dataset.id = first.id + conflicts.length;
  const button = (choice, words) => {
    const made = element("button", { class: "button small", type: "button", "data-choice": choice }, words);
    made.addEventListener("click", () => first.manager.resolve(first.id, choice, { all: all?.checked ?? false }));
    return made;
  };
  const all = element("input", { type: "checkbox" });
  area.replaceChildren(
    element("p", {}, element("strong", {}, first.path), " is there already."),
    element("p", { class: "row" }, button("skip", "Skip"), button("rename", `Keep both: ${another(first.path, 2).split("/").pop()}`), button("replace", "Replace")),
    element("label", {}, all, ` The same for all that follow${conflicts.length > 1 ? ` (${conflicts.length - 1} more now)` : ""}`),
  );
}

function left(items) {
  const speed = items.reduce((sum, item) => sum + (item.state === "uploading" ? item.speed || 0 : 0), 0);
  const bytes = items.reduce((sum, item) => sum + (["uploading", "waiting"].includes(item.state) ? item.size - item.sent : 0), 0);
  return speed ? `, ${time(bytes / speed)} left` : "";
}

function row(list, rows, item) {
  const made = rows.get(item.id) ?? newRow(list, rows, item);
  if (made.state === item.state && made.sent === item.sent && made.path === item.path) return;
  Object.assign(made, { item, state: item.state, sent: item.sent, path: item.path });
  const running = item.state === "uploading";
  made.name.textContent = made.name.title = item.path;
  made.bar.value = item.size ? item.sent / item.size : item.state === "done" ? 1 : 0;
  made.pause.textContent = running ? "Pause" : item.state === "failed" ? "Try again" : "Go on";
  made.pause.setAttribute("aria-label", `${made.pause.textContent}: ${item.path}`);
  made.pause.hidden = !["uploading", "paused", "failed"].includes(item.state);
  made.elsewhere.hidden = !["uploading", "paused", "failed"].includes(item.state) || !item.manager.address(item.id);
  made.cancel.hidden = ["done", "cancelled", "skipped"].includes(item.state);
  made.badge.hidden = !(item.state === "done" && item.verified);
  made.line.classList.toggle("error", item.state === "failed");
  made.info.textContent = item.state === "failed" ? item.error : `${bytes(item.sent)} of ${bytes(item.size)} ${WORDS[item.state] ?? ""}`;
  made.right.textContent = running && item.speed ? `${bytes(item.speed)}/s, ${time(item.secondsLeft)} left` : "";
}

function newRow(list, rows, item) {
  const made = {
    item,
    name: element("span", { class: "upload-name" }),
    bar: element("progress", { max: 1, "aria-label": `Progress of ${item.path}` }),
    info: element("span"),
    right: element("span"),
    badge: element("span", { class: "badge success", title: "The door compared the SHA-256 of every piece with this browser's" }, "verified"),
    pause: element("button", { class: "button small quiet", type: "button" }),
    elsewhere: element("button", { class: "button small quiet", type: "button", "aria-label": `Continue ${item.path} by command line` }, "By command line"),
    cancel: element("button", { class: "button small quiet", type: "button", "aria-label": `Cancel ${item.path}` }, "Cancel"),
    command: element("div", { class: "upload-command", hidden: true }),
  };
  made.pause.addEventListener("click", () => (made.item.state === "uploading" ? item.manager.pause(item.id) : item.manager.resume(item.id)));
  made.cancel.addEventListener("click", () => item.manager.cancel(item.id));
  made.elsewhere.addEventListener("click", () => elsewhere(made));
  made.line = element("div", { class: "upload-info" }, made.info, made.right, made.badge);
  const buttons = element("span", { class: "nowrap" }, made.pause, made.elsewhere, made.cancel);
  made.root = element("li", {}, element("div", { class: "upload-line" }, made.name, buttons), made.bar, made.line, made.command);
  list.append(made.root);
  rows.set(item.id, made);
  return made;
}

// One line for another machine (or this one) that has the file: it goes on where the browser was.
function elsewhere(made) {
  const { item } = made;
  if (item.state === "uploading") item.manager.pause(item.id);
  const name = item.path.split("/").pop().replaceAll("'", "'\\''");
  const line = `curl -fsSO ${location.origin}/static/portolan-upload.py && PORTOLAN_UPLOAD='${item.manager.address(item.id)}' python3 portolan-upload.py '${name}'`;
  const text = element("code", { id: `command-${item.id}` }, line);
  const copy = element("button", { class: "button small", type: "button", "data-copy": `#command-${CSS.escape(item.id)}` }, element("span", {}, "Copy"));
  made.command.replaceChildren(element("p", { class: "help" }, "Type this where the file is. It holds the upload's secret: whoever has it can send this file, nothing else."), text, copy);
  made.command.hidden = false;
}

function bytes(count) {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (count < 999.5) return `${unit === "B" || count >= 99.95 ? Math.round(count) : count.toFixed(1)} ${unit}`;
    count /= 1000;
  }
  return `${count.toFixed(1)} TB`;
}

function time(seconds) {
  if (!Number.isFinite(seconds)) return "…";
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 3600 ? `${Math.round(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}
