// What the answers of a day mean: its minutes, an index's expiries, the value of an index at a minute. No drawing here.

import { clock, seconds } from "./format.js";

/** All minutes of an index's day up to the last one stored, with those that are missing; seconds of the day. */
export function minutesOf(day, index) {
  const stored = day.spots[index]?.second ?? [];
  if (!stored.length) return { all: [], missing: new Set() };
  const last = stored[stored.length - 1];
  const all = new Set(stored);
  day.due.first.forEach((first, run) => {
    for (let due = first; due <= Math.min(day.due.last[run], last); due += day.due.step[run]) all.add(due);
  });
  const here = new Set(stored);
  const sorted = [...all].sort((a, b) => a - b);
  return { all: sorted, missing: new Set(sorted.filter((minute) => !here.has(minute))) };
}

/** The place in `minutes` of the time asked for: the last one not after it. Empty text: the last. */
export function placeOf(minutes, at) {
  const asked = seconds(at);
  if (asked === null) return minutes.length - 1;
  return Math.max(0, lastAtOrBefore(minutes, asked));
}

/** The place of the last value that is not after `value`; -1 where all are. */
export function lastAtOrBefore(values, value) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The expiries of an index that day, nearest first: {expiry, tags, sessions}. */
export function expiriesOf(day, index) {
  const { underlying, expiry, tags, sessions_left: left } = day.expiries;
  const order = ["this_week", "next_week", "this_month", "next_month"];
  return underlying
    .map((name, place) => ({ name, expiry: expiry[place], sessions: left[place], tags: tags[place].split(",") }))
    .filter((row) => row.name === index)
    .map((row) => ({ ...row, tags: order.filter((tag) => row.tags.includes(tag)) }));
}

/** The expiry that a label or a date names; the nearest where the index has none of that name. */
export function chosenExpiry(expiries, asked) {
  const found = expiries.find((row) => row.tags.includes(asked) || row.expiry === asked);
  return { ...(found ?? expiries[0]), exact: Boolean(found) || asked === "front" };
}

/** The label by which to ask for an expiry: its own, the most telling first. */
export const labelOf = (expiry, asked) => (expiry.tags.includes(asked) ? asked : expiry.tags[0]);

/** Value, change and VIX of an index at a minute, or what was known last before. */
export function spotAt(day, index, second) {
  const rows = day.spots[index];
  if (!rows) return null;
  const place = lastAtOrBefore(rows.second, second);
  if (place < 0) return null;
  const of = (name) => rows[name][place];
  return { spot: of("spot"), change: of("change"), percent: of("percent"), vix: of("vix"), unreliable: of("spot_unreliable") };
}

/** Rows of a columnar answer as objects. */
export function rowsOf(columns) {
  const names = Object.keys(columns);
  return (columns[names[0]] ?? []).map((_, place) => Object.fromEntries(names.map((name) => [name, columns[name][place]])));
}

/** A sentence where the rows shown are older than the minute asked for, else null. */
export function lateness(seen, second, cause) {
  if (seen === null || seen === undefined || seen === second) return null;
  return `${clock(second)} was not captured${cause ? ` (${cause})` : ""}: this is ${clock(seen)}.`;
}
