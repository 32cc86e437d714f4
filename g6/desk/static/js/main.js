// Puts the page together: state in, answers asked, bars and view drawn. One refresh at a time, always of the latest state.

import { ask, forget, pulse, Refused } from "./api.js";
import * as day from "./day.js";
import { find, h } from "./dom.js";
import * as figures from "./figures.js";
import { clock, longDate } from "./format.js";
import * as header from "./header.js";
import * as keys from "./keys.js";
import { onChange, set, state } from "./state.js";
import * as chain from "./views/chain.js";
import * as oi from "./views/oi.js";
import * as quality from "./views/quality.js";
import * as straddle from "./views/straddle.js";
import * as volatility from "./views/volatility.js";

const VIEWS = { chain, oi, quality, straddle, volatility };
const LOOK_MS = 200;
const PULSE_MS = { live: 1000, idle: 5000 };

let shown = null; // what the page shows: days, day, minutes, second, expiries, expiry
let world = { indices: [], version: "", down: false }; // what the server said last
let busy = false;
let again = false;
let stride = 1; // the last step through the day, in minutes
let waiting = 0;

async function refresh() {
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    do {
      again = false;
      await draw().catch(told);
    } while (again);
  } finally {
    busy = false;
  }
}

// What the server refuses is said on the page, and asked again at the next pulse; else it is a defect, for the console.
function told(error) {
  if (!(error instanceof Refused)) throw error;
  say(error.message, true);
  world = { ...world, version: "" };
}

async function draw() {
  const { day: days } = await ask("days");
  if (!days.length) return empty("Nothing is stored in this world yet", "Run g6 demo for a simulated day, or g6 dev for a market that is open now.");
  const wanted = days.includes(state.day) ? state.day : nearest(days, state.day);
  const today = await ask("day", { day: wanted });
  const index = today.spots[state.index] ? state.index : null;
  const minutes = day.minutesOf(today, state.index);
  const expiries = day.expiriesOf(today, state.index);
  const latest = wanted === days[days.length - 1];
  const following = latest && !state.at;
  const place = day.placeOf(minutes.all, state.at);
  const second = place < 0 ? null : minutes.all[place];
  const expiry = expiries.length ? day.chosenExpiry(expiries, state.expiry) : { expiry: "", tags: [], exact: true };
  shown = { days, today, minutes, second, expiries, expiry, following };
  header.draw({ ...shown, indices: world.indices });
  if (!index || second === null || !expiries.length) {
    const others = Object.keys(today.spots);
    const hint = others.length ? `Stored on this day: ${others.join(", ")}.` : "The session has stored no minute of it yet.";
    return empty(`Nothing of ${state.index} is stored on ${longDate(wanted)}`, hint);
  }
  const question = { index, expiry: day.labelOf(expiry, state.expiry), day: wanted, at: clock(second) };
  shown.question = question;
  const view = VIEWS[state.view] ?? chain;
  const [answers, at, course] = await Promise.all([view.load(question), ask("chain", question), ask("course", without(question, "at"))]);
  if (again) return; // somebody moved on meanwhile
  const term = day.rowsOf(at.term).find((row) => row.expiry === expiry.expiry);
  const courseRow = day.rowsOf(course)[day.lastAtOrBefore(course.second, second)];
  figures.draw(day.spotAt(today, index, second), term, courseRow);
  const context = { ...shown, index, day: wanted, question, term, course, courseRow, at, healed: state.healed === "on" };
  say(notices(context, days).join(" "));
  view.draw(find("view"), answers, context);
  done([index, question.expiry, wanted, clock(second), state.view].join(" "));
  ahead(question, minutes.all, place);
}

function notices({ expiry, second, at, minutes, today }, days) {
  const texts = [];
  if (state.day && !days.includes(state.day)) texts.push(`${state.day} is not stored; this is ${longDate(today.day)}.`);
  if (!expiry.exact) texts.push(`${state.index} has no ${state.expiry} on this day; this is the nearest expiry.`);
  if (world.down) texts.push(`${world.session}. g6 status says more.`);
  const seen = Math.max(...at.term.second);
  if (minutes.missing.has(second)) texts.push(day.lateness(seen, second, "") ?? "");
  return texts.filter(Boolean);
}

const without = (question, name) => Object.fromEntries(Object.entries(question).filter(([key]) => key !== name));

// The minute a step ahead is asked for while somebody looks at this one, so that an arrow key shows it at once; after a pause,
// so that hurrying through the day has the server to itself.
function ahead(question, minutes, place) {
  clearTimeout(waiting);
  const near = minutes[place + stride];
  if (near === undefined || !VIEWS[state.view]?.prefetch) return;
  waiting = setTimeout(() => busy || VIEWS[state.view].prefetch?.({ ...question, at: clock(near) }).catch(() => {}), LOOK_MS);
}

function nearest(days, asked) {
  if (!asked) return days[days.length - 1];
  return days.findLast((each) => each <= asked) ?? days[0];
}

function empty(title, hint) {
  find("figures").replaceChildren();
  say("");
  find("view").replaceChildren(h("div", { class: "empty" }, h("h2", {}, title), h("p", {}, hint)));
  done("empty");
}

function say(text, wrong = false) {
  const notice = find("notice");
  notice.hidden = !text;
  notice.classList.toggle("wrong", wrong);
  if (notice.textContent !== text) notice.textContent = text;
}

// For people who measure, and for tests: what is drawn now.
function done(what) {
  document.body.dataset.shown = what;
  document.title = state.index ? `${state.index} · G6 desk` : "G6 desk";
}

function step(count) {
  if (!shown?.minutes.all.length) return;
  const { all } = shown.minutes;
  stride = count;
  // From the state, not from what is drawn: keys may come faster than answers.
  const place = Math.min(Math.max(day.placeOf(all, state.at) + count, 0), all.length - 1);
  set({ day: shown.today.day, at: clock(all[place]) });
  header.draw({ ...shown, second: all[place], following: false, indices: world.indices });
}

function jumpDay(count) {
  if (!shown) return;
  const next = shown.days[shown.days.indexOf(shown.today.day) + count];
  if (next) set({ day: next });
}

function nextExpiry(count) {
  if (!shown?.expiries.length) return;
  const { expiries, expiry } = shown;
  const place = expiries.findIndex((row) => row.expiry === expiry.expiry) + count;
  set({ expiry: expiries[(place + expiries.length) % expiries.length].tags[0] });
}

function ends(place) {
  if (shown?.minutes.all.length) set({ day: shown.today.day, at: clock(shown.minutes.all.at(place)) });
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("g6-theme", root.dataset.theme);
  refresh();
}

async function copySql() {
  if (!shown?.question) return;
  const query = (VIEWS[state.view] ?? chain).sql(shown.question);
  await navigator.clipboard.writeText(query);
  say(`Copied: ${query}`);
}

async function watch() {
  let wait = PULSE_MS.idle;
  if (!document.hidden) {
    try {
      const now = await pulse();
      header.drawStatus(now, now.world);
      const news = world.version !== now.version;
      if (news) forget();
      if (news || world.down !== now.down) {
        world = now;
        refresh();
      }
      if (now.live || now.open) wait = PULSE_MS.live;
    } catch (error) {
      told(error);
    }
  }
  setTimeout(watch, wait);
}

header.wire({ step, jumpDay, theme, copySql, minutes: () => shown?.minutes.all ?? [] });
keys.listen({ step, ends, jumpDay, nextExpiry, theme, copySql, indices: () => world.indices });
onChange(refresh);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
document.addEventListener("visibilitychange", () => document.hidden || refresh());
watch();
