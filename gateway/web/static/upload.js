// Uploads with a progress bar, which go on after a broken line (tus 1.0.0).
// Without this script the form does it in one piece.
"use strict";

(() => {
  const ENDPOINT = new URL("/tus/", window.location.href).href;
  // The gateway keeps what came of a broken piece, and would take a file in one;
  // some CDNs take no more than 100 MB in a request.
  const CHUNK_BYTES = 90 * 1024 * 1024;
  const AT_ONCE = 3;
  // Not at once: what had come of a broken piece counts a moment later.
  const RETRY_MILLISECONDS = [300, 1000, 3000, 5000, 10000, 20000];

  const form = document.getElementById("upload");
  const input = document.getElementById("files");
  const template = document.getElementById("transfer");
  if (!form || !template || !window.tus || !tus.isSupported) return;

  const list = document.getElementById("transfers");
  const news = document.getElementById("news");
  // What a drop link takes; there is none on a person's own page.
  const takes = document.getElementById("takes");
  const waiting = [];
  let stored = 0;
  const running = new Set();

  // By a drop link its code shows who asks, and nothing is listed.
  const code = form.dataset.bearer;
  const proof = () => code
    ? ["Authorization", `Bearer ${code}`]
    : ["X-CSRF-Token", form.elements.csrf_token.value];

  function bytes(number) {
    const units = ["Bytes", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (number >= 1024 && unit < units.length - 1) {
      number /= 1024;
      unit += 1;
    }
    return `${number.toFixed(unit ? 1 : 0)} ${units[unit]}`;
  }

  // What went wrong, in the server's own words where it had any.
  function words(error) {
    const answer = error.originalResponse;
    if (!answer) return "The connection broke off.";
    if (answer.getStatus() === 401 && !code) {
      return "You are logged out. Log in on another tab, then go on here.";
    }
    try {
      const problem = JSON.parse(answer.getBody());
      return `${problem.title}. ${problem.detail}`;
    } catch {
      return `The server refused it (${answer.getStatus()}).`;
    }
  }

  // What a person can put right: room on the disk, and a new login where there is one.
  const MENDED = new Set(code ? [507] : [401, 403, 507]);

  // Damage on the way, a busy server and one that restarts heal by themselves.
  function heals(error) {
    const answer = error.originalResponse;
    if (!answer) return true;
    const status = answer.getStatus();
    return status === 409 || status === 423 || status === 429 || status === 460 ||
      (status >= 500 && status !== 507);
  }

  // Whether it is a file still: no folder, and neither changed nor deleted since it was
  // chosen.  The upload of anything else fails as if the line had broken off.
  function isReadable(file) {
    return file.slice(0, 1).arrayBuffer().then(() => true, () => false);
  }

  // The list as the server has it now; also the token, which a new login changes.
  // (!) The answer that was asked for last is the newest, whichever comes last: by an older
  //     one, what is stored since would be missing.
  let asked = 0;
  let shown = 0;

  async function refresh() {
    const turn = asked += 1;
    const answer = await fetch(window.location.pathname, { cache: "no-store" });
    if (code && answer.status === 410) {
      form.hidden = true;
      takes.textContent = "This drop link takes nothing more.";
    }
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (turn < shown) return;
    shown = turn;
    if (code) {
      const told = page.getElementById("takes");
      localTimes(told);
      takes.replaceChildren(...document.importNode(told, true).childNodes);
      return;
    }
    const fresh = page.getElementById("upload");
    if (!fresh) return;
    form.elements.csrf_token.value = fresh.elements.csrf_token.value;
    // Somebody may just be about to delete one, or to share several: that row stays open,
    // and what is selected stays so.
    const before = document.getElementById("uploads");
    const open = before.querySelector("details[open] [name=id]");
    const selected = [...before.querySelectorAll("[name=upload]:checked")];
    const uploads = document.importNode(page.getElementById("uploads"), true);
    localTimes(uploads);
    before.replaceWith(uploads);
    const again = (field) =>
      uploads.querySelector(`[name=${field.name}][value="${CSS.escape(field.value)}"]`);
    if (open && again(open)) again(open).closest("details").open = true;
    for (const field of selected) if (again(field)) again(field).checked = true;
  }

  function thank() {
    stored += 1;
    news.textContent = stored === 1
      ? "Thank you. The file has arrived."
      : `Thank you. ${stored} files have arrived.`;
    news.classList.add("done");
  }

  function next() {
    while (running.size < AT_ONCE && waiting.length) waiting.shift().start();
  }

  class Transfer {
    constructor(file) {
      this.file = file;
      this.row = template.content.firstElementChild.cloneNode(true);
      const part = (name) => this.row.querySelector(`.${name}`);
      this.bar = this.row.querySelector("progress");
      this.state = part("state");
      this.amount = part("amount");
      this.pause = part("pause");
      part("name").textContent = file.name;
      this.bar.setAttribute("aria-label", file.name);
      this.pause.addEventListener("click", () => this.toggle());
      part("cancel").addEventListener("click", () => this.cancel());
      part("cancel").setAttribute("aria-label", `Cancel ${file.name}`);
      this.say("Waiting");
      list.append(this.row);
    }

    say(state, { failed = false, action = "Pause" } = {}) {
      this.state.textContent = state;
      this.row.classList.toggle("failed", failed);
      this.pause.textContent = action;
      this.pause.setAttribute("aria-label", `${action} ${this.file.name}`);
    }

    make() {
      return new tus.Upload(this.file, {
        endpoint: ENDPOINT,
        chunkSize: CHUNK_BYTES,
        retryDelays: RETRY_MILLISECONDS,
        metadata: { filename: this.file.name, filetype: this.file.type },
        removeFingerprintOnSuccess: true,
        onBeforeRequest: (request) => request.setHeader(...proof()),
        onShouldRetry: heals,
        onProgress: (sent, size) => this.show(sent, size),
        onSuccess: () => this.finish(),
        onError: (error) => this.fail(error),
      });
    }

    async start() {
      running.add(this);
      this.say("Uploading");
      if (!await isReadable(this.file)) {
        this.lose();
        return;
      }
      if (!this.upload) {
        this.upload = this.make();
        const before = await this.upload.findPreviousUploads();
        if (before.length) this.upload.resumeFromPreviousUpload(before[0]);
      }
      // It may have been paused while we looked.
      if (running.has(this)) this.upload.start();
    }

    show(sent, size) {
      this.bar.value = size ? sent / size : 1;
      this.amount.textContent = `${bytes(sent)} of ${bytes(size)}`;
    }

    async toggle() {
      if (running.has(this)) {
        this.stop();
        this.say("Paused", { action: "Resume" });
        await this.upload?.abort();
      } else if (waiting.includes(this)) {
        waiting.splice(waiting.indexOf(this), 1);
        this.say("Paused", { action: "Resume" });
      } else {
        await refresh().catch(() => {});
        this.say("Waiting");
        waiting.push(this);
      }
      next();
    }

    async cancel() {
      this.stop();
      this.row.remove();
      form.querySelector("input[type=file]").focus();
      // What the server has of it goes by itself if it can't be told now.
      await this.upload?.abort(true).catch(() => {});
      next();
    }

    stop() {
      running.delete(this);
      if (waiting.includes(this)) waiting.splice(waiting.indexOf(this), 1);
    }

    async finish() {
      this.stop();
      next();
      if (code) {
        thank();
        this.say("Stored");
        this.row.querySelector(".actions").remove();
        await refresh().catch(() => {});
        return;
      }
      news.textContent = `${this.file.name} is stored.`;
      await refresh().catch(() => {});
      this.row.remove();
    }

    async fail(error) {
      if (!error.originalResponse && !await isReadable(this.file)) {
        this.lose();
        return;
      }
      this.stop();
      this.say(words(error), { failed: true, action: "Resume" });
      // Sent again, it would be refused again.
      this.pause.hidden = !(heals(error) || MENDED.has(error.originalResponse.getStatus()));
      next();
      if (code) await refresh().catch(() => {});
    }

    lose() {
      this.stop();
      this.say("This is a folder, or was changed or deleted. Choose it again.", { failed: true });
      this.pause.hidden = true;
      next();
    }
  }

  function take(files) {
    for (const file of files) waiting.push(new Transfer(file));
    next();
  }

  input.addEventListener("change", () => {
    take(input.files);
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
  window.addEventListener("drop", (event) => take(event.dataTransfer.files));
  window.addEventListener("beforeunload", (event) => {
    if (running.size || waiting.length) event.preventDefault();
  });

  // Files that the browser has kept chosen over a reload would be left out.
  input.value = "";
  input.required = false;
  // The whole form is the field: a click anywhere on it chooses files.
  form.classList.add("live");
  for (const element of form.querySelectorAll("[data-plain]")) element.hidden = true;
  for (const element of form.querySelectorAll("[data-script]")) element.hidden = false;
})();
