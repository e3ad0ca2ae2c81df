// The plots of one merchant on one time axis: data from the JSON route, texts from data attributes.
"use strict";
(() => {
  const root = document.getElementById("plots");
  if (!root || !window.uPlot) return;
  const canvas = document.getElementById("plots-canvas");
  const status = document.getElementById("plots-status");
  const marks = document.getElementById("plots-marks");
  const table = document.getElementById("plots-table");
  const say = (name) => root.getAttribute(`data-t-${name}`) || name;
  const actionText = (name) => root.getAttribute(`data-a-${name}`) || name;
  const language = document.documentElement.lang || "en";
  const HEIGHT = 148;
  const FADED = 0.14;
  let data = null;
  let plots = [];
  let range = root.dataset.range;
  let asked = 0;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const clockOf = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");
  const dayOf = (seconds) => clockOf(seconds).slice(0, 10);
  const compact = new Intl.NumberFormat(language, { notation: "compact", maximumFractionDigits: 1 });
  const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

  function money(minor) {
    if (minor === null || minor === undefined) return "–";
    const digits = data.currency_digits;
    const shown = new Intl.NumberFormat("en", {
      minimumFractionDigits: digits, maximumFractionDigits: digits,
    });
    return `${shown.format(Math.abs(minor) / 10 ** digits)} ${data.currency}`;
  }
  const pieces = (value) => (value === null || value === undefined ? "–" : `${plain.format(Math.abs(value))} ${say("pieces")}`);
  const percent = (value) => (value === null || value === undefined ? "–" : `${(value * 100).toFixed(1)} %`);
  const axisMoney = (value) => compact.format(value / 10 ** data.currency_digits);

  // --- what stands behind and over a plot ---------------------------------------------------------

  const severityColour = { critical: "--critical", warning: "--warning", info: "--info" };

  function drawAlerts(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const alert of data.alerts) {
      const from = plot.valToPos(alert.from_ms / 1000, "x", true);
      const to = plot.valToPos((alert.until_ms || data.until_ms) / 1000, "x", true);
      ctx.globalAlpha = FADED;
      ctx.fillStyle = colour(severityColour[alert.severity] || "--info");
      ctx.fillRect(from, bbox.top, Math.max(to - from, 2), bbox.height);
    }
    ctx.restore();
  }

  function drawMoves(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.setLineDash([4, 4]);
    ctx.lineWidth = devicePixelRatio || 1;
    for (const move of data.moves) {
      const at = Math.round(plot.valToPos(move.at_ms / 1000, "x", true));
      if (at < bbox.left || at > bbox.left + bbox.width) continue;
      ctx.strokeStyle = colour(move.new_minor < move.previous_minor ? "--critical" : "--up");
      ctx.beginPath();
      ctx.moveTo(at, bbox.top);
      ctx.lineTo(at, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  function tellMarks(plot) {
    const left = plot.cursor.left;
    if (left === null || left === undefined || left < 0) return;
    const at = plot.posToVal(left, "x") * 1000;
    const near = (plot.posToVal(left + 6, "x") - plot.posToVal(left - 6, "x")) * 500;
    const found = data.alerts
      .filter((alert) => alert.from_ms <= at && at <= (alert.until_ms || data.until_ms))
      .map((alert) => alertText(alert));
    for (const move of data.moves) if (Math.abs(move.at_ms - at) <= near) found.push(moveText(move));
    marks.replaceChildren(...found.slice(0, 6).map((text) => {
      const line = document.createElement("p");
      line.textContent = text;
      return line;
    }));
  }

  const alertText = (alert) => `${say("alert")}: ${alert.label} · ${clockOf(alert.from_ms / 1000)} – ${alert.until_ms ? clockOf(alert.until_ms / 1000) : say("open")}`;
  const moveText = (move) => `${say("change")}: ${move.product}, ${actionText(move.action)} ${money(move.previous_minor)} → ${money(move.new_minor)} · ${clockOf(move.at_ms / 1000)}`;

  // --- the plots ----------------------------------------------------------------------------------

  function definitions() {
    const days = data.buckets_ms.map((ms) => ms / 1000);
    const flows = data.flows;
    // A bar of nothing would draw its outline.
    const some = (values) => values.map((value) => value || null);
    const negative = (values) => values.map((value) => -value);
    const bars = (align) => uPlot.paths.bars({ size: [0.42, 24], align });
    const steps = uPlot.paths.stepped({ align: 1 });
    const wide = data.bucket_days === 1 ? say("day") : say("week").replace("{days}", data.bucket_days);
    return [
      { title: `${say("line-title")} (${data.currency})`, x: data.line.at_ms.map((ms) => ms / 1000), axis: axisMoney, series: [
        { label: say("limit"), values: data.line.limit_minor, colour: "--link", paths: steps, text: money },
        { label: say("drawn"), values: data.line.drawn_minor, colour: "--warning", paths: steps, text: money, fill: true },
      ] },
      { title: `${say("cash-title")} (${data.currency}) ${wide}`, x: days, axis: axisMoney, series: [
        { label: say("in"), values: flows.inflow_minor, colour: "--up", paths: bars(0), text: money, fill: true },
        { label: say("out"), values: negative(flows.outflow_minor), colour: "--critical", paths: bars(0), text: money, fill: true },
      ] },
      { title: `${say("orders-title")} ${wide}`, x: days, axis: (v) => compact.format(v), second: axisMoney, series: [
        { label: say("orders"), values: flows.orders, colour: "--info", paths: bars(0), text: pieces, fill: true },
        { label: say("sales"), values: flows.orders_minor, colour: "--link", text: money, scale: "second" },
      ] },
      { title: `${say("parcels-title")} ${wide}`, x: days, axis: (v) => compact.format(v), series: [
        { label: say("shipments"), values: flows.shipments, colour: "--info", text: pieces },
        { label: say("deliveries"), values: flows.deliveries, colour: "--up", text: pieces },
      ] },
      { title: `${say("lending-title")} (${data.currency}) ${wide}`, x: days, axis: axisMoney, series: [
        { label: say("due"), values: some(flows.due_minor), colour: "--warning", paths: bars(-1), text: money, fill: true },
        { label: say("repaid"), values: some(flows.repaid_minor), colour: "--up", paths: bars(1), text: money, fill: true },
        { label: say("disbursed"), values: some(negative(flows.disbursed_minor)), colour: "--info", paths: bars(0), text: money, fill: true },
      ] },
      { title: `${say("risk-title")} ${wide}`, x: days, axis: (v) => `${(v * 100).toFixed(v < 0.1 ? 1 : 0)} %`, series: [
        { label: say("probability"), values: data.risk.probability, colour: "--critical", text: percent, gaps: true },
      ] },
    ];
  }

  // Bars and areas mean nothing unless they begin at 0.
  function fromZero(_plot, min, max) {
    const [low, high] = [Math.min(min ?? 0, 0), Math.max(max ?? 0, 0)];
    const room = (high - low || 1) * 0.06;
    return [low < 0 ? low - room : 0, high > 0 ? high + room : low < 0 ? 0 : 1];
  }

  const anything = (one) => one.series.some((each) => each.values.some((value) => value));

  function options(one, width) {
    const narrow = width < 600;
    const size = narrow ? 44 : 64;
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--rule"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    const axes = [
      { ...axis, space: narrow ? 62 : 96, size: 26, values: (_u, splits, _i, _space, step) => splits.map((at) => (step < 86400 ? clockOf(at).slice(5) : dayOf(at).slice(narrow ? 2 : 0))) },
      { ...axis, size, values: (_u, values) => values.map(one.axis) },
    ];
    if (one.second) axes.push({ ...axis, scale: "second", side: 1, size, grid: { show: false }, values: (_u, values) => values.map(one.second) });
    else axes.push({ ...axis, side: 1, size, values: () => [], grid: { show: false } });
    return {
      width, height: HEIGHT,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      scales: {
        x: { time: true, range: (_u, min, max) => [min, max] },
        y: { range: fromZero },
        second: { range: fromZero },
      },
      cursor: { sync: { key: "merchant" }, drag: { x: true, y: false, setScale: true } },
      axes,
      series: [
        { label: say("from"), value: (_u, at) => (at === null ? "–" : one.x === null ? "" : clockOf(at)) },
        ...one.series.map((each) => ({
          label: each.label, scale: each.scale || "y", stroke: colour(each.colour), width: 1.6,
          fill: each.fill ? `color-mix(in srgb, ${colour(each.colour)} 45%, transparent)` : undefined,
          paths: each.paths, spanGaps: Boolean(each.gaps), points: { show: Boolean(each.gaps), size: 4 },
          value: (_u, value) => each.text(value),
        })),
      ],
      hooks: {
        drawClear: [drawAlerts],
        draw: [drawMoves],
        setCursor: [tellMarks],
        setScale: [(plot, key) => key === "x" && follow(plot)],
      },
    };
  }

  let following = false;
  function follow(source) {
    if (following) return;
    following = true;
    const { min, max } = source.scales.x;
    for (const plot of plots) if (plot !== source) plot.setScale("x", { min, max });
    following = false;
  }

  function show() {
    for (const plot of plots) plot.destroy();
    plots = [];
    canvas.replaceChildren();
    marks.replaceChildren();
    const width = Math.max(canvas.clientWidth, 280);
    for (const one of definitions()) {
      const figure = document.createElement("figure");
      const title = document.createElement("figcaption");
      title.textContent = one.title;
      figure.append(title);
      canvas.append(figure);
      if (!one.x.length || !anything(one)) {
        const note = document.createElement("p");
        note.className = "nothing";
        note.textContent = say("empty");
        figure.append(note);
        continue;
      }
      plots.push(new uPlot(options(one, width), [one.x, ...one.series.map((each) => each.values)], figure));
    }
    whole();
    if (table.open) fillTable();
  }

  function zoomTo(min, max) {
    const from = Math.max(min, data.from_ms / 1000);
    const to = Math.min(max, data.until_ms / 1000);
    if (plots.length && to - from > 3600) plots[0].setScale("x", { min: from, max: to });
  }
  const whole = () => zoomTo(data.from_ms / 1000, data.until_ms / 1000);

  function zoom(factor, centre) {
    if (!plots.length) return;
    const { min, max } = plots[0].scales.x;
    const at = centre === undefined ? (min + max) / 2 : centre;
    zoomTo(at - (at - min) * factor, at + (max - at) * factor);
  }

  function move(share) {
    if (!plots.length) return;
    const { min, max } = plots[0].scales.x;
    const by = (max - min) * share;
    if (min + by >= data.from_ms / 1000 && max + by <= data.until_ms / 1000) zoomTo(min + by, max + by);
  }

  // --- the same as a table ------------------------------------------------------------------------

  function fillTable() {
    const holder = table.querySelector(".scroll");
    const flows = data.flows;
    const columns = [
      [say("in"), flows.inflow_minor, money], [say("out"), flows.outflow_minor, money],
      [say("orders"), flows.orders, pieces], [say("sales"), flows.orders_minor, money],
      [say("shipments"), flows.shipments, pieces], [say("deliveries"), flows.deliveries, pieces],
      [say("disbursed"), flows.disbursed_minor, money], [say("due"), flows.due_minor, money],
      [say("repaid"), flows.repaid_minor, money], [say("late"), flows.late_repayments, pieces],
      [say("probability"), data.risk.probability, percent], [say("band"), data.risk.band, (b) => b || "–"],
    ];
    const grid = rows([say("from"), ...columns.map(([label]) => label)],
      data.buckets_ms.map((ms, i) => [dayOf(ms / 1000), ...columns.map(([, values, text]) => text(values[i]))]));
    const line = rows([say("from"), say("limit"), say("drawn")],
      data.line.at_ms.map((ms, i) => [clockOf(ms / 1000), money(data.line.limit_minor[i]), money(data.line.drawn_minor[i])]));
    const list = document.createElement("ul");
    for (const text of [...data.alerts.map(alertText), ...data.moves.map(moveText)]) {
      const item = document.createElement("li");
      item.textContent = text;
      list.append(item);
    }
    holder.replaceChildren(grid, line, list);
  }

  function rows(head, body) {
    const made = document.createElement("table");
    const line = (texts, kind) => {
      const row = document.createElement("tr");
      texts.forEach((text, i) => {
        const cell = document.createElement(kind === "th" || i === 0 ? "th" : "td");
        cell.scope = kind === "th" ? "col" : "row";
        if (cell.tagName === "TD") cell.removeAttribute("scope");
        if (i > 0) cell.className = "figure";
        cell.textContent = text;
        row.append(cell);
      });
      return row;
    };
    made.createTHead().append(line(head, "th"));
    const rest = made.createTBody();
    for (const texts of body) rest.append(line(texts, "td"));
    return made;
  }

  // --- loading ------------------------------------------------------------------------------------

  async function load(wanted) {
    range = wanted;
    const mine = ++asked;
    status.textContent = say("loading");
    root.setAttribute("aria-busy", "true");
    for (const button of root.querySelectorAll("button[data-range]")) {
      button.setAttribute("aria-pressed", String(button.dataset.range === wanted));
    }
    try {
      const answer = await fetch(`${root.dataset.url}?range=${encodeURIComponent(wanted)}`, { headers: { accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const found = await answer.json();
      if (mine !== asked) return;
      data = found;
      status.textContent = `${say("asof")} ${dayOf((data.until_ms - 1) / 1000)} UTC`;
      status.className = "";
      show();
    } catch {
      if (mine !== asked) return;
      status.textContent = say("offline");
      status.className = "stale";
    } finally {
      if (mine === asked) root.removeAttribute("aria-busy");
    }
  }

  for (const button of root.querySelectorAll("button[data-range]")) {
    button.addEventListener("click", () => load(button.dataset.range));
  }
  table.addEventListener("toggle", () => table.open && data && fillTable());
  canvas.addEventListener("dblclick", () => data && whole());
  canvas.addEventListener("mousedown", () => canvas.focus({ preventScroll: true }));
  canvas.addEventListener("wheel", (event) => {
    // Without focus the wheel scrolls the page, as everywhere.
    if (!plots.length || !canvas.contains(document.activeElement)) return;
    event.preventDefault();
    const box = plots[0].over.getBoundingClientRect();
    const at = plots[0].posToVal(event.clientX - box.left, "x");
    zoom(event.deltaY < 0 ? 0.8 : 1.25, at);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const keys = { "+": () => zoom(0.7), "=": () => zoom(0.7), "-": () => zoom(1.4), ArrowLeft: () => move(-0.2), ArrowRight: () => move(0.2), Escape: () => whole() };
    const act = keys[event.key];
    if (!act || !data || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  let resizing = 0;
  addEventListener("resize", () => {
    clearTimeout(resizing);
    resizing = setTimeout(() => data && show(), 150);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => data && show());
  addEventListener("online", () => load(range));
  load(range);
})();
