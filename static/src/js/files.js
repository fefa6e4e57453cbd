// The file browser's small helps: filtering while one types, ticking, moving and keys.
// The list itself comes sorted and filtered from the server; here it is only asked for again.
const WAIT_MS = 250;
let asked;
// Browsers tick again what was ticked when one comes back to the page.
addEventListener("pageshow", () => document.querySelector("#files-list")?.dispatchEvent(new Event("change")));

export function start() {
  const found = document.querySelector("#files-list");
  if (found) list(found);
  filtering(document.querySelector("#files-filter"));
}

// The list as the server has it now, in place; what is ticked and where one is stays.
export async function reload(url = location.href) {
  if (!document.querySelector("#files-list")) return;
  asked?.abort();
  asked = new AbortController();
  const answer = await fetch(url, { headers: { Accept: "text/html" }, credentials: "same-origin", signal: asked.signal });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const [old, fresh] = [document, page].map((one) => one.querySelector("#files-list"));
  if (!answer.ok || !old || !fresh) return;
  const ticked = new Set([...old.querySelectorAll("input[name=paths]:checked")].map((box) => box.value));
  const focused = old.contains(document.activeElement) ? document.activeElement.closest("tr")?.dataset.name : undefined;
  for (const box of fresh.querySelectorAll("input[name=paths]")) box.checked = ticked.has(box.value);
  old.replaceWith(fresh);
  document.querySelector(".usage")?.replaceWith(...page.querySelectorAll(".usage"));
  const filter = document.querySelector(".files-filter");
  if (filter) filter.hidden &&= !fresh.querySelector("tbody tr");
  list(fresh);
  if (focused !== undefined) [...fresh.querySelectorAll("tbody tr")].find((row) => row.dataset.name === focused)?.querySelector("td.name a")?.focus();
  return fresh;
}

function list(made) {
  selection(made);
  moving(made);
  for (const table of made.querySelectorAll("table.files")) keys(table);
}

function selection(made) {
  const all = made.querySelector("[data-all]");
  const boxes = [...made.querySelectorAll("input[name=paths]")];
  const bar = made.querySelector("[data-selection-bar]");
  if (!all) return;
  all.hidden = false;
  const count = () => {
    const ticked = boxes.filter((box) => box.checked).length;
    bar.classList.toggle("some", ticked > 0);
    bar.querySelector("[data-selection-count]").textContent = `${ticked} ticked`;
    all.checked = ticked === boxes.length;
    all.indeterminate = ticked > 0 && ticked < boxes.length;
  };
  all.addEventListener("change", () => {
    boxes.forEach((box) => (box.checked = all.checked));
    count();
  });
  made.addEventListener("change", count);
  count();
}

function moving(made) {
  const dialog = document.querySelector("#move-dialog");
  if (!dialog) return;
  for (const button of made.querySelectorAll("[data-move]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      dialog.querySelector("[name=source]").value = button.dataset.move;
      const target = dialog.querySelector("[name=target]");
      target.value = button.dataset.move;
      dialog.showModal();
      target.setSelectionRange(button.dataset.move.lastIndexOf("/") + 1, target.value.length);
    });
  }
}

// The whole folder is filtered, on the server, a moment after the last letter.
function filtering(input) {
  if (!input || input.dataset.seen) return;
  input.dataset.seen = "yes";
  let timer;
  const ask = async () => {
    clearTimeout(timer);
    const url = `${input.form.getAttribute("action")}?${new URLSearchParams(new FormData(input.form))}`;
    const told = document.querySelector("[data-filter-count]");
    const made = await reload(url).catch((problem) => problem.name !== "AbortError" && location.assign(url));
    if (!made) return;
    history.replaceState(history.state, "", url);
    const count = made.querySelectorAll("tbody tr").length;
    told.textContent = input.value.trim() ? `${count}${made.querySelector("[data-more]") ? " and more" : ""} found` : "";
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS);
  });
  input.form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
}

// Arrows go from row to row, the space bar ticks, Delete asks whether to delete what is ticked.
function keys(table) {
  table.addEventListener("keydown", (event) => {
    const row = event.target.closest("tbody tr");
    if (!row) return;
    const rows = [...table.tBodies[0].rows].filter((one) => one.querySelector("td.name a"));
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps) {
      event.preventDefault();
      rows[rows.indexOf(row) + steps[event.key]]?.querySelector("td.name a").focus();
    } else if (event.key === " " && event.target.matches("td.name a")) {
      event.preventDefault();
      row.querySelector("input[name=paths]").click();
    } else if (event.key === "Delete") {
      const box = row.querySelector("input[name=paths]");
      const form = box.form;
      const button = form.querySelector("button[value=delete]");
      if (!button) return;
      if (!form.querySelector("input[name=paths]:checked")) box.checked = true;
      form.requestSubmit(button);
    }
  });
}
