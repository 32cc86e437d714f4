// What a day's data are worth: every due snapshot by expiry, its gaps with their causes, stale legs and delays.

import { ask } from "../api.js";
import { DAY_AXIS, line, plot } from "../charts.js";
import { rowsOf } from "../day.js";
import { h, s } from "../dom.js";
import { clock, DASH, number, percent, shortDate } from "../format.js";
import { set } from "../state.js";

export const load = ({ index, day }) => ask("quality", { index, day });
export const sql = ({ index, day }) => `from gaps_on('${day}') where underlying = '${index}'`;

/** Draw tiles, a strip per expiry, two charts and the list of gaps. */
export function draw(place, answers, context) {
  const expiries = [...new Set(answers.snapshots.expiry)].sort();
  const outcomes = outcomesOf(answers);
  place.replaceChildren(
    h("div", { class: "controls" }, h("h2", {}, `Data quality of ${context.index}`), h("div", { class: "keys" }, ...Object.entries(OUTCOMES).map(([kind, text]) => h("span", { class: kind }, h("i", {}), text)))),
    h("div", { class: "tiles" }, ...tiles(answers, context, outcomes, expiries)),
    h("div", { class: "strips" }, ...expiries.map((expiry) => strip(expiry, outcomes, context))),
    h(
      "div",
      { class: "charts two low" },
      h("div", { class: "panel" }, h("h3", {}, "Stale legs, ATM ± 10: no quote of their minute"), h("div", { class: "chart of-stale" })),
      h("div", { class: "panel" }, h("h3", {}, "Delay of the answer"), h("div", { class: "chart of-delay" })),
    ),
    gaps(answers.gaps),
  );
  place.dataset.view = "quality";
  charts(place, answers, expiries, context);
}

const OUTCOMES = { stored: "stored", full: "full chain", healed: "healed", partial: "partial", stale: "stale", failed: "failed", missing: "missing" };

const keyOf = (expiry, second) => `${expiry} ${second}`;

// The worst that can be said of each expiry and minute.
function outcomesOf({ snapshots, gaps }) {
  const found = new Map();
  snapshots.second.forEach((second, place) => {
    const stored = snapshots.outcome[place] === "stored";
    found.set(keyOf(snapshots.expiry[place], second), stored && snapshots.full_chain[place] ? "full" : snapshots.outcome[place]);
  });
  gaps.second.forEach((second, place) => found.set(keyOf(gaps.expiry[place], second), gaps.healed_legs[place] ? "healed" : gaps.outcome[place]));
  return found;
}

function tiles(answers, { minutes }, outcomes, expiries) {
  const counted = (kind) => [...outcomes.values()].filter((each) => each === kind).length;
  const due = minutes.all.length * expiries.length;
  const stored = counted("stored") + counted("full");
  const sum = (values) => values.reduce((total, value) => total + (value ?? 0), 0);
  const delays = answers.snapshots.latency_ms.filter((value) => value !== null).sort((a, b) => a - b);
  const lost = counted("partial") + counted("stale") + counted("failed") + counted("missing");
  const legs = sum(answers.legs.legs);
  const near = sum(answers.legs.near);
  return [
    ["Snapshots stored", `${number(stored, 0)} of ${number(due, 0)}`, due ? percent(stored / due, 1) : ""],
    ["Gaps", number(lost, 0), lost ? "not healed, see below" : "none"],
    ["Healed from candles", number(counted("healed"), 0), counted("healed") ? "marked in the data" : "none"],
    ["Legs stored", number(legs, 0), `${number(sum(answers.snapshots.requested) - sum(answers.snapshots.returned), 0)} asked for and absent`],
    ["Stale, ATM ± 10", near ? percent(sum(answers.legs.stale) / near, 1) : "–", "of the legs near the money"],
    ["Delay, median", delays.length ? `${number(delays[delays.length >> 1] / 1000)} s` : "–", delays.length ? `slowest ${number(delays.at(-1) / 1000)} s` : ""],
    ["Attempts", number(Math.max(0, ...answers.snapshots.attempt), 0), "of the session on this day"],
  ].map(([name, value, hint]) => h("div", {}, h("span", {}, name), h("b", {}, value), h("small", {}, hint)));
}

