// Uppy in a page, as its documentation sets it up: window.uppy, with the files of #pick.
import Uppy from "@uppy/core";
import Tus from "@uppy/tus";

export function start({ endpoint, headers, project }) {
  const uppy = new Uppy({ autoProceed: false, allowMultipleUploadBatches: false });
  uppy.use(Tus, { endpoint, headers, chunkSize: 1_000_000, retryDelays: [0, 500, 1000], allowedMetaFields: ["project", "path"] });
  uppy.on("file-added", (file) => uppy.setFileMeta(file.id, { project, path: `uppy/${file.name}` }));
  uppy.on("complete", ({ successful, failed }) => Object.assign(window, { uppyDone: successful.length, uppyFailed: failed.map(({ error }) => error) }));
  for (const file of document.querySelector("#pick").files) uppy.addFile({ name: file.name, type: file.type, data: file });
  window.uppy = uppy;
  uppy.upload();
}
