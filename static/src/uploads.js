// Uploads of files and whole folders to the door (tus), without a page: events out, methods in.
//
//   const manager = new UploadManager({ projectId, csrfToken?, atOnce?, streams?, parallelFrom? });
//   manager.add([{ file, relativePath }], targetPath)   → the new items; the same files picked again after closing the
//                                                         browser go on where they stopped
//   manager.pause(id)  manager.resume(id)  manager.cancel(id)  manager.pauseAll()  manager.resumeAll()
//   manager.resolve(id, "skip" | "rename" | "replace", { all? })   what to do with a name that is taken
//   manager.items()    → [{ id, path, size, sent, state, speed, secondsLeft, error, code, verified }]
//                        state: waiting | uploading | paused | conflict | done | failed | skipped | cancelled
//                        verified: the door compared a checksum of every byte with ours
//   manager.clear()      what has ended is no longer among the items
//   manager.address(id)  → the upload's own address, a secret, for going on elsewhere
//   manager.unfinished() → [{ path, size, into }]: begun by this browser, not ended, and not among the items; "into" is
//                        the folder that was the target when they were picked. Picked again there, they go on.
//   manager.abandon()    those are given up
//   "change" is dispatched whenever an item has moved; "done" (detail: the item) for each file that is in place.
//
// The portal is asked for every file before its first byte (name, quota, path); the answer is its address at the door.
// The address is a secret of its own, which outlives the login. It is remembered in this browser's localStorage, by
// project, path, size and date of the file, until the upload has ended. A large file goes in parallel parts, each of
// which is a place in the file; every piece carries its SHA-256, so a wrong one is sent again.
import * as tus from "tus-js-client";

const LEAST_PIECE = 2 * 1024 ** 2;
const LARGEST_PIECE = 64 * 1024 ** 2;
const PIECE_SECONDS = 4;
const STREAMS = 4;
const CONNECTIONS = 6; // what browsers open to one server
const PARALLEL_FROM = 128 * 1024 ** 2;
const RETRY_MS = [0, 1000, 3000, 5000, 10_000, 20_000, ...Array(30).fill(30_000)];
const PATIENCE = 40;
const SMOOTH_SECONDS = 3;
const REMEMBERED = "portolan-upload:";
const ENDED = ["done", "failed", "skipped", "cancelled"];
const TUS = { "Tus-Resumable": "1.0.0" };
const SAYS = {
  0: "The line to the server is cut. It goes on when you press “Try again”.",
  403: "You may no longer write into this project, or it is archived.",
  404: "This upload is no longer known. Try again to begin anew.",
  409: "A file of this name was made meanwhile. What you sent is kept: move or delete that file and try again.",
  410: "This upload has ended. Try again to begin anew.",
  507: "The disk of this project is full. What you sent is kept; try again when there is room.",
};

export class UploadManager extends EventTarget {
  #projectId;
  #csrfToken;
  #atOnce;
  #streams;
  #parallelFrom;
  #items = [];
  #running = new Map();
  #forAll = "";

