// Charts by uPlot in the page's own colours: lines through a day, or over strikes and days to expiry.

import { h } from "./dom.js";
import { clock } from "./format.js";

const { uPlot } = window;
const alive = new WeakMap();

/** The present value of a colour of the style sheet, for a canvas. */
export function colour(name) {
  const probe = h("i", {});
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** A line: what it is called, its colour in the style sheet, how its values read. */
export function line(label, name, value, more = {}) {
  const { dash, width = 1.6, points = false, only, size = 5 } = more;
  const stroke = colour(name);
  return {
    label,
    stroke,
    width: only === "points" ? 0 : width,
    dash,
    spanGaps: false,
    points: { show: points || only === "points", size, stroke, fill: stroke },
    paths: only === "points" ? () => null : undefined,
    value: (_, raw) => value(raw),
    ...(more.scale ? { scale: more.scale } : {}),
  };
}

/** Draw lines into `place`, which keeps its size; replaces what was drawn there before. */
export function plot(place, { series, data, x, y, right, marks = [], onclick, sync, legendRows = 1 }) {
  alive.get(place)?.();
  const chart = new uPlot(
    {
      ...sizeOf(place, legendRows),
      padding: [8, right ? 0 : 20, 0, 0],
      scales: { x: { time: false, ...(x.range ? { range: x.range } : {}) }, y: y.range ? { range: y.range } : {}, ...(right ? { right: {} } : {}) },
      axes: [axis(x, 3), axis(y), ...(right ? [{ ...axis(right), scale: "right", side: 1, grid: { show: false } }] : [])],
      series: [{ label: x.label, value: (_, raw) => (raw === null ? "–" : x.value(raw)) }, ...series],
      cursor: { drag: { x: false, y: false }, ...(sync ? { sync: { key: sync, setSeries: false } } : {}), points: { size: 6 } },
      legend: { live: true },
      hooks: { drawClear: [(u) => drawMarks(u, marks)], ready: [(u) => rest(u, marks)] },
    },
    data,
    place,
  );
  if (onclick) {
    place.classList.add("clickable");
    chart.over.addEventListener("click", () => chart.cursor.idx !== null && onclick(chart.data[0][chart.cursor.idx]));
  }
  const watcher = new ResizeObserver(() => chart.setSize(sizeOf(place, legendRows)));
  watcher.observe(place);
  alive.set(place, () => {
    watcher.disconnect();
    chart.destroy();
  });
  return chart;
}

/** Columns over seconds with a break wherever more than three of the usual steps are missing: no line across a hole. */
export function broken([seconds, ...columns]) {
  const steps = seconds.slice(1).map((second, place) => second - seconds[place]);
  const usual = [...steps].sort((a, b) => a - b)[steps.length >> 1];
  const holes = new Set(steps.flatMap((step, place) => (step > 3 * usual ? [place] : [])));
  if (!holes.size) return [seconds, ...columns];
  const broke = (values, between) => values.flatMap((value, place) => (holes.has(place) ? [value, between(place)] : [value]));
  return [broke(seconds, (place) => seconds[place] + usual), ...columns.map((values) => broke(values, () => null))];
}

/** The axis of a day's minutes. */
export const DAY_AXIS = {
  label: "Time",
  value: clock,
  values: (_, ticks) => ticks.map(clock),
  incrs: [60, 300, 900, 1800, 3600],
  space: 60,
};

const LEGEND_HEIGHT = 26;

function sizeOf(place, legendRows) {
  return { width: Math.max(place.clientWidth, 200), height: Math.max(place.clientHeight - LEGEND_HEIGHT * legendRows, 100) };
}

function axis(kind, size) {
  return {
    stroke: colour("muted"),
    grid: { stroke: colour("line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui, sans-serif",
    ...(kind.values ? { values: kind.values } : {}),
    ...(kind.incrs ? { incrs: kind.incrs } : {}),
    ...(kind.space ? { space: kind.space } : {}),
    size: size ? 26 : (kind.size ?? 56),
    gap: 4,
  };
}

// While no pointer is over the chart, its legend tells the values at the first mark, the minute shown.
function rest(u, marks) {
  const at = marks[0]?.at;
  const place = at === null || at === undefined ? -1 : u.data[0].indexOf(at);
  if (place < 0) return;
  const told = () => u.setLegend({ idx: place });
  u.over.addEventListener("mouseleave", () => setTimeout(told));
  told();
}

// Upright lines behind the chart: the minute shown, the forward, the point of max pain.
function drawMarks(u, marks) {
  const { ctx, bbox } = u;
  ctx.save();
  for (const mark of marks) {
    if (mark.at === null || mark.at === undefined) continue;
    const x = Math.round(u.valToPos(mark.at, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = colour(mark.colour);
    ctx.lineWidth = devicePixelRatio * 1.5;
    ctx.setLineDash(mark.dash ? [4 * devicePixelRatio, 4 * devicePixelRatio] : []);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (mark.text) {
      ctx.fillStyle = colour(mark.colour);
      ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
      ctx.fillText(mark.text, x + 4 * devicePixelRatio, bbox.top + (12 + 14 * (mark.row ?? 0)) * devicePixelRatio);
    }
  }
  ctx.restore();
}
