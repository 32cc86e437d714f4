// Open interest by strike with max pain, its change, and the put-call ratio through the day.

import { ask } from "../api.js";
import { bars } from "../bars.js";
import { broken, DAY_AXIS, line, plot } from "../charts.js";
import { rowsOf } from "../day.js";
import { h, refill } from "../dom.js";
import { clock, number, strike, units } from "../format.js";
import { set, state, WIDTHS } from "../state.js";
import { around } from "../strikes.js";

export const load = (question) => ask("chain", question);
export const prefetch = load;
export const sql = ({ index, expiry, day, at }) => `from oi_by_strike('${index}', '${expiry}', '${day} ${at}')`;

const CHANGES = { open: "since the open", "15m": "over 15 minutes" };
let over = "open";

/** Draw two bar charts over strikes and two charts through the day. */
export function draw(place, answers, context) {
  if (!place.querySelector(".oi-view")) build(place);
  refill(place.querySelector(".widths"), ...widths());
  refill(place.querySelector(".changes"), ...changes(() => draw(place, answers, context)));
  const rows = around(rowsOf(answers.chain), state.strikes);
  const { courseRow, term } = context;
  const marks = [
    { at: term?.forward, colour: "accent", text: `Forward ${number(term?.forward, 0)}` },
    { at: courseRow?.max_pain, colour: "amber", text: `Max pain ${strike(courseRow?.max_pain)}` },
  ];
  bars(place.querySelector(".oi-bars"), { rows, names: ["call_oi", "put_oi"], marks, label: "Open interest by strike, lakh" });
  bars(place.querySelector(".change-bars"), { rows, names: [`call_oi_change_${over}`, `put_oi_change_${over}`], marks, label: `Change ${CHANGES[over]}, lakh` });
  totals(place.querySelector(".totals"), answers, courseRow);
  throughTheDay(place, context);
}

function build(place) {
  place.replaceChildren(
    h("div", { class: "controls" }, h("h2", {}, "Open interest by strike"), h("div", { class: "segments small widths", role: "radiogroup", "aria-label": "Strikes" }), h("div", { class: "segments small changes", role: "radiogroup", "aria-label": "Change" }), h("span", { class: "count totals" })),
    h(
      "div",
      { class: "charts grid oi-view" },
      h("div", { class: "panel" }, h("div", { class: "oi-bars bars" })),
      h("div", { class: "panel" }, h("h3", {}, "Put-call ratio"), h("div", { class: "chart pcr" })),
      h("div", { class: "panel" }, h("div", { class: "change-bars bars" })),
      h("div", { class: "panel" }, h("h3", {}, "Max pain and forward"), h("div", { class: "chart pain" })),
    ),
  );
  place.dataset.view = "oi";
}

const NAMES = { 10: "ATM ± 10", 20: "ATM ± 20", all: "All" };
const widths = () => WIDTHS.map((width) => h("button", { role: "radio", "aria-checked": String(state.strikes === width), title: "Strikes (w)", onclick: () => set({ strikes: width }) }, NAMES[width]));

function changes(redraw) {
  return Object.entries(CHANGES).map(([name, title]) =>
    h("button", { role: "radio", "aria-checked": String(over === name), onclick: () => { over = name; redraw(); } }, title),
  );
}

function totals(place, answers, course) {
  const total = (name) => answers.chain[name].reduce((sum, value) => sum + (value ?? 0), 0);
  const as = course?.oi_second ? `, full chain of ${clock(course.oi_second)}` : "";
  place.textContent = `Calls ${units(total("call_oi"))} · Puts ${units(total("put_oi"))} · PCR ${number(course?.pcr_oi)} all strikes, ${number(course?.pcr_oi_near)} ATM ± 10${as}`;
}

function throughTheDay(place, { course, second, day }) {
  const shared = { x: DAY_AXIS, marks: [{ at: second, colour: "accent" }], onclick: (picked) => set({ at: clock(picked), day }), sync: "day" };
  const ratio = (value) => number(value);
  plot(place.querySelector(".pcr"), {
    ...shared,
    y: { values: (_, ticks) => ticks.map((tick) => number(tick)), size: 46 },
    data: broken([course.second, course.pcr_oi, course.pcr_oi_near, course.pcr_volume]),
    series: [line("OI", "accent", ratio, { width: 2 }), line("OI, ATM ± 10", "violet", ratio), line("volume", "muted", ratio, { width: 1 })],
  });
  plot(place.querySelector(".pain"), {
    ...shared,
    y: { values: (_, ticks) => ticks.map((tick) => number(tick, 0)), size: 56 },
    data: broken([course.second, course.max_pain, course.forward]),
    series: [line("Max pain", "amber", strike, { width: 2 }), line("Forward", "accent", (value) => number(value), { width: 1.4 })],
  });
}