function strip(expiry, outcomes, { minutes, second, day }) {
  const count = Math.max(minutes.all.length, 1);
  const drawing = s("svg", { viewBox: `0 0 ${count} 10`, preserveAspectRatio: "none", role: "img", "aria-label": `Snapshots of the expiry ${shortDate(expiry)}` });
  minutes.all.forEach((minute, place) => {
    const kind = outcomes.get(keyOf(expiry, minute)) ?? "missing";
    drawing.append(s("rect", { class: kind, x: place, y: 0, width: 1.02, height: 10, onclick: () => set({ at: clock(minute), day }) }, s("title", {}, `${clock(minute)} ${OUTCOMES[kind] ?? kind}`)));
  });
  const here = h("i", { class: "here", "aria-hidden": "true" });
  here.style.left = `${(100 * (minutes.all.indexOf(second) + 0.5)) / count}%`;
  return h("div", { class: "strip" }, h("span", {}, shortDate(expiry)), h("div", {}, drawing, here));
}

const COLOURS = ["accent", "violet", "amber", "green"];

function charts(place, { legs, snapshots }, expiries, { second, day }) {
  const shared = { x: DAY_AXIS, marks: [{ at: second, colour: "accent" }], onclick: (picked) => set({ at: clock(picked), day }), sync: "day" };
  const lines = (columns, value) =>
    window.uPlot.join(
      expiries.map((expiry) => {
        const places = columns.expiry.flatMap((each, position) => (each === expiry ? [position] : []));
        return [places.map((position) => columns.second[position]), places.map((position) => value(columns, position))];
      }),
    );
  const series = (tell, more) => expiries.map((expiry, order) => line(shortDate(expiry), COLOURS[order % COLOURS.length], tell, more));
  if (legs.second.length) {
    plot(place.querySelector(".of-stale"), { ...shared, y: { values: (_, ticks) => ticks.map((tick) => percent(tick, 0)), size: 46, range: (_, __, high) => [0, Math.max(high ?? 0, 0.1)] }, data: lines(legs, (columns, position) => (columns.near[position] ? columns.stale[position] / columns.near[position] : null)), series: series((value) => percent(value, 1), { width: 1.2 }) });
  }
  if (snapshots.second.length) {
    plot(place.querySelector(".of-delay"), { ...shared, y: { values: (_, ticks) => ticks.map((tick) => `${number(tick, 1)} s`), size: 46 }, data: lines(snapshots, (columns, position) => (columns.latency_ms[position] === null ? null : columns.latency_ms[position] / 1000)), series: series((value) => (value === null ? DASH : `${number(value)} s`), { only: "points", size: 3 }) });
  }
}

function gaps(columns) {
  const rows = runsOf(rowsOf(columns));
  if (!rows.length) return h("p", { class: "good" }, "No gap: every due snapshot of this day is wholly stored.");
  const lines = rows.map((row) =>
    h("tr", {}, h("td", {}, row.from === row.to ? clock(row.from) : `${clock(row.from)} – ${clock(row.to)}`), h("td", {}, number(row.count, 0)), h("td", {}, [...row.expiries].map(shortDate).join(", ")), h("td", {}, row.outcome), h("td", { class: "text" }, row.cause ?? ""), h("td", {}, number(row.missing, 0)), h("td", {}, number(row.healed, 0)), h("td", {}, number(row.unfillable, 0))),
  );
  const heads = ["Time", "Snapshots", "Expiries", "Outcome", "Cause", "Legs missing", "Legs healed", "No candle"];
  return h("div", { class: "gaps" }, h("h3", {}, "Gaps"), h("table", { class: "plain" }, h("thead", {}, h("tr", {}, ...heads.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, ...lines)));
}

// Gaps of one cause that follow each other, all expiries together, in one line.
function runsOf(rows) {
  const runs = [];
  for (const row of rows) {
    const last = runs.at(-1);
    if (last && last.outcome === row.outcome && last.cause === row.cause && row.second - last.to <= 60) {
      last.to = row.second;
      last.count += 1;
      last.expiries.add(row.expiry);
      last.missing += row.missing_legs ?? 0;
      last.healed += row.healed_legs;
      last.unfillable += row.unfillable_legs;
    } else {
      runs.push({ from: row.second, to: row.second, count: 1, expiries: new Set([row.expiry]), outcome: row.outcome, cause: row.cause, missing: row.missing_legs ?? 0, healed: row.healed_legs, unfillable: row.unfillable_legs });
    }
  }
  return runs;
}
