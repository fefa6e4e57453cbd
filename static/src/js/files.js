// The file browser's small helps: ticking, moving, and uploads by button or by dropping.
export async function start() {
  selection(document.querySelector("[data-selection]"));
  moving();
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
