// Pairs of upright bars over strikes, calls beside puts, drawn as SVG so that each bar can say its numbers.

import { s } from "./dom.js";
import { number, signed, strike, units } from "./format.js";

const EDGE = { left: 52, right: 10, top: 34, bottom: 24 };
const LAKH = 1e5;

/** Draw `names` (call column, put column) of `rows` into `place`; replaces what was there. */
export function bars(place, { rows, names, marks, label }) {
  const width = Math.max(place.clientWidth, 240);
  const height = Math.max(place.clientHeight, 140);
  const values = rows.flatMap((row) => names.map((name) => row[name] ?? 0));
  const scale = scaleOf(Math.min(0, ...values), Math.max(1, ...values) * 1.08, height);
  const step = (width - EDGE.left - EDGE.right) / Math.max(rows.length, 1);
  const left = (position) => EDGE.left + step * position;
  const drawing = s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  drawing.append(s("text", { class: "title", x: 4, y: 13 }, label));
  if (rows.some((row) => names.some((name) => row[name] !== null && row[name] !== undefined))) {
    drawing.append(legend(width), ...grid(scale, width));
    rows.forEach((row, position) => drawing.append(pair(row, names, left(position), step, scale)));
    drawing.append(...ticks(rows, left, step, height), ...uprights(marks, rows, left, step, height));
  } else {
    drawing.append(s("text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, "Not known on this day"));
  }
  place.replaceChildren(drawing);
}

function scaleOf(low, high, height) {
  const room = height - EDGE.top - EDGE.bottom;
  const y = (value) => EDGE.top + (room * (high - value)) / (high - low);
  return { low, high, y };
}

function pair(row, names, left, step, { y }) {
  const gap = Math.max(step * 0.14, 0.5);
  const wide = Math.max((step - 2 * gap) / 2, 0.5);
  const said = names.map((name, side) => `${side ? "Put" : "Call"} ${tell(row[name], name)}`).join("\n");
  const group = s("g", {}, s("title", {}, `${strike(row.strike)}\n${said}`), s("rect", { class: "hit", x: left, y: EDGE.top, width: step, height: y(0) - EDGE.top }));
  names.forEach((name, side) => {
    const value = row[name];
    if (value === null || value === undefined) return;
    const top = Math.min(y(value), y(0));
    group.append(s("rect", { class: side ? "put" : "call", x: left + gap + side * wide, y: top, width: wide, height: Math.max(Math.abs(y(value) - y(0)), 0.6) }));
  });
  return group;
}

const tell = (value, name) => (name.includes("change") ? (value > 0 ? "+" : "") : "") + units(value);

function* grid({ low, high, y }, width) {
  const values = nice(low, high);
  const digits = values.some((value) => (value / LAKH) % 1) ? 1 : 0;
  for (const value of values) {
    yield s("line", { class: value === 0 ? "zero" : "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value) });
    yield s("text", { class: "tick", x: EDGE.left - 6, y: y(value) + 3.5, "text-anchor": "end" }, low < 0 ? signed(value / LAKH, digits) : number(value / LAKH, digits));
  }
}

// About four round values between the ends.
function nice(low, high) {
  const rough = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((each) => each >= rough);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high; value += step) found.push(value);
  return found;
}

function ticks(rows, left, step, height) {
  const every = Math.max(1, Math.ceil(52 / step));
  const middle = rows.findIndex((row) => row.rank === 0);
  return rows.flatMap((row, position) =>
    (position - Math.max(middle, 0)) % every ? [] : [s("text", { class: row.rank === 0 ? "tick atm" : "tick", x: left(position) + step / 2, y: height - 8, "text-anchor": "middle" }, strike(row.strike))],
  );
}

// The lower one has its text on the left, so that two texts never meet.
function uprights(marks, rows, left, step, height) {
  const known = marks.filter((mark) => mark.at !== null && mark.at !== undefined).sort((a, b) => a.at - b.at);
  return known.flatMap((mark, order) => upright(mark, order === 0 && known.length > 1, rows, left, step, height));
}

function upright(mark, leftwards, rows, left, step, height) {
  if (rows.length < 2) return [];
  if (mark.at < rows[0].strike) return [outside(`← ${mark.text}`, mark, EDGE.left + 4, "start")];
  if (mark.at > rows.at(-1).strike) return [outside(`${mark.text} →`, mark, left(rows.length) - 4, "end")];
  const position = placeOf(mark.at, rows);
  const x = left(position) + step / 2;
  const anchor = leftwards ? "end" : "start";
  return [
    s("line", { class: `mark ${mark.colour}`, x1: x, x2: x, y1: EDGE.top - 8, y2: height - EDGE.bottom }),
    s("text", { class: `marked ${mark.colour}`, x: x + (leftwards ? -5 : 5), y: EDGE.top - 1, "text-anchor": anchor }, mark.text),
  ];
}

const outside = (text, mark, x, anchor) => s("text", { class: `marked ${mark.colour}`, x, y: EDGE.top - 1, "text-anchor": anchor }, text);

// Between two strikes in proportion.
function placeOf(value, rows) {
  const after = rows.findIndex((row) => row.strike >= value);
  if (after === 0) return 0;
  const [low, high] = [rows[after - 1].strike, rows[after].strike];
  return after - 1 + (value - low) / (high - low);
}

function legend(width) {
  return s(
    "g",
    { class: "legend" },
    s("rect", { class: "call", x: width - 118, y: 5, width: 9, height: 9 }),
    s("text", { x: width - 105, y: 13 }, "Calls"),
    s("rect", { class: "put", x: width - 62, y: 5, width: 9, height: 9 }),
    s("text", { x: width - 49, y: 13 }, "Puts"),
  );
}
