// The option chain: calls left, puts right, strike and volatility between, with bars of open interest.

import { ask } from "../api.js";
import { rowsOf } from "../day.js";
import { h, refill } from "../dom.js";
import * as f from "../format.js";
import { set, state, WIDTHS } from "../state.js";
import { around } from "../strikes.js";

export const load = (question) => ask("chain", question);
export const prefetch = load;
export const sql = ({ index, expiry, day, at }) => `from chain('${index}', '${expiry}', '${day} ${at}')`;

const BUILD_UP = {
  long_build_up: ["LB", "long build-up: price up, open interest up"],
  short_covering: ["SC", "short covering: price up, open interest down"],
  short_build_up: ["SB", "short build-up: price down, open interest up"],
  long_unwinding: ["LU", "long unwinding: price down, open interest down"],
  unchanged: ["·", "unchanged"],
};

// From the outside to the strike; puts mirror it. Where the greeks are left out, there is room for the whole book.
const COLUMNS = [
  { name: "build_up", head: "15m", title: "Build-up over 15 minutes, from the option's own price and open interest", cell: buildUp },
  { name: "oi_change", head: "OI chg", title: "Change of open interest, lakh", cell: change },
  { name: "oi", head: "OI", title: "Open interest, lakh", cell: openInterest },
  { name: "volume", head: "Vol", title: "Volume since the open, lakh", cell: (row, side) => plain(f.shortLakh(row[`${side}_volume`]), "soft") },
  { name: "vega", head: "Vega", greek: true, title: "Rupees per 1 % of volatility", cell: (row, side) => plain(f.number(row[`${side}_vega`]), "soft") },
  { name: "theta", head: "Theta", greek: true, title: "Rupees per calendar day", cell: (row, side) => plain(f.number(row[`${side}_theta`]), "soft") },
  { name: "gamma", head: "Gamma", greek: true, title: "Change of delta per point", cell: (row, side) => plain(f.number(row[`${side}_gamma`], 5), "soft") },
  { name: "delta", head: "Delta", greek: true, title: "Per point of the forward", cell: (row, side) => plain(f.number(row[`${side}_delta`])) },
  { name: "last", head: "LTP", book: true, title: "Last traded price", cell: (row, side) => plain(f.number(row[`${side}_last`])) },
  { name: "moved", head: "Chg", book: true, title: "Change of the price against the previous close", cell: moved },
  { name: "bid_quantity", head: "Bid qty", book: true, title: "Units wanted at the best bid", cell: (row, side) => plain(f.number(row[`${side}_bid_quantity`], 0), "soft") },
  { name: "bid", head: "Bid", title: "Best bid", cell: (row, side) => plain(f.number(row[`${side}_bid`]), "soft") },
  { name: "ask", head: "Ask", title: "Best ask", cell: (row, side) => plain(f.number(row[`${side}_ask`]), "soft") },
  { name: "ask_quantity", head: "Ask qty", book: true, title: "Units offered at the best ask", cell: (row, side) => plain(f.number(row[`${side}_ask_quantity`], 0), "soft") },
  { name: "price", head: "Price", title: "Middle of bid and ask, else the last price if it traded", cell: price },
];

/** Draw the table. */
export function draw(place, answers, context) {
  const rows = rowsOf(answers.chain).map((row) => (left(row, context.healed) ? blank(row) : row));
  const shown = around(rows, state.strikes);
  const columns = COLUMNS.filter((column) => (state.greeks === "on" ? !column.book : !column.greek));
  const most = Math.max(1, ...shown.flatMap((row) => [row.call_oi ?? 0, row.put_oi ?? 0]));
  const since = sinceOf(rows);
  const mostChange = Math.max(1, ...shown.flatMap((row) => [Math.abs(row[`call_oi_change_${since}`] ?? 0), Math.abs(row[`put_oi_change_${since}`] ?? 0)]));
  const scale = { oi: most, change: mostChange, since };
  const table = h(
    "table",
    { class: "chain" },
    h("caption", {}, `${context.index} ${f.longDate(context.expiry.expiry)}, as of ${context.question.at}`),
    head(columns),
    h("tbody", {}, ...shown.map((row) => line(row, columns, scale, context))),
    foot(rows, columns, since),
  );
  const scroll = place.querySelector(".scroll")?.scrollTop;
  const kept = place.dataset.of === context.index + context.expiry.expiry && place.dataset.strikes === state.strikes;
  refill(place, controls(rows, shown, since), h("div", { class: "scroll", tabindex: "0", "aria-label": "Option chain" }, table));
  place.dataset.view = "chain";
  place.dataset.of = context.index + context.expiry.expiry;
  place.dataset.strikes = state.strikes;
  if (kept && scroll !== undefined) place.querySelector(".scroll").scrollTop = scroll;
  else centre(place.querySelector(".scroll"));
}

const left = (row, healed) => !healed && row.source === "candle";

// Without its healed prices a strike still has its place, and open interest known from elsewhere.
function blank(row) {
  const kept = new Set(["strike", "rank", "call_oi", "put_oi", "call_oi_change_open", "put_oi_change_open", "call_oi_change_15m", "put_oi_change_15m"]);
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, kept.has(name) ? value : null]));
}

