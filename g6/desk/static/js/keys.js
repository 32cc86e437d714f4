// The keyboard: one letter each, never while somebody types or holds a modifier of the browser's own.

import { find } from "./dom.js";
import { set, state, WIDTHS } from "./state.js";
import { VIEWS } from "./header.js";

/** Listen to the keys. `actions` are what the page can do by itself. */
export function listen({ step, ends, jumpDay, nextExpiry, indices, theme, copySql }) {
  const toggled = (name) => set({ [name]: state[name] === "on" ? "off" : "on" });
  const actions = {
    ArrowLeft: (event) => step(event.shiftKey ? -15 : -1),
    ArrowRight: (event) => step(event.shiftKey ? 15 : 1),
    Home: () => ends(0),
    End: () => ends(-1),
    l: () => set({ day: "", at: "" }),
    "[": () => jumpDay(-1),
    "]": () => jumpDay(1),
    e: () => nextExpiry(1),
    E: () => nextExpiry(-1),
    w: () => set({ strikes: WIDTHS[(WIDTHS.indexOf(state.strikes) + 1) % WIDTHS.length] }),
    g: () => toggled("greeks"),
    x: () => toggled("healed"),
    t: theme,
    y: copySql,
    "?": () => find("keys").showModal(),
  };
  for (const view of VIEWS) actions[view.key] = () => set({ view: view.name });
  window.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || find("keys").open) return;
    if (event.target.closest("select, input[type=text]")) return;
    const number = Number(event.key);
    const action = number >= 1 && number <= indices().length ? () => set({ index: indices()[number - 1] }) : actions[event.key];
    if (!action) return;
    // Also keeps a focused slider from moving a second time.
    event.preventDefault();
    action(event);
  });
}
