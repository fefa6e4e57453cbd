// The dialog that picks a file, several files or a folder for a field of a tool's form.
let field;
let kind;

export function start() {
  const dialog = document.querySelector("#picker");
  for (const button of document.querySelectorAll("[data-browse]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      field = document.getElementById(button.dataset.browse);
      kind = button.dataset.kind;
      dialog.querySelector("h2").textContent = { folder: "Choose a folder", files: "Choose files or a folder" }[kind] ?? "Choose a file";
      dialog.dataset.accept = button.dataset.accept;
      dialog.showModal();
    });
  }
  dialog.addEventListener("htmx:afterSettle", () => {
    const row = dialog.querySelector("[data-pick-folder-row]");
    if (row) row.hidden = kind === "file";
    const accepted = (dialog.dataset.accept || "").split(",").filter(Boolean);
    for (const item of dialog.querySelectorAll("[data-pick]")) {
      const fits = kind !== "folder" && (!accepted.length || accepted.some((end) => item.dataset.pick.toLowerCase().endsWith(end)));
      item.disabled = !fits;
    }
  });
  dialog.addEventListener("click", (event) => {
    const item = event.target.closest("[data-pick], [data-pick-folder]");
    if (!item) return;
    if (item.dataset.pick === undefined) {
      put(kind === "folder" ? item.dataset.pickFolder : `${item.dataset.pickFolder}/`);
      dialog.close();
    } else if (kind === "files") {
      const lines = field.value.split("\n").filter((line) => line && !/[*?[]|\/$/.test(line));
      put([...new Set([...lines, item.dataset.pick])].join("\n"));
      item.setAttribute("aria-pressed", "true");
    } else {
      put(item.dataset.pick);
      dialog.close();
    }
  });
  dialog.addEventListener("close", () => field?.focus());
}

function put(text) {
  field.value = text;
  field.dispatchEvent(new Event("change", { bubbles: true }));
}