  constructor({ projectId, csrfToken, atOnce = 3, streams = STREAMS, parallelFrom = PARALLEL_FROM }) {
    super();
    this.#projectId = projectId;
    this.#csrfToken = csrfToken ?? (() => document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "");
    this.#atOnce = atOnce;
    this.#streams = streams;
    this.#parallelFrom = parallelFrom;
    if (typeof addEventListener === "function") addEventListener("online", () => this.#afterCut());
  }

  items() {
    return this.#items.map(shown);
  }

  clear() {
    this.#items = this.#items.filter((item) => !ENDED.includes(item.state));
    this.#changed();
  }

  unfinished() {
    return this.#left().map(({ path, size, into }) => ({ path, size, into }));
  }

  async abandon() {
    for (const { key, url } of this.#left()) {
      localStorage.removeItem(key);
      await tus.Upload.terminate(url, { retryDelays: [0, 1000] }).catch(() => {});
    }
  }

  #left() {
    const mine = new Set(this.#items.map((item) => this.#key(item)));
    const begin = `${REMEMBERED}${this.#projectId}:`;
    const found = [];
    try {
      for (const key of Object.keys(localStorage)) {
        if (!key.startsWith(begin) || mine.has(key)) continue;
        const [, path, size] = key.slice(begin.length).match(/^(.*):(\d+):\d+$/s) ?? [];
        if (path) found.push({ key, path, size: Number(size), ...JSON.parse(localStorage.getItem(key)) });
      }
    } catch {
      /* a browser that keeps nothing, or another's entry */
    }
    return found.sort((one, other) => one.path.localeCompare(other.path, undefined, { numeric: true }));
  }

  add(files, targetPath = "") {
    const above = targetPath.replace(/^\/+|\/+$/g, "");
    const made = files.map(({ file, relativePath }) => ({
      id: crypto.randomUUID(),
      file,
      path: [above, (relativePath || file.name).replace(/^\/+/, "")].filter(Boolean).join("/"),
      into: above,
      size: file.size,
      sent: 0,
      state: "waiting",
      speed: 0,
      secondsLeft: Infinity,
      error: "",
      code: "",
      verified: false,
      overwrite: false,
      tries: 1,
    }));
    if (!this.#items.some((item) => ["waiting", "uploading", "paused", "conflict"].includes(item.state))) this.#forAll = "";
    for (const item of made) this.#items.push(item);
    this.#next();
    this.#changed();
    return made.map(shown);
  }

  pause(id) {
    const item = this.#find(id, "waiting", "uploading");
    if (!item) return;
    this.#move(item, "paused");
    this.#stop(id);
    this.#next();
  }

  resume(id) {
    const item = this.#find(id, "paused", "failed");
    if (!item) return;
    this.#move(item, "waiting");
    this.#next();
  }

  resolve(id, choice, { all = false } = {}) {
    if (all) this.#forAll = choice;
    const chosen = all ? this.#items.filter((item) => item.state === "conflict") : [this.#find(id, "conflict")];
    for (const item of chosen.filter(Boolean)) this.#resolved(item, choice);
    this.#next();
  }

  async cancel(id) {
    const item = this.#find(id, "waiting", "uploading", "paused", "failed", "conflict");
    if (!item) return;
    this.#move(item, "cancelled");
    const ended = this.#stop(id);
    this.#next();
    const url = this.#remembered(item);
    this.#forget(item);
    await ended;
    // Where this fails the upload ends by itself, once it has been idle for its days.
    if (url) await tus.Upload.terminate(url, { retryDelays: [0, 1000] }).catch(() => {});
  }

  pauseAll() {
    for (const item of [...this.#items].reverse()) this.pause(item.id);
  }

  resumeAll() {
    for (const item of this.#items) if (item.state === "paused") this.resume(item.id);
  }

  address(id) {
    const item = this.#items.find((one) => one.id === id);
    return item ? this.#remembered(item) : null;
  }

  #stop(id) {
    const run = this.#running.get(id);
    this.#running.delete(id);
    return Promise.all((run?.uploads ?? []).map((upload) => upload.abort()));
  }

  #resolved(item, choice) {
    if (choice === "skip") return this.#move(item, "skipped");
    if (choice === "replace") item.overwrite = true;
    if (choice === "rename") item.path = another(item.path, (item.tries += 1));
    this.#move(item, "waiting");
  }

  #afterCut() {
    for (const item of this.#items) if (item.state === "failed" && item.code === "offline") this.resume(item.id);
  }

  #find(id, ...states) {
    return this.#items.find((item) => item.id === id && states.includes(item.state));
  }

  #next() {
    if (this.#running.size >= this.#atOnce) return;
    for (const item of this.#items) {
      if (this.#running.size >= this.#atOnce) return;
      if (item.state === "waiting") this.#start(item);
    }
  }

  async #start(item) {
    const run = { uploads: [], unchecked: false };
    this.#running.set(item.id, run);
    this.#move(item, "uploading");
    try {
      await this.#send(item, run);
      this.#forget(item);
      if (this.#running.get(item.id) === run) {
        item.sent = item.size;
        item.verified = item.size === 0 || (globalThis.crypto?.subtle !== undefined && !run.unchecked);
        this.#move(item, "done");
        this.dispatchEvent(new CustomEvent("done", { detail: shown(item) }));
      }
    } catch (problem) {
      if (this.#running.get(item.id) === run) this.#failed(item, run, problem);
    } finally {
      if (this.#running.get(item.id) === run) this.#running.delete(item.id);
      this.#next();
    }
  }

  #failed(item, run, problem) {
    for (const upload of run.uploads) upload.abort();
    // Only a refusal by the portal, before the first byte: what was sent must never be thrown away.
    if (problem.code !== "name_taken" || this.#remembered(item)) return this.#move(item, "failed", problem);
    if (this.#forAll) return this.#resolved(item, this.#forAll);
    this.#move(item, "conflict", problem);
  }

  async #send(item, run) {
    const known = this.#remembered(item);
    try {
      await this.#pourAll(item, run, known ?? (await this.#begin(item)), known !== null);
    } catch (problem) {
      if (!known || ![404, 410].includes(problem.status)) throw problem;
      this.#forget(item);
      await this.#pourAll(item, run, await this.#begin(item), false);
    }
  }

  async #begin(item) {
    for (let tries = 0; ; tries += 1) {
      const answer = await fetch(`/api/v1/projects/${this.#projectId}/uploads/`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRFToken": this.#csrfToken() },
        body: JSON.stringify({ path: item.path, size: item.size, ...(item.overwrite ? { overwrite: true } : {}) }),
      }).catch(() => null);
      if (answer?.ok) return this.#remember(item, (await answer.json()).url);
      if (item.state !== "uploading") throw { status: 0 };
      const wait = Number(answer?.headers.get("Retry-After")) || (answer ? 0 : RETRY_MS[tries + 1] / 1000);
      // A folder of thousands of files meets the limit of questions per minute; that is no failure.
      if (!wait || tries >= PATIENCE || (answer && ![429, 503].includes(answer.status))) throw await problemOf(answer);
      await new Promise((done) => setTimeout(done, wait * 1000));
      if (item.state !== "uploading") throw { status: 0 };
    }
  }

  // As one stream, or in parallel parts where the file is large or was begun in parts.
  async #pourAll(item, run, url, again) {
    const spans = await this.#spans(item, url, again);
    const sent = spans.map(() => 0);
    const pace = { at: performance.now(), bytes: null };
    const told = (index, bytes) => {
      sent[index] = bytes;
      this.#progress(
        item,
        pace,
        sent.reduce((sum, one) => sum + one, 0),
      );
    };
    await Promise.all(spans.map(({ start, end, where }, index) => this.#pour(item, run, where, start, end, (bytes) => told(index, bytes))));
  }

  async #spans(item, url, again) {
    const whole = [{ start: 0, end: item.size, where: url }];
    if (again) {
      const answer = await fetch(`${url}/parts/`, { headers: TUS }).catch(() => null);
      const { parts = [], received = 0 } = answer?.ok ? await answer.json() : {};
      if (parts.length) return parts.map(({ start, length }) => ({ start, end: start + length, where: `${url}/parts/${start}` }));
      if (!answer?.ok || received) return whole;
    }
    const alone = this.#items.filter((one) => ["waiting", "uploading"].includes(one.state)).length === 1;
    const count = alone ? this.#streams : Math.min(this.#streams, Math.floor(CONNECTIONS / this.#atOnce));
    if (item.size < this.#parallelFrom || count < 2) return whole;
    const step = Math.ceil(item.size / count / LEAST_PIECE) * LEAST_PIECE;
    const spans = [];
    for (let start = 0; start < item.size; start += step) spans.push({ start, end: Math.min(item.size, start + step), where: `${url}/parts/${start}` });
    for (const span of spans) if (!(await makePart(url, span))) return whole;
    return spans;
  }

  #pour(item, run, url, start, end, told) {
    // Paused or cancelled while the portal was asked.
    if (this.#running.get(item.id) !== run) return Promise.reject({ status: 0 });
    const piece = { began: 0 };
    return new Promise((done, failed) => {
      const upload = new tus.Upload(start === 0 && end === item.size ? item.file : item.file.slice(start, end), {
        uploadUrl: url,
        chunkSize: LEAST_PIECE,
        retryDelays: RETRY_MS,
        storeFingerprintForResuming: false,
        removeFingerprintOnSuccess: false,
        onShouldRetry: (error) => worthRetrying(error),
        onBeforeRequest: async (request) => {
          piece.began = performance.now();
          await addChecksum(request, item.file, start, end - start, upload.options.chunkSize, run);
        },
        onChunkComplete: (size) => {
          // Pieces of some seconds: a cut line costs one of them at most.
          const rate = size / Math.max(0.05, (performance.now() - piece.began) / 1000);
          upload.options.chunkSize = Math.floor(Math.min(LARGEST_PIECE, Math.max(LEAST_PIECE, rate * PIECE_SECONDS)));
        },
        onProgress: (sent) => told(sent),
        onSuccess: () => done(),
        onError: (error) => failed(doorProblem(error)),
      });
      run.uploads.push(upload);
      upload.start();
    });
  }

  #progress(item, pace, sent) {
    const now = performance.now();
    const seconds = (now - pace.at) / 1000;
    if (pace.bytes === null || sent < pace.bytes) {
      Object.assign(pace, { at: now, bytes: sent });
    } else if (seconds > 0.2) {
      const share = item.speed ? 1 - Math.exp(-seconds / SMOOTH_SECONDS) : 1;
      item.speed += share * ((sent - pace.bytes) / seconds - item.speed);
      Object.assign(pace, { at: now, bytes: sent });
    }
    item.sent = sent;
    item.secondsLeft = item.speed ? (item.size - sent) / item.speed : Infinity;
    this.#changed();
  }

  #move(item, state, problem = {}) {
    Object.assign(item, { state, speed: 0, secondsLeft: Infinity, error: problem.text ?? "", code: problem.code ?? "" });
    if (state === "failed" && !item.error) item.error = SAYS[problem.status] ?? SAYS[0];
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  #key(item) {
    return `${REMEMBERED}${this.#projectId}:${item.path}:${item.size}:${item.file.lastModified}`;
  }

