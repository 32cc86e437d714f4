// Straddle and volatility through the day, against the mean of earlier days of the same weekday.

import { ask } from "../api.js";
import { broken, DAY_AXIS, line, plot } from "../charts.js";
import { h } from "../dom.js";
import { clock, number, percent, percentTicks, strike } from "../format.js";
import { set, state } from "../state.js";

/** The course of the day, with the seconds that were healed where these are left out. */
export async function load({ index, expiry, day }) {
  const course = ask("course", { index, expiry, day });
  if (state.healed === "on") return course;
  const healed = await ask("healed", { index, day });
  return { ...(await course), healed };
}

export const sql = ({ index, expiry, day }) => `from straddle('${index}', '${expiry}', '${day}')`;

let latest = 0;

/** Draw both charts; the earlier days come when they come, since they lie in up to sixty files. */
export function draw(place, course, context) {
  const panels = panelsIn(place, course);
  lines(panels, course, null, context);
  const turn = ++latest;
  const { index, day, question } = context;
  const here = () => turn === latest && panels.price.isConnected;
  ask("overlay", { index, expiry: question.expiry, day }).then(
    (overlay) => {
      if (!here()) return;
      lines(panels, course, overlay, context);
      panels.past.textContent = told(Math.max(0, ...overlay.days));
    },
    (error) => here() && (panels.past.textContent = error.message),
  );
}

function told(days) {
  if (!days) return "No earlier day of this weekday and distance from expiry is stored";
  return `Dashed: mean of ${days} earlier ${days === 1 ? "day" : "days"} of this weekday, as far from expiry`;
}

function panelsIn(place, course) {
  if (place.dataset.view !== "straddle" || !place.querySelector(".charts")) {
    place.replaceChildren(
      h("div", { class: "controls" }, h("h2", {}, "Straddle and volatility through the day"), h("span", { class: "count fixed" }), h("span", { class: "count past" })),
      h("div", { class: "charts column" }, h("div", { class: "chart price" }), h("div", { class: "chart iv" })),
    );
    place.dataset.view = "straddle";
  }
  const fixed = course.fixed_strike.find((value) => value !== null);
  place.querySelector(".fixed").textContent = fixed ? `Fixed: strike ${strike(fixed)}, at the money at 09:20` : "";
  return { price: place.querySelector(".price"), iv: place.querySelector(".chart.iv"), past: place.querySelector(".past") };
}

function lines(panels, course, overlay, context) {
  const at = (name) => (overlay ? joined(course.second, overlay, name) : course.second.map(() => null));
  const gone = new Set(healedSeconds(course, context.expiry.expiry));
  const kept = (values) => (gone.size ? values.map((value, place) => (gone.has(course.second[place]) ? null : value)) : values);
  const shared = { x: DAY_AXIS, marks: [{ at: context.second, colour: "accent" }], onclick: (second) => set({ at: clock(second), day: context.day }), sync: "day" };
  const rupees = (value) => number(value);
  const dashed = { dash: [6, 5], width: 1.4 };
  plot(panels.price, {
    ...shared,
    y: { values: (_, ticks) => ticks.map((tick) => number(tick, 0)) },
    data: broken([course.second, kept(course.straddle), kept(course.fixed_straddle), kept(course.vwap), at("straddle"), at("fixed_straddle")]),
    series: [
      line("ATM straddle", "accent", rupees, { width: 2 }),
      line("Fixed strike", "amber", rupees, { width: 2 }),
      line("its VWAP", "muted", rupees, { width: 1.3 }),
      line("ATM, earlier days", "accent", rupees, dashed),
      line("Fixed, earlier days", "amber", rupees, dashed),
    ],
  });
  plot(panels.iv, {
    ...shared,
    y: { values: percentTicks },
    data: broken([course.second, kept(course.iv), kept(course.iv_trading), at("iv")]),
    series: [
      line("ATM IV", "violet", percent, { width: 2 }),
      line("in trading time", "muted", percent, { width: 1.3 }),
      line("earlier days", "violet", percent, dashed),
    ],
  });
}

const healedSeconds = ({ healed }, expiry) => (healed ? healed.second.filter((_, place) => healed.expiry[place] === expiry) : []);

// The overlay leaves out the settlement window, so its minutes are fewer.
function joined(seconds, overlay, name) {
  const known = new Map(overlay.second.map((second, place) => [second, overlay[name][place]]));
  return seconds.map((second) => known.get(second) ?? null);
}

