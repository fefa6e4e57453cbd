// A job's page follows the job: changes come by server-sent events; where these fail, the page asks.
import htmx from "htmx.org";

const ASK = 3000;
const TAIL = 262144;

export function start() {
  const id = document.querySelector("[data-job]").dataset.job;
  followState(id);
  followLog();
}

const isFinal = () => document.querySelector("#live")?.dataset.final === "yes";

function followState(id) {
  if (isFinal()) return;
  const refresh = () => htmx.trigger("#live", "refresh");
  let timer = setInterval(refresh, ASK * 4);
  const source = new EventSource(`/api/v1/jobs/${id}/stream/`);
  const stop = () => {
    source.close();
    clearInterval(timer);
  };
  for (const type of ["message", "state", "progress", "job", "results"]) source.addEventListener(type, refresh);
  source.onerror = () => {
    clearInterval(timer);
    timer = setInterval(refresh, ASK);
  };
  addEventListener("pagehide", stop);
  document.body.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.elt.id !== "live") return;
    htmx.trigger("#results", "refresh");
    if (isFinal()) stop();
  });
  // Results that did not change stay as they are: what was turned and zoomed is not turned back.
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target.id !== "results") return;
    const before = document.querySelector("#results").dataset.count;
    const now = /data-count="([^"]*)"/.exec(event.detail.xhr.responseText)?.[1];
    if (before === now) event.detail.shouldSwap = false;
  });
}

function followLog() {
  const log = document.querySelector("[data-log]");
  const other = document.querySelector("[data-log-stream]");
  let offset = 0;
  let run = 0;
  const tail = async (mine) => {
    const stream = other.checked ? "stderr" : "stdout";
    const answer = await fetch(`${log.dataset.log}?stream=${stream}&offset=${offset}`).catch(() => null);
    if (mine !== run) return;
    if (answer?.ok) {
      const chunk = await answer.json();
      if (mine !== run) return;
      const low = log.scrollTop + log.clientHeight >= log.scrollHeight - 20;
      if (chunk.text) log.textContent = (log.textContent + chunk.text).slice(-TAIL);
      if (low) log.scrollTop = log.scrollHeight;
      const more = chunk.next_offset > offset;
      offset = chunk.next_offset;
      if (chunk.complete && !more) {
        if (!log.textContent) log.textContent = "Nothing was written here.";
        return;
      }
      setTimeout(() => tail(mine), more ? 50 : 1500);
      return;
    }
    if (!isFinal()) setTimeout(() => tail(mine), ASK);
  };
  const begin = () => {
    offset = 0;
    log.textContent = "";
    tail(++run);
  };
  other.addEventListener("change", begin);
  begin();
}
