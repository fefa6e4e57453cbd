// The panel of uploads: what is on its way, how fast, how long still; pause, go on, cancel; what failed and why.
import { UploadManager } from "../uploads.js";
import { element } from "./parts.js";

const SHOWN = 200;

export function start(area) {
  const panel = document.querySelector("[data-uploads]");
  const manager = new UploadManager({ projectId: area.dataset.project });
  const send = (files) => {
    if (!files.length) return;
    panel.hidden = false;
    manager.add(files, area.dataset.path);
  };
  for (const label of document.querySelectorAll("[data-upload-button]")) {
    label.hidden = false;
    const input = label.querySelector("input");
    input.addEventListener("change", () => {
      send([...input.files].map((file) => ({ file, relativePath: file.webkitRelativePath || file.name })));
      input.value = "";
    });
  }
  dropping(area, send);
  drawing(panel, manager);
  addEventListener("beforeunload", (event) => {
    if (manager.items().some((item) => item.state === "uploading" || item.state === "waiting")) event.preventDefault();
  });
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
    for (const entry of entries) await walk(entry, "", found);
    send(found);
  });
}

async function walk(entry, above, found) {
  const relativePath = above + entry.name;
  if (entry.isFile) {
    found.push({ file: await new Promise((yes, no) => entry.file(yes, no)), relativePath });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((yes, no) => reader.readEntries(yes, no));
    if (!some.length) return;
    for (const one of some) await walk(one, `${relativePath}/`, found);
  }
}

const WORDS = { waiting: "waiting", uploading: "", paused: "paused", done: "done", failed: "", cancelled: "cancelled" };

function drawing(panel, manager) {
  const title = element("strong", { class: "grow", "aria-live": "polite" });
  const all = element("button", { class: "button small quiet", type: "button" });
  const close = element("button", { class: "button small quiet", type: "button" }, "Close");
  const list = element("ul", { class: "uploads-list", tabindex: "0", "aria-label": "Files on their way" });
  const rows = new Map();
  let refresh = false;
  panel.append(element("div", { class: "uploads-head" }, title, all, close), list);
  all.addEventListener("click", () => (manager.items().some((item) => item.state === "uploading") ? manager.pauseAll() : manager.resumeAll()));
  close.addEventListener("click", () => {
    panel.hidden = true;
    if (refresh) location.reload();
  });
  let frame = 0;
  const draw = () => {
    frame = 0;
    const items = manager.items();
    const open = items.filter((item) => !["done", "failed", "cancelled"].includes(item.state));
    const failed = items.filter((item) => item.state === "failed").length;
    title.textContent = open.length ? `${open.length} of ${items.length} on the way${left(items)}` : `${items.filter((item) => item.state === "done").length} uploaded${failed ? `, ${failed} not` : ""}`;
    all.hidden = open.length === 0;
    close.hidden = open.length > 0;
    all.textContent = items.some((item) => item.state === "uploading") ? "Pause all" : "Go on";
    for (const item of items.slice(-SHOWN)) row(list, rows, item, manager);
    refresh ||= items.some((item) => item.state === "done");
    if (!open.length && refresh && !failed) setTimeout(() => manager.items().every((item) => item.state === "done") && location.reload(), 1200);
  };
  manager.addEventListener("change", () => (frame ||= requestAnimationFrame(draw)));
}

function left(items) {
  const speed = items.reduce((sum, item) => sum + (item.state === "uploading" ? item.speed || 0 : 0), 0);
  const bytes = items.reduce((sum, item) => sum + (["uploading", "waiting"].includes(item.state) ? item.size - item.sent : 0), 0);
  return speed ? `, ${time(bytes / speed)} left` : "";
}

function row(list, rows, item, manager) {
  let made = rows.get(item.id);
  if (!made) {
    made = {
      name: element("span", { class: "upload-name", title: item.path }, item.path),
      bar: element("progress", { max: 1, "aria-label": `Progress of ${item.path}` }),
      info: element("span"),
      right: element("span"),
      pause: element("button", { class: "button small quiet", type: "button" }),
      cancel: element("button", { class: "button small quiet", type: "button", "aria-label": `Cancel ${item.path}` }, "Cancel"),
    };
    made.pause.addEventListener("click", () => (made.item.state === "uploading" ? manager.pause(item.id) : manager.resume(item.id)));
    made.cancel.addEventListener("click", () => manager.cancel(item.id));
    made.line = element("div", { class: "upload-info" }, made.info, made.right);
    list.append(element("li", {}, element("div", { class: "upload-line" }, made.name, element("span", { class: "nowrap" }, made.pause, made.cancel)), made.bar, made.line));
    rows.set(item.id, made);
  }
  made.item = item;
  const running = item.state === "uploading";
  made.bar.value = item.size ? item.sent / item.size : item.state === "done" ? 1 : 0;
  made.pause.textContent = running ? "Pause" : item.state === "failed" ? "Try again" : "Go on";
  made.pause.setAttribute("aria-label", `${made.pause.textContent}: ${item.path}`);
  made.pause.hidden = !["uploading", "paused", "failed"].includes(item.state);
  made.cancel.hidden = ["done", "cancelled"].includes(item.state);
  made.line.classList.toggle("error", item.state === "failed");
  made.info.textContent = item.state === "failed" ? item.error : `${bytes(item.sent)} of ${bytes(item.size)} ${WORDS[item.state] ?? ""}`;
  made.right.textContent = running && item.speed ? `${bytes(item.speed)}/s, ${time(item.secondsLeft)} left` : "";
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
