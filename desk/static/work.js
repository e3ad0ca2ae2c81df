// Working alerts: sends what a form or a key asks for, and shows what becomes of it.
"use strict";
(() => {
  const notices = document.getElementById("notices");
  if (!notices) return;
  const pending = new Set();

  function newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  function notice(text) {
    const made = document.createElement("div");
    made.className = "notice failed";
    const words = document.createElement("p");
    words.textContent = text;
    made.append(words);
    notices.prepend(made);
    setTimeout(() => made.remove(), 15000);
  }

  // One request at a time for each path; each is a command of its own, a double click is one.
  async function send(path, values) {
    if (pending.has(path)) return;
    pending.add(path);
    try {
      await htmx.ajax("POST", path, {
        source: notices, target: notices, swap: "afterbegin", values: { request_id: newId(), ...values },
      });
    } finally {
      pending.delete(path);
    }
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-act-form]")) return;
    const values = Object.fromEntries(new FormData(form));
    delete values.csrf;
    delete values.request_id;
    const dialog = form.closest("dialog");
    const path = dialog ? dialog.dataset.path : form.getAttribute("action");
    if (!dialog) event.preventDefault();
    send(path, values);
    form.reset();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.hasAttribute("data-dismiss")) button.closest(".notice").remove();
    else if (button.hasAttribute("data-cancel")) button.closest("dialog").close();
    else if (button.dataset.dialog) document.getElementById(button.dataset.dialog).showModal();
  });

  // An answer that is a notice is shown whatever its status.
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.getResponseHeader("x-desk-notice")) {
      event.detail.shouldSwap = true;
      event.detail.isError = false;
    }
  });
  for (const failure of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) {
    document.body.addEventListener(failure, (event) => {
      if (event.detail.requestConfig && event.detail.requestConfig.verb === "post") notice(notices.dataset.failed);
    });
  }

  // Notices of what is done go by themselves; conflicts stay until they are dismissed.
  new MutationObserver(() => {
    for (const done of notices.querySelectorAll(".notice.done:not([data-leaving])")) {
      done.dataset.leaving = "";
      setTimeout(() => done.remove(), 10000);
    }
  }).observe(notices, { childList: true });

  // The alert's page: no actions on what is closed.
  document.body.addEventListener("htmx:afterSwap", () => {
    const alert = document.querySelector("#alert [data-alert-state]");
    const actions = document.getElementById("actions");
    if (!alert || !actions) return;
    actions.hidden = alert.dataset.alertState === "closed";
    document.getElementById("closed-note").hidden = !actions.hidden;
  });

  window.deskWork = { send };
})();
