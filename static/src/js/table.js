// A STAR or CSV table: sorted by a column, a page at a time, with the rows marked that the tool calls outliers.
import { element, get, preview } from "./parts.js";

const ROWS = 50;

export async function view(viewer) {
  const state = { offset: 0, sort: "", descending: false, table: "" };
  const show = async () => {
    const options = { form: "table", offset: state.offset, limit: ROWS };
    if (state.sort) Object.assign(options, { sort: state.sort, descending: state.descending });
    if (state.table) options.table = state.table;
    draw(viewer, state, await (await get(preview(viewer, options))).json(), show);
  };
  await show();
}

function draw(viewer, state, page, show) {
  const marks = page.columns.findIndex((name) => /outlier/i.test(name));
  const head = element("tr");
  const numeric = page.columns.map((_, at) => page.rows.some((row) => typeof row[at] === "number"));
  page.columns.forEach((name, at) => {
    const sorted = state.sort === name ? (state.descending ? "descending" : "ascending") : false;
    const button = element("button", { type: "button" }, `${heading(name)}${sorted ? (state.descending ? " ↓" : " ↑") : ""}`);
    button.addEventListener("click", () => {
      Object.assign(state, { descending: state.sort === name && !state.descending, sort: name, offset: 0 });
      show();
    });
    head.append(element("th", { scope: "col", "aria-sort": sorted, class: numeric[at] ? "right" : false }, button));
  });
  const body = element("tbody");
  for (const row of page.rows) {
    const outlier = marks >= 0 && /^(1|true|yes|outlier)$/i.test(String(row[marks]));
    const line = element("tr", { class: outlier ? "outlier" : false });
    row.forEach((cell) => line.append(element("td", { class: typeof cell === "number" ? "right" : false }, written(cell))));
    body.append(line);
  }
  const table = element("table", { class: "data viewer-table" }, element("thead", {}, head), body);
  const scroll = element("div", { class: "table-wrap", tabindex: "0", role: "group", "aria-label": viewer.dataset.title ?? "Table" }, table);
  viewer.replaceChildren(scroll, foot(state, page, show));
  if (marks >= 0) viewer.append(element("p", { class: "muted small" }, "Marked rows are outliers by the tool's rule."));
}

// "total_motion_A" is read as "total motion (Å)"; RELION's own labels have no underscores inside and stay.
const heading = (name) => name.replace(/(?<=\w)_per_A$/, " per Å").replace(/(?<=\w)_A$/, " (Å)").replace(/(?<=\w)_(?=\w)/g, " ");

const written = (cell) => (typeof cell === "number" && !Number.isInteger(cell) ? Number(cell.toPrecision(5)).toString() : cell == null ? "" : String(cell));

function foot(state, page, show) {
  const last = Math.min(state.offset + page.rows.length, page.total);
  const words = element("span", { class: "muted small number" }, page.total ? `${state.offset + 1} to ${last} of ${page.total}` : "No rows");
  const made = element("div", { class: "row card-body" }, words);
  if (page.total <= ROWS) return made;
  for (const [label, step, off] of [["Before", -ROWS, state.offset === 0], ["Next", ROWS, last >= page.total]]) {
    const button = element("button", { class: "button small", type: "button", disabled: off }, label);
    button.addEventListener("click", () => {
      state.offset += step;
      show();
    });
    made.append(button);
  }
  return made;
}
