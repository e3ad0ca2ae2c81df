// What every page has: keyboard shortcuts. Pages add their own by `data-key` on a link or button.
"use strict";
document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (target instanceof HTMLElement && target.closest("input, textarea, select")) {
    if (event.key === "Escape") target.blur();
    return;
  }
  const wanted = [...document.querySelectorAll("[data-key]")].find(
    (element) => element.dataset.key === event.key && element.offsetParent !== null,
  );
  if (wanted) {
    event.preventDefault();
    if (wanted.matches("input, textarea, select")) wanted.focus();
    else wanted.click();
  }
});
