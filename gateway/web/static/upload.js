// Resumable uploads with progress bars (tus 1.0.0).
// Without this script, the form sends all files in one request.
"use strict";

(() => {
  // The gateway keeps the received bytes of an interrupted chunk, and would accept a whole
  // file in one chunk; some CDNs refuse requests over 100 MB.
  const CHUNK_BYTES = 90 * 1024 * 1024;
  const MAX_RUNNING = 3;
  // Not 0: the gateway needs a moment to store the received bytes of an interrupted chunk.
  const RETRY_MILLISECONDS = [300, 1000, 3000, 5000, 10000, 20000];

  const form = document.getElementById("upload");
  const input = document.getElementById("files");
  const template = document.getElementById("transfer");
  if (!form || !template || !window.tus || !tus.isSupported) return;

  const endpoint = new URL(form.dataset.endpoint, window.location.href).href;
  const list = document.getElementById("transfers");
  const status = document.getElementById("upload-status");
  // The limits of a drop link; null on the page of a user's own files.
  const limits = document.getElementById("limits");
  const waiting = [];
  const running = new Set();
  let storedCount = 0;

  // On the page of a drop link its code authorizes uploads, and no files are listed.
  const dropCode = form.dataset.bearer;
  const authorizationHeader = () => dropCode
    ? ["Authorization", `Bearer ${dropCode}`]
    : ["X-CSRF-Token", form.elements.csrf_token.value];

  function formatBytes(number) {
    const units = ["Bytes", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (number >= 1024 && unit < units.length - 1) {
      number /= 1024;
      unit += 1;
    }
    return `${number.toFixed(unit ? 1 : 0)} ${units[unit]}`;
  }

  // Prefers the server's own explanation.
  function errorMessage(error) {
    const response = error.originalResponse;
    if (!response) return "The connection was lost.";
    if (response.getStatus() === 401 && !dropCode) {
      return "You are logged out. Open another tab, log in there, then select Resume here.";
    }
    try {
      const problem = JSON.parse(response.getBody());
      return `${problem.title}. ${problem.detail}`;
    } catch {
      return `The server refused the upload (status ${response.getStatus()}).`;
    }
  }

  // Statuses that the user can fix: free disk space, or log in again where there are logins.
  const USER_CAN_FIX = new Set(dropCode ? [507] : [401, 403, 507]);

  // Transmission errors, a busy server and a restarting server: a retry can succeed.
  function isRetryable(error) {
    const response = error.originalResponse;
    if (!response) return true;
    const code = response.getStatus();
    return code === 409 || code === 423 || code === 429 || code === 460 ||
      (code >= 500 && code !== 507);
  }

  // False for a folder, and for a file that was changed or deleted since it was chosen.
  // Uploads of those fail with the same error as a lost connection.
  function isReadable(file) {
    return file.slice(0, 1).arrayBuffer().then(() => true, () => false);
  }

  // Reloads the list of files and the CSRF token, which changes with a new login.
  // (!) Only the response to the newest request counts, even if an older one arrives later:
  //     the older one lacks files that were stored since.
  let lastRequested = 0;
  let lastShown = 0;

  async function refresh() {
    const sequence = lastRequested += 1;
    const response = await fetch(window.location.pathname, { cache: "no-store" });
    if (dropCode && response.status === 410) {
      form.hidden = true;
      limits.textContent = "This drop link accepts no more uploads.";
    }
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (sequence < lastShown) return;
    lastShown = sequence;
    if (dropCode) {
      const newLimits = page.getElementById("limits");
      localizeTimes(newLimits);
      limits.replaceChildren(...document.importNode(newLimits, true).childNodes);
      return;
    }
    const newForm = page.getElementById("upload");
    if (!newForm) return;
    form.elements.csrf_token.value = newForm.elements.csrf_token.value;
    // Keep the user's state: an open menu stays open, and selected files stay selected.
    const oldList = document.getElementById("uploads");
    const openField = oldList.querySelector("details[open] [name=id]");
    const selected = [...oldList.querySelectorAll("[name=upload]:checked")];
    const newList = document.importNode(page.getElementById("uploads"), true);
    localizeTimes(newList);
    oldList.replaceWith(newList);
    const sameField = (field) =>
      newList.querySelector(`[name=${field.name}][value="${CSS.escape(field.value)}"]`);
    if (openField && sameField(openField)) sameField(openField).closest("details").open = true;
    for (const field of selected) if (sameField(field)) sameField(field).checked = true;
  }

  function showThanks() {
    storedCount += 1;
    status.textContent = storedCount === 1
      ? "Thank you. The file was uploaded."
      : `Thank you. ${storedCount} files were uploaded.`;
    status.classList.add("done");
  }

  function startWaiting() {
    while (running.size < MAX_RUNNING && waiting.length) waiting.shift().start();
  }

  class Transfer {
    constructor(file) {
      this.file = file;
      this.row = template.content.firstElementChild.cloneNode(true);
      const element = (name) => this.row.querySelector(`.${name}`);
      this.bar = this.row.querySelector("progress");
      this.state = element("state");
      this.amount = element("amount");
      this.pause = element("pause");
      element("name").textContent = file.name;
      this.bar.setAttribute("aria-label", file.name);
      this.pause.addEventListener("click", () => this.toggle());
      element("cancel").addEventListener("click", () => this.cancel());
      element("cancel").setAttribute("aria-label", `Cancel ${file.name}`);
      this.setState("Waiting");
      list.append(this.row);
    }

    setState(text, { failed = false, action = "Pause" } = {}) {
      this.state.textContent = text;
      this.row.classList.toggle("failed", failed);
      this.pause.textContent = action;
      this.pause.setAttribute("aria-label", `${action} ${this.file.name}`);
    }

    createUpload() {
      return new tus.Upload(this.file, {
        endpoint,
        chunkSize: CHUNK_BYTES,
        retryDelays: RETRY_MILLISECONDS,
        metadata: { filename: this.file.name, filetype: this.file.type },
        removeFingerprintOnSuccess: true,
        onBeforeRequest: (request) => request.setHeader(...authorizationHeader()),
        onShouldRetry: isRetryable,
        onProgress: (sent, size) => this.showProgress(sent, size),
        onSuccess: () => this.finish(),
        onError: (error) => this.fail(error),
      });
    }

    async start() {
      running.add(this);
      this.setState("Uploading");
      if (!await isReadable(this.file)) {
        this.failUnreadable();
        return;
      }
      if (!this.upload) {
        this.upload = this.createUpload();
        const previous = await this.upload.findPreviousUploads();
        if (previous.length) this.upload.resumeFromPreviousUpload(previous[0]);
      }
      // The user may have paused it during the awaits above.
      if (running.has(this)) this.upload.start();
    }

    showProgress(sent, size) {
      this.bar.value = size ? sent / size : 1;
      this.amount.textContent = `${formatBytes(sent)} of ${formatBytes(size)}`;
    }

    async toggle() {
      if (running.has(this)) {
        this.stop();
        this.setState("Paused", { action: "Resume" });
        await this.upload?.abort();
      } else if (waiting.includes(this)) {
        waiting.splice(waiting.indexOf(this), 1);
        this.setState("Paused", { action: "Resume" });
      } else {
        await refresh().catch(() => {});
        this.setState("Waiting");
        waiting.push(this);
      }
      startWaiting();
    }

    async cancel() {
      this.stop();
      this.row.remove();
      form.querySelector("input[type=file]").focus();
      // If the request to delete the upload fails, the server deletes it when it expires.
      await this.upload?.abort(true).catch(() => {});
      startWaiting();
    }

    stop() {
      running.delete(this);
      if (waiting.includes(this)) waiting.splice(waiting.indexOf(this), 1);
    }

    async finish() {
      this.stop();
      startWaiting();
      if (dropCode) {
        showThanks();
        this.setState("Uploaded");
        this.row.querySelector(".actions").remove();
        await refresh().catch(() => {});
        return;
      }
      status.textContent = `${this.file.name} was uploaded.`;
      await refresh().catch(() => {});
      this.row.remove();
    }

    async fail(error) {
      if (!error.originalResponse && !await isReadable(this.file)) {
        this.failUnreadable();
        return;
      }
      this.stop();
      this.setState(errorMessage(error), { failed: true, action: "Resume" });
      // Any other error would come again.
      const canResume = isRetryable(error) || USER_CAN_FIX.has(error.originalResponse.getStatus());
      this.pause.hidden = !canResume;
      startWaiting();
      if (dropCode) await refresh().catch(() => {});
    }

    failUnreadable() {
      this.stop();
      this.setState("This is a folder, or the file was changed or deleted. Choose it again.", { failed: true });
      this.pause.hidden = true;
      startWaiting();
    }
  }

  function addFiles(files) {
    for (const file of files) waiting.push(new Transfer(file));
    startWaiting();
  }

  input.addEventListener("change", () => {
    addFiles(input.files);
    input.value = "";
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const name of ["dragenter", "dragover"]) {
    window.addEventListener(name, (event) => {
      event.preventDefault();
      form.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) {
    window.addEventListener(name, (event) => {
      event.preventDefault();
      form.classList.remove("over");
    });
  }
  window.addEventListener("drop", (event) => addFiles(event.dataTransfer.files));
  window.addEventListener("beforeunload", (event) => {
    if (running.size || waiting.length) event.preventDefault();
  });

  // Browsers keep chosen files over a reload; without this they would never be uploaded.
  input.value = "";
  input.required = false;
  // The input covers the whole form: a click anywhere on it chooses files.
  form.classList.add("live");
  for (const element of form.querySelectorAll("[data-no-script]")) element.hidden = true;
  for (const element of form.querySelectorAll("[data-script]")) element.hidden = false;
})();