function controls(rows, shown, since) {
  const healed = rows.filter((row) => row.source === "candle").length;
  const names = { 10: "ATM ± 10", 20: "ATM ± 20", all: "All" };
  return h(
    "div",
    { class: "controls" },
    h("div", { class: "side call" }, "Calls"),
    h(
      "div",
      { class: "segments small", role: "radiogroup", "aria-label": "Strikes" },
      ...WIDTHS.map((width) =>
        h("button", { role: "radio", "aria-checked": String(state.strikes === width), title: "Strikes (w)", onclick: () => set({ strikes: width }) }, names[width]),
      ),
    ),
    h("button", { class: "toggle", "aria-pressed": String(state.greeks === "on"), title: "Greeks, or last price and quantities (g)", onclick: () => set({ greeks: state.greeks === "on" ? "off" : "on" }) }, "Greeks"),
    h("span", { class: "count" }, `${shown.length} of ${rows.length} strikes · OI and volume in lakh, OI change ${SINCE[since]}${healed ? ` · ${healed} strikes healed from candles` : ""}`),
    h("div", { class: "side put" }, "Puts"),
  );
}

function head(columns) {
  const cell = (side) => (column) => h("th", { scope: "col", class: `${column.name} ${side}`, title: column.title }, column.head);
  return h(
    "thead",
    {},
    h("tr", {}, ...columns.map(cell("call")), h("th", { scope: "col", class: "strike" }, "Strike"), h("th", { scope: "col", class: "iv", title: "Implied volatility, of the out-of-the-money option" }, "IV"), ...columns.toReversed().map(cell("put"))),
  );
}

function line(row, columns, scale, context) {
  const atm = row.strike === context.courseRow?.atm_strike;
  const inTheMoney = (side) => context.term && (side === "call" ? row.strike < context.term.forward : row.strike > context.term.forward);
  const half = (side, list) =>
    list.map((column) => {
      const cell = column.cell(row, side, scale);
      cell.classList.add(side, column.name);
      if (inTheMoney(side)) cell.classList.add("itm");
      return cell;
    });
  const iv = row.iv === null || row.iv === undefined ? h("td", { class: "iv", title: row.iv_reason ? `no IV: ${f.words(row.iv_reason)}` : "not in this snapshot" }, f.DASH) : h("td", { class: "iv" }, f.number(row.iv * 100));
  return h(
    "tr",
    { class: [atm ? "atm" : "", row.source === "candle" ? "healed" : ""].join(" ").trim() || false, "data-strike": row.strike },
    ...half("call", columns),
    h("th", { scope: "row", class: "strike", title: rankText(row.rank) }, f.strike(row.strike)),
    iv,
    ...half("put", columns.toReversed()),
  );
}

const rankText = (rank) => (rank === null ? "" : rank === 0 ? "ATM" : `ATM${rank > 0 ? "+" : "−"}${Math.abs(rank)}`);
const plain = (text, kind) => h("td", { class: kind }, text);

const SINCE = { open: "since the open", "15m": "over 15 minutes" };

// One base for the whole column: what was open before the open is not known of every day.
function sinceOf(rows) {
  return rows.some((row) => isKnown(row.call_oi_change_open) || isKnown(row.put_oi_change_open)) ? "open" : "15m";
}

const isKnown = (value) => value !== null && value !== undefined;

function openInterest(row, side, scale) {
  const value = row[`${side}_oi`];
  return barred(f.lakh(value), (value ?? 0) / scale.oi, "oi-bar");
}

function change(row, side, scale) {
  const value = row[`${side}_oi_change_${scale.since}`];
  const fifteen = row[`${side}_oi_change_15m`];
  const cell = barred(f.signedLakh(value), Math.abs(value ?? 0) / scale.change, value < 0 ? "fall-bar" : "rise-bar");
  cell.title = `over 15 minutes ${f.signedLakh(fifteen)} lakh`;
  return cell;
}

function barred(text, share, kind) {
  const cell = h("td", {}, h("i", { class: kind, "aria-hidden": "true" }), h("span", {}, text));
  cell.firstChild.style.width = `${Math.round(share * 1000) / 10}%`;
  return cell;
}

function buildUp(row, side) {
  const [text, title] = BUILD_UP[row[`${side}_build_up`]] ?? ["", ""];
  return h("td", { title, "data-build": row[`${side}_build_up`] }, text);
}

function moved(row, side) {
  const value = row[`${side}_change`];
  return plain(f.signed(value), value < 0 ? "down" : value > 0 ? "up" : false);
}

function price(row, side) {
  const value = row[`${side}_price`];
  const change = row[`${side}_change`];
  const title = !isKnown(change) ? "" : `${f.signed(change)} against the previous close`;
  const last = value === null || value === undefined ? row[`${side}_last`] : null;
  const text = last === null || last === undefined ? f.number(value) : f.number(last);
  return h("td", { title: last ? `last price, not of this minute; ${title}` : title, class: last ? "old" : change < 0 ? "down" : change > 0 ? "up" : false }, text);
}

function foot(rows, columns, since) {
  const total = (side, name) => (name ? f.lakh(sum(rows, `${side}_${name}`)) : "");
  const totals = { oi: "oi", oi_change: "oi_change_open", volume: null };
  const cell = (side) => (column) => {
    const text = column.name === "oi_change" ? f.signedLakh(sum(rows, `${side}_oi_change_${since}`)) : total(side, totals[column.name]);
    return h("td", { class: `${column.name} ${side}` }, text);
  };
  return h("tfoot", {}, h("tr", {}, ...columns.map(cell("call")), h("th", { scope: "row", class: "strike" }, "All strikes"), h("td", {}), ...columns.toReversed().map(cell("put"))));
}

function sum(rows, name) {
  const known = rows.map((row) => row[name]).filter(isKnown);
  return known.length ? known.reduce((a, b) => a + b, 0) : null;
}

function centre(scroll) {
  const row = scroll.querySelector("tr.atm");
  if (row) scroll.scrollTop = row.offsetTop - scroll.clientHeight / 2;
}
