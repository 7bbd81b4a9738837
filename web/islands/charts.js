// Time series: draws <figure data-chart> from its JSON over the picture that the server printed.
import uPlot from "uplot";

const DAY = 86_400;
const drawn = new WeakSet();
let probe;

/** The colour that a token has now, as the canvas needs it. */
function token(name, percent) {
  // Going back in the history replaces the whole body.
  if (!probe?.isConnected) probe = document.body.appendChild(Object.assign(document.createElement("i"), { hidden: true }));
  probe.style.color = percent ? `color-mix(in srgb, var(--${name}) ${percent}%, transparent)` : `var(--${name})`;
  return getComputedStyle(probe).color;
}

const short = (value) =>
  value >= 1e6 ? `${+(value / 1e6).toFixed(1)}M` : value >= 1e3 ? `${+(value / 1e3).toFixed(1)}k` : `${+value.toFixed(2)}`;

/** Each row becomes the sum of itself and those before it, so that bars stand on each other. */
const stack = (rows) => rows.map((_, at) => rows[0].map((_, x) => rows.slice(0, at + 1).reduce((sum, row) => sum + row[x], 0)));

const time = (seconds, format) => new Date(seconds * 1e3).toLocaleString("en-GB", { ...format, timeZone: "UTC" });

function read(figure) {
  const spec = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
  const step = spec.x.length > 1 ? spec.x[1] - spec.x[0] : 60;
  const day = { day: "numeric", month: "short" };
  const clock = { hour: "2-digit", minute: "2-digit" };
  const long = spec.x.at(-1) - spec.x[0] > DAY;
  const format = step >= DAY ? day : long ? { ...day, ...clock } : clock;
  const rows = spec.series.map((series) => series.y.map((y) => y ?? 0));
  const stacked = spec.kind === "bars";
  return {
    ...spec, step, stacked, rows,
    columns: stacked ? stack(rows) : spec.series.map((series) => series.y),
    when: (seconds) => time(seconds, format),
    // Below the axis there is room for either: a midnight shows which day begins.
    tick: (seconds) => time(seconds, !long || step >= DAY ? format : seconds % DAY === 0 ? day : clock),
    value: (y) => (y == null ? "–" : spec.unit ? `${y < 10 ? +y.toFixed(1) : Math.round(y)} ${spec.unit}` : short(y)),
  };
}

function seriesOptions(spec) {
  const zero = spec.x.map(() => 0);
  return spec.series.map((series, at) => ({
    stroke: token(series.color),
    width: spec.stacked ? 0 : 1.6,
    dash: series.dashed ? [4, 3] : undefined,
    fill: spec.stacked ? token(series.color) : series.area ? token(series.color, 10) : undefined,
    // A single value makes no line.
    points: { show: !spec.stacked && series.y.filter((y) => y != null).length < 2, size: 5 },
    spanGaps: true,
    paths: spec.stacked
      ? uPlot.paths.bars({
        size: [0.72, 26],
        disp: { y0: { unit: 3, values: () => spec.columns[at - 1] ?? zero }, y1: { unit: 3, values: () => spec.columns[at] } },
      })
      : uPlot.paths.spline(),
  }));
}

function options(spec, box, tip) {
  const axis = { font: "11px Geist", stroke: token("text-3"), ticks: { show: false }, grid: { stroke: token("line"), width: 1 } };
  return {
    width: box.clientWidth, height: box.clientHeight, padding: [8, 16, 0, 0], legend: { show: false },
    cursor: { y: false, points: { show: !spec.stacked, size: 7 }, drag: { x: false, y: false } },
    scales: {
      x: { range: (_, low, high) => (spec.stacked ? [low - spec.step / 2, high + spec.step / 2] : [low, high]) },
      y: { range: (_, low, high) => [0, (high || 1) * 1.08] },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 20, gap: 4, space: 64, values: (_, ticks) => ticks.map(spec.tick) },
      { ...axis, size: 46, gap: 4, space: 36, values: (_, ticks) => ticks.map((tick) => short(tick)) },
    ],
    series: [{}, ...seriesOptions(spec)],
    hooks: { setCursor: [(plot) => pointOut(plot, spec, tip)] },
  };
}

/** The values under the cursor, in a box that keeps off the bars it speaks of. */
function pointOut(plot, spec, tip) {
  const at = plot.cursor.idx;
  if ((tip.hidden = at == null)) return;
  const row = (dot, name, value) => {
    const line = Object.assign(document.createElement("span"), { className: "row" });
    line.append(Object.assign(document.createElement("span"), { className: `dot ${dot}` }), name, Object.assign(document.createElement("b"), { textContent: value }));
    return line;
  };
  const head = Object.assign(document.createElement("span"), { className: "faint", textContent: `${spec.when(spec.x[at])} UTC` });
  tip.replaceChildren(head, ...spec.series.map((series) => row(series.dot, series.name, spec.value(series.y[at]))));
  const x = plot.valToPos(spec.x[at], "x");
  const flip = x > plot.over.clientWidth - tip.offsetWidth - 24;
  tip.style.left = `${x + (flip ? -tip.offsetWidth - 12 : 12)}px`;
  tip.style.top = "6px";
}

/** Arrow keys move the cursor; a live region says what it shows. */
function keyboard(plot, spec, box, figure) {
  box.tabIndex = 0;
  box.setAttribute("role", "application");
  box.setAttribute("aria-roledescription", "chart");
  box.setAttribute("aria-label", `${figure.getAttribute("aria-label")}. Arrow keys move along it.`);
  const voice = box.appendChild(Object.assign(document.createElement("span"), { className: "sr" }));
  voice.setAttribute("role", "status");
  const last = spec.x.length - 1;
  box.addEventListener("keydown", (event) => {
    const now = plot.cursor.idx ?? last;
    const next = { ArrowRight: Math.min(now + 1, last), ArrowLeft: Math.max(now - 1, 0), Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    plot.setCursor({ left: plot.valToPos(spec.x[next], "x"), top: 10 });
    voice.textContent = `${spec.when(spec.x[next])}: ${spec.series.map((series) => `${series.name} ${spec.value(series.y[next])}`).join(", ")}`;
  });
}

function drawOne(figure) {
  const spec = read(figure);
  if (spec.x.length === 0) return;
  const old = figure.querySelector(".chart");
  const box = Object.assign(document.createElement("div"), { className: old.className });
  old.replaceWith(box);
  const tip = Object.assign(document.createElement("div"), { className: "tip", hidden: true });
  const plot = new uPlot(options(spec, box, tip), [spec.x, ...spec.columns], box);
  plot.over.append(tip);
  keyboard(plot, spec, box, figure);
  new ResizeObserver(() => {
    if (plot.width !== box.clientWidth) plot.setSize({ width: box.clientWidth, height: box.clientHeight });
  }).observe(box);
}

export async function draw(root) {
  await document.fonts.ready;
  for (const figure of root.querySelectorAll("[data-chart]")) {
    if (drawn.has(figure)) continue;
    drawn.add(figure);
    drawOne(figure);
  }
}

addEventListener("themechange", () => document.querySelectorAll("[data-chart]").forEach(drawOne));