  // A browser may keep nothing (private windows, full storage); uploads then just can't go on after it is closed.
  #remembered(item) {
    try {
      return JSON.parse(localStorage.getItem(this.#key(item)))?.url ?? null;
    } catch {
      return null;
    }
  }

  #remember(item, url) {
    try {
      localStorage.setItem(this.#key(item), JSON.stringify({ url, into: item.into }));
    } catch {
      /* see above */
    }
    return url;
  }

  #forget(item) {
    try {
      localStorage.removeItem(this.#key(item));
    } catch {
      /* see above */
    }
  }
}

const shown = ({ file, overwrite, tries, into, ...rest }) => rest;

// "movie.mrc" → "movie (2).mrc"
export function another(path, number) {
  const at = path.lastIndexOf("/") + 1;
  const [name, dot] = [path.slice(at), path.slice(at).lastIndexOf(".")];
  const [stem, end] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ""];
  return `${path.slice(0, at)}${stem.replace(/ \(\d+\)$/, "")} (${number})${end}`;
}

async function makePart(url, { start, end }) {
  const headers = { ...TUS, "Upload-Concat": "partial", "Upload-Length": String(end - start), "Upload-Metadata": `start ${btoa(String(start))}` };
  const answer = await fetch(`${url}/parts/`, { method: "POST", headers }).catch(() => null);
  return answer?.status === 201;
}

