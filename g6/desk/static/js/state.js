// What the page shows, kept in its address: /?index=NIFTY&expiry=this_week&day=2026-11-20&at=10:15&view=chain

const DEFAULTS = { index: "NIFTY", expiry: "front", day: "", at: "", view: "chain", strikes: "10", greeks: "on", healed: "on" };
export const WIDTHS = ["10", "20", "all"];

/** The present state. `day` empty: the latest; `at` empty: follow the latest minute. */
export const state = read();

let changed = () => {};

/** Have `callback` called after each change. */
export function onChange(callback) {
  changed = callback;
  window.addEventListener("popstate", () => {
    Object.assign(state, read());
    changed();
  });
}

/** Change the state; a moved minute replaces the address, so that "back" leads to the view before. */
export function set(patch) {
  const before = { ...state };
  Object.assign(state, patch);
  if (Object.keys(state).every((key) => state[key] === before[key])) return;
  const onlyMinute = Object.keys(patch).every((key) => key === "at");
  history[onlyMinute ? "replaceState" : "pushState"](null, "", address());
  changed();
}

/** The address of the present state. */
export function address() {
  const entries = Object.entries(state).filter(([key, value]) => value !== DEFAULTS[key] || key === "index" || key === "view");
  // Colons may stand in a query; an address that people read should not hold %3A.
  return `/?${new URLSearchParams(entries)}`.replaceAll("%3A", ":");
}

function read() {
  const given = new URLSearchParams(location.search);
  const found = Object.keys(DEFAULTS).map((key) => [key, given.get(key) || DEFAULTS[key]]);
  return Object.fromEntries(found);
}
