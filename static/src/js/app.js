// What every page needs: partial updates, colours, dialogs, copying. Viewers are loaded when they are seen.
import htmx from "htmx.org";
import { themeToggle } from "./colours.js";
import { viewersIn } from "./viewers.js";

window.htmx = htmx;
htmx.config.allowEval = false;

const on = (type, selector, act) =>
  document.addEventListener(type, (event) => {
    const found = event.target instanceof Element && event.target.closest(selector);
    if (found) act(found, event);
  });

on("click", "[data-copy]", async (button) => {
  const from = document.querySelector(button.dataset.copy);
  await navigator.clipboard.writeText(from.value ?? from.textContent.trim());
  const words = button.querySelector("span");
  words.textContent = "Copied";
  setTimeout(() => (words.textContent = "Copy"), 2000);
});
on("click", "[data-close]", (button) => button.closest("dialog").close());
on("change", "[data-autosubmit] select", (select) => select.form.requestSubmit());

// Forms that can't be taken back ask first, in a dialog of their own.
let asker;
document.addEventListener("submit", (event) => {
  const words = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (!words || event.target.dataset.sure) return;
  event.preventDefault();
  ask(words, event.submitter?.textContent.trim() || "Go on", () => {
    event.target.dataset.sure = "yes";
    event.target.requestSubmit(event.submitter);
    delete event.target.dataset.sure;
  });
});

function ask(words, yes, act) {
  asker?.remove();
  asker = document.createElement("dialog");
  asker.setAttribute("aria-labelledby", "ask-title");
  asker.innerHTML =
    '<div class="dialog-head"><h2 id="ask-title"></h2></div><div class="dialog-foot"><button class="button" type="button" data-close>Keep it</button><button class="button danger" type="button" data-yes></button></div>';
  asker.querySelector("h2").textContent = words;
  const button = asker.querySelector("[data-yes]");
  button.textContent = yes;
  button.addEventListener("click", () => {
    asker.close();
    act();
  });
  document.body.append(asker);
  asker.showModal();
}

// One open menu at a time; Escape and a click elsewhere close it.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

async function pageParts(root) {
  viewersIn(root);
  if (root.querySelector("[data-selection], [data-drop]")) (await import("./files.js")).start();
  const area = root.querySelector("[data-drop]");
  if (area) (await import("./upload_panel.js")).start(area);
  if (root.querySelector("[data-browse]")) (await import("./picker.js")).start();
  if (root.querySelector("[data-job]")) (await import("./job.js")).start();
}

themeToggle();
document.querySelector("[data-focus]")?.focus();
pageParts(document);
// The content is another page's now, the document is the same (uploads go on): see staying.js.
document.addEventListener("portolan:page", () => {
  themeToggle();
  htmx.process(document.body);
  pageParts(document);
});
document.addEventListener("htmx:afterSettle", (event) => viewersIn(event.detail.elt?.parentElement ?? document));