// Every piece carries its SHA-256. Only pages from https (or this machine) may compute one.
async function addChecksum(request, file, start, length, pieceBytes, run) {
  if (request.getMethod() !== "PATCH") return;
  if (!globalThis.crypto?.subtle) {
    run.unchecked = true;
    return;
  }
  const offset = Number(request.getHeader("Upload-Offset"));
  const piece = file.slice(start + offset, start + Math.min(length, offset + Math.floor(pieceBytes)));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await piece.arrayBuffer()));
  request.setHeader("Upload-Checksum", `sha256 ${btoa(String.fromCharCode(...digest))}`);
}

function worthRetrying(error) {
  const status = error.originalResponse?.getStatus() ?? 0;
  if (status === 409) return problemIn(error).code === "wrong_offset";
  return [0, 408, 423, 429, 460].includes(status) || (status >= 500 && status !== 507);
}

function problemIn(error) {
  try {
    return JSON.parse(error.originalResponse?.getBody() || "{}");
  } catch {
    return {};
  }
}

function doorProblem(error) {
  const status = error.originalResponse?.getStatus() ?? 0;
  const { detail, hint, code } = problemIn(error);
  const text = [detail ?? SAYS[status] ?? (status ? `The server answered ${status}.` : ""), hint].filter(Boolean).join(" ");
  return { status, text, code: code ?? (status ? "" : "offline") };
}

async function problemOf(answer) {
  if (!answer) return { status: 0, text: "", code: "offline" };
  const { detail, hint, code } = await answer.json().catch(() => ({}));
  return { status: answer.status, text: [detail ?? `The server answered ${answer.status}.`, hint].filter(Boolean).join(" "), code };
}
