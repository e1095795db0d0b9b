// What every page does a little better with a script: the reader's own time, buttons that
// copy a link or give it to the device's share sheet, menus that close.
"use strict";

const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function localTimes(within) {
  for (const time of within.querySelectorAll("time[datetime]")) {
    time.title = time.textContent;
    time.textContent = MOMENT.format(new Date(time.dateTime));
  }
}

async function copy(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    // Without TLS browsers have no clipboard for scripts.
    button.closest(".handing").querySelector("input").select();
    document.execCommand("copy");
  }
  const words = button.querySelector("span");
  const before = words.textContent;
  words.textContent = "Copied";
  words.setAttribute("role", "status");
  setTimeout(() => { words.textContent = before; }, 2000);
}

localTimes(document);

// A field for a moment is in the reader's own time, and says how far that is from UTC.
for (const zone of document.querySelectorAll("input[name=zone]")) {
  const field = zone.form.elements.not_before;
  const offset = (text) => String(new Date(text).getTimezoneOffset());
  if (field.value && !zone.value) {
    const moment = new Date(`${field.value}Z`);
    field.value = new Date(moment - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  }
  zone.form.addEventListener("submit", () => { zone.value = field.value ? offset(field.value) : ""; });
  for (const hint of zone.form.querySelectorAll(".plainly")) hint.hidden = true;
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(button));
}

if (navigator.share) {
  for (const button of document.querySelectorAll("[data-share]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      // Closing the sheet is no fault.
      navigator.share({ title: button.dataset.title, url: button.dataset.share })
        .catch(() => {});
    });
  }
}

for (const field of document.querySelectorAll(".handing input")) {
  field.addEventListener("focus", () => field.select());
}

function closeMenus(but) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu !== but) menu.open = false;
  }
}
document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = document.querySelector("details.menu[open]");
  closeMenus(null);
  open?.querySelector("summary").focus();
});
