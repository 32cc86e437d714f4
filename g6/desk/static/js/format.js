// How numbers read: Indian digit grouping, lakh and crore, a dash for what is not known.

export const DASH = "–";
const LAKH = 1e5;
const CRORE = 1e7;
const MINUS = "−";

const grouped = [0, 1, 2, 3, 4, 5].map(
  (digits) => new Intl.NumberFormat("en-IN", { minimumFractionDigits: digits, maximumFractionDigits: digits }),
);

/** A number with a fixed count of decimals: 25,493.10. */
export function number(value, digits = 2) {
  if (value === null || value === undefined) return DASH;
  const text = grouped[digits].format(Math.abs(value));
  return value < 0 && /[1-9]/.test(text) ? MINUS + text : text;
}

/** The same with its sign in front: +12.40. */
export function signed(value, digits = 2) {
  if (value === null || value === undefined) return DASH;
  const text = number(value, digits);
  return value > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

/** Units in lakh, two decimals, no unit: for columns whose head names it. */
export const lakh = (units) => number(units === null || units === undefined ? null : units / LAKH);
/** The same with four digits at most, for a narrow column: 204.51, 1,540. */
export function shortLakh(units) {
  if (units === null || units === undefined) return DASH;
  const value = units / LAKH;
  return number(value, value >= 1000 ? 0 : value >= 100 ? 1 : 2);
}

export const signedLakh = (units) => signed(units === null || units === undefined ? null : units / LAKH);

/** Units as people say them: 33.24 L, 12.50 Cr. */
export function units(value) {
  if (value === null || value === undefined) return DASH;
  const size = Math.abs(value);
  return size >= CRORE ? `${number(value / CRORE)} Cr` : `${number(value / LAKH)} L`;
}

/** A share of one as per cent: 0.1317 is 13.17 %. */
export const percent = (share, digits = 2) => (share === null || share === undefined ? DASH : `${number(share * 100, digits)} %`);

/** Ticks of an axis as per cent, with as many decimals as tell them apart. */
export function percentTicks(_, ticks) {
  const step = ticks.length > 1 ? (ticks[1] - ticks[0]) * 100 : 1;
  const digits = [0, 1, 2, 3].find((count) => Math.abs(step * 10 ** count - Math.round(step * 10 ** count)) < 1e-6) ?? 3;
  return ticks.map((tick) => percent(tick, digits));
}

/** A strike: no decimals unless it has some. */
export const strike = (value) => number(value, value !== null && value % 1 ? 2 : 0);

/** Seconds of the day as 10:15, or 10:15:30 where the seconds are not zero. */
export function clock(second) {
  const pad = (part) => String(part).padStart(2, "0");
  const text = `${pad(Math.floor(second / 3600))}:${pad(Math.floor(second / 60) % 60)}`;
  return second % 60 ? `${text}:${pad(second % 60)}` : text;
}

/** 10:15 or 10:15:30 as seconds of the day; null for anything else. */
export function seconds(text) {
  const match = /^(\d\d):(\d\d)(?::(\d\d))?$/.exec(text ?? "");
  return match ? match[1] * 3600 + match[2] * 60 + Number(match[3] ?? 0) : null;
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/** 2026-11-24 as 24 Nov. */
export function shortDate(day) {
  const [, month, date] = day.split("-").map(Number);
  return `${date} ${MONTHS[month - 1]}`;
}

/** 2026-11-24 as Tue 24 Nov 2026. */
export function longDate(day) {
  const [year, month, date] = day.split("-").map(Number);
  const weekday = WEEKDAYS[new Date(Date.UTC(year, month - 1, date)).getUTCDay()];
  return `${weekday} ${date} ${MONTHS[month - 1]} ${year}`;
}

/** this_week as this week. */
export const words = (name) => name.replaceAll("_", " ");
