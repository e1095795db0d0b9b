// Progressive enhancement of every page: times in the user's time zone, buttons that copy a
// link or pass it to the device's share sheet, and menus that close.
"use strict";

const TIME_FORMAT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function localizeTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.title = time.textContent;
    time.textContent = TIME_FORMAT.format(new Date(time.dateTime));
  }
}

async function copyLink(button) {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    // Without TLS, browsers have no clipboard API.
    button.closest(".link-box").querySelector("input").select();
    document.execCommand("copy");
  }
  const label = button.querySelector("span");
  const original = label.textContent;
  label.textContent = "Copied";
  label.setAttribute("role", "status");
  setTimeout(() => { label.textContent = original; }, 2000);
}

localizeTimes(document);

// The field not_before is in local time; the hidden field zone sends the offset from UTC.
for (const zone of document.querySelectorAll("input[name=zone]")) {
  const field = zone.form.elements.not_before;
  const offset = (text) => String(new Date(text).getTimezoneOffset());
  if (field.value && !zone.value) {
    const date = new Date(`${field.value}Z`);
    field.value = new Date(date - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
  }
  zone.form.addEventListener("submit", () => { zone.value = field.value ? offset(field.value) : ""; });
  for (const note of zone.form.querySelectorAll(".utc-note")) note.hidden = true;
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", () => copyLink(button));
}

if (navigator.share) {
  for (const button of document.querySelectorAll("[data-share]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      // share() also rejects when the user closes the sheet: this is no error.
      navigator.share({ title: button.dataset.title, url: button.dataset.share })
        .catch(() => {});
    });
  }
}

for (const field of document.querySelectorAll(".link-box input")) {
  field.addEventListener("focus", () => field.select());
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu !== except) menu.open = false;
  }
}
document.addEventListener("click", (event) => closeMenus(event.target.closest("details.menu")));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = document.querySelector("details.menu[open]");
  closeMenus(null);
  open?.querySelector("summary").focus();
});
