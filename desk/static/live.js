// Hears what is stored (GET /live) and says in the bar whether the page is live, stale or offline.
// Parts of pages renew themselves at `desk:news` on the body.
"use strict";
(() => {
  const shown = document.getElementById("live");
  if (!shown) return;
  const STALE_MS = 60000;
  const SPREAD_MS = 400;
  let source = null;
  let retry = null;

  function show(state, time) {
    const text = (shown.dataset[state] || "").replace("{time}", time || "");
    if (shown.dataset.state !== state || shown.textContent !== text) {
      shown.dataset.state = state;
      shown.textContent = text;
    }
  }

  function heard(event, news) {
    const stored = JSON.parse(event.data);
    const lag = stored.now_ms - stored.kafka_ms;
    const time = new Date(stored.kafka_ms).toISOString().slice(0, 16).replace("T", " ");
    if (!stored.answers) show("silent");
    else if (stored.kafka_ms > 0 && lag > STALE_MS) show("stale", time);
    else show("live");
    // Not all at the same moment.
    if (news) setTimeout(() => htmx.trigger(document.body, "desk:news"), Math.random() * SPREAD_MS);
  }

  function close() {
    if (source) source.close();
    source = null;
    clearTimeout(retry);
  }

  async function again() {
    close();
    show("offline");
    try {
      const answer = await fetch("/static/live.js", { cache: "no-store" });
      if (answer.status === 401) {
        show("ended");
        return;
      }
    } catch {
      // Still offline.
    }
    retry = setTimeout(open, 4000 + Math.random() * 4000);
  }

  function open() {
    close();
    source = new EventSource("/live");
    source.addEventListener("queue", (event) => heard(event, true));
    source.addEventListener("beat", (event) => heard(event, false));
    source.addEventListener("end", again);
    source.onerror = again;
  }

  // A hidden tab holds no connection: browsers allow few to one host.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else open();
  });
  if (!document.hidden) open();
})();
