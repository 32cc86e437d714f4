// The smile of each expiry at a minute, and volatility by time to expiry.

import { ask } from "../api.js";
import { line, plot } from "../charts.js";
import { rowsOf } from "../day.js";
import { h } from "../dom.js";
import { number, percent, percentTicks, shortDate, words } from "../format.js";

export const load = ({ index, day, at }) => ask("smiles", { index, day, at });
export const prefetch = load;
export const sql = ({ index, expiry, day, at }) => `from iv_smile('${index}', '${expiry}', '${day} ${at}')`;

const COLOURS = ["accent", "violet", "amber", "green"];

/** Draw smile, term structure and its table. */
export function draw(place, smiles, context) {
  if (!place.querySelector(".volatility-view")) build(place);
  smile(place.querySelector(".smile"), smiles, context);
  term(place.querySelector(".term"), context);
  place.querySelector(".term-table").replaceChildren(table(context));
}

function build(place) {
  place.replaceChildren(
    h("div", { class: "controls" }, h("h2", {}, "Smile and term structure"), h("span", { class: "count" }, "Smile over strike less forward, in expected moves of each expiry; dots are the chosen expiry's own calls and puts")),
    h("div", { class: "charts two volatility-view" }, h("div", { class: "panel" }, h("div", { class: "chart smile" })), h("div", { class: "panel" }, h("div", { class: "chart term" }), h("div", { class: "term-table" }))),
  );
  place.dataset.view = "volatility";
}

// Expiries have different forwards and widths: over (strike - forward) / expected move their smiles can be compared.
function smile(place, smiles, { at, expiry }) {
  const rows = rowsOf(at.term).filter((row) => row.expected_move && smiles[row.expiry]?.strike.length);
  if (!rows.length) return void place.replaceChildren(h("p", { class: "empty" }, "No volatility is known at this minute"));
  const tables = [];
  const series = [];
  rows.forEach((row, order) => {
    const found = smiles[row.expiry];
    const places = found.strike.map((each) => (each - row.forward) / row.expected_move);
    const near = places.map((each) => Math.abs(each) <= 3.2);
    const kept = (values) => values.filter((_, position) => near[position]);
    const name = shortDate(row.expiry);
    const chosen = row.expiry === expiry.expiry;
    const own = chosen ? [kept(found.call_iv), kept(found.put_iv)] : [];
    tables.push([kept(places), kept(found.iv), ...own]);
    series.push(line(name, COLOURS[order % COLOURS.length], percent, { width: chosen ? 2.4 : 1.3, points: false }));
    if (chosen) series.push(line("calls", "call", percent, { only: "points" }), line("puts", "put", percent, { only: "points" }));
  });
  for (const one of series) one.spanGaps = true;
  plot(place, {
    x: { label: "Moves", value: (value) => number(value), values: (_, ticks) => ticks.map((tick) => `${number(tick, tick % 1 ? 1 : 0)} σ`), space: 50 },
    y: { values: percentTicks },
    data: window.uPlot.join(tables),
    series,
    legendRows: 2,
    marks: [{ at: 0, colour: "accent", text: "Forward", dash: true }],
  });
}

function term(place, { at, expiry }) {
  const rows = rowsOf(at.term);
  const column = (name) => rows.map((row) => row[name]);
  plot(place, {
    x: { label: "Days", value: (value) => number(value, 1), values: (_, ticks) => ticks.map((tick) => `${number(tick, 0)} d`), range: (_, low, high) => [Math.min(0, low), high * 1.05] },
    y: { values: percentTicks },
    data: [column("days"), column("atm_iv"), column("call_iv_25"), column("put_iv_25")],
    series: [line("ATM IV", "accent", percent, { width: 2, points: true }), line("call 25Δ", "call", percent, { points: true }), line("put 25Δ", "put", percent, { points: true })],
    marks: [{ at: rows.find((row) => row.expiry === expiry.expiry)?.days, colour: "accent", dash: true }],
  });
}

const COLUMNS = [
  ["Expiry", (row) => shortDate(row.expiry)],
  ["Label", (row) => row.tags.split(", ").map(words).join(" · ")],
  ["Days", (row) => number(row.days, 1)],
  ["Forward", (row) => number(row.forward)],
  ["Straddle", (row) => number(row.straddle)],
  ["± Move", (row) => number(row.expected_move, 0)],
  ["ATM IV", (row) => percent(row.atm_iv)],
  ["RR 25Δ", (row) => percent(row.risk_reversal_25)],
  ["BF 25Δ", (row) => percent(row.butterfly_25)],
  ["Forward vol", (row) => percent(row.forward_vol)],
];

function table({ at, expiry }) {
  const lines = rowsOf(at.term).map((row) =>
    h("tr", { class: row.expiry === expiry.expiry ? "atm" : false }, ...COLUMNS.map(([, text], place) => h("td", { class: place === 1 ? "text" : false }, text(row)))),
  );
  return h("table", { class: "plain" }, h("thead", {}, h("tr", {}, ...COLUMNS.map(([name]) => h("th", { scope: "col" }, name)))), h("tbody", {}, ...lines));
}

