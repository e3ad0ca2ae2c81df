// The queue: moving through it, working its rows, and keeping the place while it renews itself.
"use strict";
(() => {
  const opened = new Map();
  const links = () => [...document.querySelectorAll("#queue a.open")].filter((link) => link.offsetParent);
  const rowOf = (element) => element && element.closest && element.closest("tr[data-alert]");

  function move(step) {
    const all = links();
    if (!all.length) return;
    const now = rowOf(document.activeElement);
    const at = now ? all.findIndex((link) => now.contains(link)) : -1;
    const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + step, 0), all.length - 1);
    all[next].focus();
    all[next].closest("tr").scrollIntoView({ block: "nearest" });
  }

  function act(row, action) {
    const path = `/alerts/${encodeURIComponent(row.dataset.alert)}/${action}`;
    const dialog = document.getElementById(`work-${action}`);
    if (!dialog) {
      deskWork.send(path, {});
      return;
    }
    dialog.dataset.path = path;
    dialog.querySelector("[data-alert-name]").textContent = row.dataset.name;
    dialog.showModal();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-act]");
    if (button) act(rowOf(button), button.dataset.act);
  });

  const ACTIONS = { a: "assign", e: "acknowledge", s: "snooze", c: "close" };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest("input, textarea, select, dialog")) return;
    const row = rowOf(document.activeElement);
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "o" && row) row.querySelector("a.open").click();
    else if (ACTIONS[event.key] && row && row.querySelector(`[data-act="${ACTIONS[event.key]}"]`)) act(row, ACTIONS[event.key]);
    else return;
    event.preventDefault();
  });

  // A part that was unfolded stays so, a focused button is focused again, the scroll stays.
  let focused = null;
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target.id !== "queue") return;
    for (const part of event.detail.target.querySelectorAll("details[id]")) opened.set(part.id, part.open);
    const button = document.activeElement.closest("#queue button[data-act]");
    focused = button ? [rowOf(button).dataset.alert, button.dataset.act] : null;
  });
  document.body.addEventListener("htmx:afterSwap", () => {
    for (const part of document.querySelectorAll("#queue details[id]")) {
      if (opened.get(part.id)) part.open = true;
    }
    if (!focused) return;
    const row = document.querySelector(`tr[data-alert="${CSS.escape(focused[0])}"]`);
    const button = row && row.querySelector(`[data-act="${focused[1]}"]`);
    if (button) button.focus({ preventScroll: true });
    focused = null;
  });

  const form = document.getElementById("filter-form");
  form.addEventListener("change", (event) => {
    if (event.target.matches("select")) form.requestSubmit();
  });
  // Only what is chosen goes into the address.
  form.addEventListener("submit", () => {
    for (const field of form.elements) if (field.name && !field.value) field.disabled = true;
  });
})();
