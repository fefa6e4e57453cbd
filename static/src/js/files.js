// The file browser's small helps: ticking, moving, and uploads by button or by dropping.
export async function start() {
  selection(document.querySelector("[data-selection]"));
  moving();
  for (const table of document.querySelectorAll("table.files")) {
    sorting(table);
    filtering(table);
    keys(table);
  }
  if (document.querySelector("[data-drop]")) (await import("./upload_panel.js")).start(document.querySelector("[data-drop]"));
}

function selection(form) {
  if (!form) return;
  const all = form.querySelector("[data-all]");
  const boxes = [...form.querySelectorAll("input[name=paths]")];
  const bar = form.querySelector("[data-selection-bar]");
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
  form.addEventListener("change", count);
  addEventListener("pageshow", count);
}

function moving() {
  const dialog = document.querySelector("#move-dialog");
  if (!dialog) return;
  for (const button of document.querySelectorAll("[data-move]")) {
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

// By a click on a head: names as people count, sizes, dates; folders stay first.
const counting = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function sorting(table) {
  const heads = [...table.querySelectorAll("th[data-sort]")];
  for (const head of heads) {
    const words = head.textContent;
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "sort", textContent: words });
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      sort(table, head.dataset.sort, down ? -1 : 1);
    });
  }
}

function sort(table, by, sign) {
  const body = table.tBodies[0];
  const compare = (one, other) => {
    const folders = (other.dataset.kind === "folder") - (one.dataset.kind === "folder");
    const [a, b] = [one.dataset[by], other.dataset[by]];
    return folders || sign * (by === "name" ? counting.compare(a, b) : a - b) || counting.compare(one.dataset.name, other.dataset.name);
  };
  body.append(...[...body.rows].sort(compare));
}

function filtering(table) {
  const input = document.querySelector("[data-filter]");
  if (!input) return;
  input.closest("p").hidden = false;
  const told = document.querySelector("[data-filter-count]");
  input.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
  input.addEventListener("input", () => {
    const word = input.value.trim().toLocaleLowerCase();
    let count = 0;
    for (const row of table.tBodies[0].rows) {
      row.hidden = !row.dataset.name.toLocaleLowerCase().includes(word);
      if (row.hidden) row.querySelector("input[name=paths]").checked = false;
      count += !row.hidden;
    }
    told.textContent = word ? `${count} of ${table.tBodies[0].rows.length}` : "";
    input.form.dispatchEvent(new Event("change"));
  });
}

// Arrows go from row to row, the space bar ticks, Delete asks whether to delete what is ticked.
function keys(table) {
  table.addEventListener("keydown", (event) => {
    const row = event.target.closest("tbody tr");
    if (!row) return;
    const rows = [...table.tBodies[0].rows].filter((one) => !one.hidden && one.querySelector("td.name a"));
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
