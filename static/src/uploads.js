// Uploads of files and whole folders to the door (tus), without a page: events out, methods in.
//
//   const manager = new UploadManager({ projectId, csrfToken?, atOnce? });
//   manager.add([{ file, relativePath }], targetPath)   → the new items; the same files picked again after closing the
//                                                         browser go on where they stopped
//   manager.pause(id)  manager.resume(id)  manager.cancel(id)  manager.pauseAll()  manager.resumeAll()
//   manager.items()    → [{ id, path, size, sent, state, speed, secondsLeft, error, code }]
//                        state: waiting | uploading | paused | done | failed | cancelled (failed: resume tries again)
//   "change" is dispatched whenever an item has moved; "done" (detail: the item) for each file that is in place.
//
// The portal is asked for every file before its first byte (name, quota, path); the answer is its address at the door.
// The address is a secret of its own, which outlives the login. It is remembered in this browser's localStorage, by
// project, path, size and date of the file, until the upload has ended.
import * as tus from "tus-js-client";

const PART_BYTES = 64 * 1024 ** 2;
const RETRY_MS = [0, 1000, 3000, 5000, 10_000, 20_000, ...Array(30).fill(30_000)];
const PATIENCE = 40;
const SMOOTH_SECONDS = 3;
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
  #items = [];
  #running = new Map();

  constructor({ projectId, csrfToken, atOnce = 3 }) {
    super();
    this.#projectId = projectId;
    this.#csrfToken = csrfToken ?? (() => document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "");
    this.#atOnce = atOnce;
    if (typeof addEventListener === "function") addEventListener("online", () => this.#afterCut());
  }

  items() {
    return this.#items.map(({ file, paused, ...shown }) => shown);
  }

  add(files, targetPath = "") {
    const above = targetPath.replace(/^\/+|\/+$/g, "");
    const made = files.map(({ file, relativePath }) => ({
      id: crypto.randomUUID(),
      file,
      path: [above, (relativePath || file.name).replace(/^\/+/, "")].filter(Boolean).join("/"),
      size: file.size,
      sent: 0,
      state: "waiting",
      speed: 0,
      secondsLeft: Infinity,
      error: "",
      code: "",
    }));
    this.#items.push(...made);
    this.#next();
    this.#changed();
    return made.map(({ id }) => this.items().find((item) => item.id === id));
  }

  pause(id) {
    const item = this.#find(id, "waiting", "uploading");
    if (!item) return;
    this.#move(item, "paused");
    this.#running.get(id)?.upload?.abort();
    this.#running.delete(id);
    this.#next();
  }

  resume(id) {
    const item = this.#find(id, "paused", "failed");
    if (!item) return;
    this.#move(item, "waiting");
    this.#next();
  }

  async cancel(id) {
    const item = this.#find(id, "waiting", "uploading", "paused", "failed");
    if (!item) return;
    this.#move(item, "cancelled");
    await this.#running.get(id)?.upload?.abort();
    this.#running.delete(id);
    this.#next();
    const url = this.#remembered(item);
    this.#forget(item);
    // Where this fails the upload ends by itself, once it has been idle for its days.
    if (url) await tus.Upload.terminate(url, { retryDelays: [0, 1000] }).catch(() => {});
  }

  pauseAll() {
    for (const item of [...this.#items].reverse()) this.pause(item.id);
  }

  resumeAll() {
    for (const item of this.#items) if (item.state === "paused") this.resume(item.id);
  }

  #afterCut() {
    for (const item of this.#items) if (item.state === "failed" && item.code === "offline") this.resume(item.id);
  }

  #find(id, ...states) {
    return this.#items.find((item) => item.id === id && states.includes(item.state));
  }

  #next() {
    for (const item of this.#items) {
      if (this.#running.size >= this.#atOnce) return;
      if (item.state === "waiting") this.#start(item);
    }
  }

  async #start(item) {
    const run = { upload: null, again: false };
    this.#running.set(item.id, run);
    this.#move(item, "uploading");
    try {
      await this.#send(item, run);
      this.#forget(item);
      if (this.#running.get(item.id) === run) {
        item.sent = item.size;
        this.#move(item, "done");
        this.dispatchEvent(new CustomEvent("done", { detail: this.items().find(({ id }) => id === item.id) }));
      }
    } catch (problem) {
      if (this.#running.get(item.id) === run) this.#move(item, "failed", problem);
    } finally {
      if (this.#running.get(item.id) === run) this.#running.delete(item.id);
      this.#next();
    }
  }

  async #send(item, run) {
    const known = this.#remembered(item);
    try {
      await this.#pour(item, run, known ?? (await this.#begin(item)));
    } catch (problem) {
      if (!known || ![404, 410].includes(problem.status)) throw problem;
      this.#forget(item);
      await this.#pour(item, run, await this.#begin(item));
    }
  }

  async #begin(item) {
    for (let tries = 0; ; tries += 1) {
      const answer = await fetch(`/api/v1/projects/${this.#projectId}/uploads/`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRFToken": this.#csrfToken() },
        body: JSON.stringify({ path: item.path, size: item.size }),
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

  #pour(item, run, url) {
    // Paused or cancelled while the portal was asked.
    if (this.#running.get(item.id) !== run) return Promise.reject({ status: 0 });
    const pace = { at: performance.now(), bytes: null };
    return new Promise((done, failed) => {
      run.upload = new tus.Upload(item.file, {
        uploadUrl: url,
        chunkSize: PART_BYTES,
        retryDelays: RETRY_MS,
        storeFingerprintForResuming: false,
        removeFingerprintOnSuccess: false,
        onShouldRetry: (error) => worthRetrying(error),
        onProgress: (sent) => this.#progress(item, pace, sent),
        onSuccess: () => done(),
        onError: (error) => failed(doorProblem(error)),
      });
      run.upload.start();
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
    return `portolan-upload:${this.#projectId}:${item.path}:${item.size}:${item.file.lastModified}`;
  }

  // A browser may keep nothing (private windows, full storage); uploads then just can't go on after it is closed.
  #remembered(item) {
    try {
      return localStorage.getItem(this.#key(item));
    } catch {
      return null;
    }
  }

  #remember(item, url) {
    try {
      localStorage.setItem(this.#key(item), url);
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

function worthRetrying(error) {
  const status = error.originalResponse?.getStatus() ?? 0;
  if (status === 409) return problemIn(error).code === "wrong_offset";
  return status === 0 || status === 408 || status === 423 || status === 429 || (status >= 500 && status !== 507);
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
