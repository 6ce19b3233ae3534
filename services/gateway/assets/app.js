// Keys and the bell. Every page works without this file.
"use strict";

// A key does what the element that names it does: a link is followed, a button pressed, a field entered.
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=checkbox]):not([type=radio]), select, textarea");
  if (event.key === "Escape" && typing) {
    typing.blur();
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const found = /^[a-z]$/.test(event.key) && document.querySelector(`[data-key="${event.key}"]`);
  if (!found) return;
  event.preventDefault();
  if (found instanceof HTMLInputElement) found.focus();
  else found.click();
});

// A form that was sent is not sent again by a second press.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "1";
});
window.addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

// How many people are chosen.
const queue = document.getElementById("pay-queue");
if (queue) {
  const button = queue.querySelector("button.primary");
  const label = button && button.textContent;
  queue.addEventListener("change", () => {
    const chosen = queue.querySelectorAll("input[name=payee]:checked").length;
    if (button) button.textContent = chosen ? label.replace("selected", `selected (${chosen})`) : label;
  });
}

// The bell counts what is unread while the page is looked at.
const unread = document.getElementById("unread");
async function listen() {
  if (!unread || document.hidden) return;
  try {
    const reply = await fetch("/app/bell", { headers: { accept: "application/json" } });
    const kind = reply.headers.get("content-type") || "";
    if (!reply.ok || !kind.includes("json")) return;
    const count = (await reply.json()).unread;
    if (unread.textContent !== String(count)) unread.textContent = String(count);
    unread.hidden = count === 0;
  } catch {
    // The next time, perhaps.
  }
}
// Whoever views as somebody else is written down with every request: the bell is not worth a line.
if (unread && !document.querySelector(".banner")) {
  setInterval(listen, 5000);
  document.addEventListener("visibilitychange", listen);
}
