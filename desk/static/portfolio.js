// The charts of the portfolio: exposure and open alerts by day, and the vintages' curves.
"use strict";
(() => {
  const trend = document.getElementById("trend-plot");
  if (!trend) return;
  const vintages = document.getElementById("vintage-plot");
  const HEIGHT = 240;
  const charts = [];

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const axis = (more) => ({
    stroke: colour("--quiet"),
    grid: { stroke: colour("--rule"), width: 1 },
    ticks: { stroke: colour("--rule"), width: 1 },
    ...more,
  });
  const short = new Intl.NumberFormat(document.documentElement.lang, {
    notation: "compact",
    maximumFractionDigits: 1,
  });
  const exact = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 2 });
  const percent = (value) => (value == null ? "–" : `${(value * 100).toFixed(1)} %`);
  const utcDay = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);

  function draw(place, options, data) {
    place.replaceChildren();
    charts.push([place, new uPlot({ width: place.clientWidth, height: HEIGHT, ...options }, data, place)]);
  }

  function drawTrend(series) {
    const { day_s: days, exposure, open_alerts: alerts } = series.trend;
    draw(
      trend,
      {
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
        scales: { money: { range: fromZero }, alerts: { range: fromZero } },
        axes: [
          axis({ values: (_, ticks) => ticks.map((tick) => utcDay(tick).slice(5)), space: 60 }),
          axis({ scale: "money", size: 64, values: (_, ticks) => ticks.map((v) => short.format(v)) }),
          axis({
            scale: "alerts", side: 1, size: 48, grid: { show: false },
            values: (_, ticks) => ticks.map((v) => (Number.isInteger(v) ? short.format(v) : "")),
          }),
        ],
        series: [
          { label: trend.dataset.day, value: (_, v) => (v == null ? "–" : utcDay(v)) },
          {
            label: trend.dataset.exposure, scale: "money", stroke: colour("--link"), width: 2,
            value: (_, v) => (v == null ? "–" : exact.format(v)), points: { show: false },
          },
          {
            label: trend.dataset.alerts, scale: "alerts", stroke: colour("--critical"), width: 2,
            dash: [6, 4], points: { show: false },
          },
        ],
      },
      [days, exposure, alerts],
    );
  }

  function fromZero(_, least, most) {
    return [Math.min(0, least ?? 0), most > 0 ? most * 1.08 : 1];
  }

  function drawVintages(series) {
    if (!vintages) return;
    const shown = series.vintages.slice(0, 8);
    const months = Math.max(...shown.map((each) => each.late.length));
    const strokes = ["--link", "--critical", "--warning", "--info", "--up", "--quiet", "--ink"];
    draw(
      vintages,
      {
        scales: { x: { time: false, range: [0, Math.max(months - 1, 1)] }, y: { range: fromZero } },
        axes: [
          axis({ label: vintages.dataset.months, incrs: [1, 2, 3, 6, 12] }),
          axis({ size: 64, values: (_, ticks) => ticks.map(percent) }),
        ],
        series: [
          { label: vintages.dataset.months },
          ...shown.map((each, place) => ({
            label: each.month, stroke: colour(strokes[place % strokes.length]), width: 2,
            dash: place < strokes.length ? undefined : [4, 4], value: (_, v) => percent(v),
            points: { show: true, size: 5 },
          })),
        ],
      },
      [
        Array.from({ length: months }, (_, month) => month),
        ...shown.map((each) => Array.from({ length: months }, (_, month) => each.late[month] ?? null)),
      ],
    );
  }

  function failed() {
    for (const place of [trend, vintages]) {
      if (!place) continue;
      const said = document.createElement("p");
      said.className = "loading";
      said.setAttribute("role", "alert");
      said.textContent = place.dataset.failed;
      place.replaceChildren(said);
    }
  }

  fetch(trend.dataset.series, { headers: { accept: "application/json" } })
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.status))))
    .then((series) => {
      drawTrend(series);
      drawVintages(series);
    })
    .catch(failed);

  addEventListener("resize", () => {
    for (const [place, chart] of charts) chart.setSize({ width: place.clientWidth, height: HEIGHT });
  });
})();
