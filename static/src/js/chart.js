// Vega-Lite charts, drawn by an interpreter (the pages allow no code made from text), in the page's colours.
// A chart of a running job is read again until it stops changing.
import embed from "vega-embed";
import { expressionInterpreter } from "vega-interpreter";
import { isDark } from "./colours.js";
import { content, element, get, tell } from "./parts.js";

const AGAIN = 4000;

// A chart is written by a job: what it shows is in its file, and it fetches nothing with the reader's session.
const refuse = async () => {
  throw new Error("A chart's data must be in its own file.");
};
const inlineOnly = { load: refuse, sanitize: refuse, http: refuse, file: refuse };

function config() {
  const css = getComputedStyle(document.documentElement);
  const colour = (name) => css.getPropertyValue(name).trim();
  const words = { labelColor: colour("--ink-2"), titleColor: colour("--ink"), labelFont: "Source Sans 3", titleFont: "Source Sans 3" };
  return {
    background: "transparent",
    font: "Source Sans 3",
    axis: { ...words, gridColor: colour("--line"), domainColor: colour("--line-strong"), tickColor: colour("--line-strong"), labelFontSize: 12, titleFontSize: 13, titleFontWeight: 500 },
    legend: { ...words, labelFontSize: 12, titleFontSize: 12 },
    header: words,
    title: { color: colour("--ink"), subtitleColor: colour("--ink-2"), font: "Source Sans 3", fontWeight: 600 },
    text: { color: colour("--ink") },
    view: { stroke: "transparent" },
    line: { strokeWidth: 2 },
    range: {
      category: isDark()
        ? ["#86c5e8", "#ff9a7d", "#93d38f", "#f0c264", "#c9a8f0", "#6fd6c9"]
        : ["#12577e", "#b23a1e", "#2b6a2f", "#a86a00", "#6b4a9c", "#0b6660"],
    },
  };
}

export async function view(viewer) {
  let drawn = "";
  let left = false;
  let shown;
  const draw = async () => {
    const text = await (await get(content(viewer))).text();
    if (text === drawn || left) return;
    drawn = text;
    await show();
  };
  const show = async () => {
    const specification = JSON.parse(drawn);
    const single = "mark" in specification || "layer" in specification;
    const box = document.createElement("div");
    box.className = "viewer-chart";
    const scroll = document.createElement("div");
    scroll.className = "chart-scroll";
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "group");
    scroll.setAttribute("aria-label", viewer.dataset.title);
    scroll.append(box);
    viewer.replaceChildren(scroll);
    if (single) specification.width = "container";
    shown?.finalize();
    // The card's head has the title already; the second line of it says something more.
    const more = viewer.closest(".result") && specification.title?.subtitle;
    if (typeof more === "string") viewer.prepend(element("p", { class: "muted small" }, more));
    shown = await embed(box, { ...specification, ...(viewer.closest(".result") && { title: undefined }), config: undefined }, {
      actions: false,
      ast: true,
      expr: expressionInterpreter,
      renderer: "svg",
      mode: "vega-lite",
      config: config(),
      loader: inlineOnly,
      tooltip: { theme: isDark() ? "dark" : "light" },
    });
    // A chart that sets its own width gets the whole row before anybody has to scroll.
    if (scroll.scrollWidth > scroll.clientWidth) viewer.closest(".result")?.classList.add("full");
  };
  const again = () => !left && drawn && show().catch((error) => tell(viewer, error));
  document.addEventListener("portolan:colours", again);
  await draw();
  const running = () => document.querySelector("#live[data-final=no]");
  const timer = setInterval(() => (running() && viewer.isConnected ? draw().catch(() => {}) : stop()), AGAIN);
  const stop = () => clearInterval(timer);
  viewer.addEventListener("portolan:leave", () => {
    left = true;
    stop();
    document.removeEventListener("portolan:colours", again);
    shown?.finalize();
  }, { once: true });
}
