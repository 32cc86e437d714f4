// The bars above every view: indices, views, expiry, day, minute, and whether the session lives.

import { find, h, refill, s } from "./dom.js";
import * as day from "./day.js";
import { clock, DASH, longDate, number, shortDate, signed, words } from "./format.js";
import { set, state } from "./state.js";

export const VIEWS = [
  { name: "chain", title: "Chain", key: "c" },
  { name: "straddle", title: "Straddle", key: "s" },
  { name: "oi", title: "Open interest", key: "o" },
  { name: "volatility", title: "Volatility", key: "v" },
  { name: "quality", title: "Quality", key: "q" },
];

/** Listen to what never changes: buttons, slider, selects. `minutes()` gives the minutes of the day shown. */
export function wire({ step, jumpDay, theme, minutes, copySql }) {
  find("minute-before").onclick = () => step(-1);
  find("minute-after").onclick = () => step(1);
  find("latest").onclick = () => set({ day: "", at: "" });
  find("day-before").onclick = () => jumpDay(-1);
  find("day-after").onclick = () => jumpDay(1);
  find("day").onchange = (event) => set({ day: event.target.value });
  find("healed").onchange = (event) => set({ healed: event.target.checked ? "on" : "off" });
  find("minute").oninput = (event) => set({ at: clock(minutes()[event.target.value]) });
  find("theme").onclick = theme;
  find("sql").onclick = copySql;
  find("help").onclick = () => find("keys").showModal();
  find("views").replaceChildren(
    ...VIEWS.map((view) =>
      h("button", { role: "tab", "data-view": view.name, title: `${view.title} (${view.key})`, onclick: () => set({ view: view.name }) }, view.title),
    ),
  );
}

/** Draw the bars for what is shown. */
export function draw({ days, today, indices, minutes, second, following, expiries, expiry }) {
  drawIndices(indices, today, second);
  for (const tab of find("views").children) tab.setAttribute("aria-selected", String(tab.dataset.view === state.view));
  drawExpiries(expiries, expiry);
  drawDays(days, today.day);
  drawMinute(minutes, second, following);
  find("healed").checked = state.healed === "on";
}

/** Show market and session in the pill. */
export function drawStatus(pulse, world) {
  const pill = find("status");
  const kind = pulse.down ? "down" : pulse.live && pulse.open ? "live" : "closed";
  const text = { down: "Session down", live: "Live", closed: pulse.market.split(",")[0].replace(/ \(.*/, "") }[kind];
  pill.dataset.kind = kind;
  pill.title = `${pulse.market}\n${pulse.session}\nWorld ${world}`;
  const shown = `${text} · ${world}`;
  // Said again only when it changes: the pill is read aloud.
  if (pill.textContent !== shown) pill.replaceChildren(h("i", { "aria-hidden": "true" }), shown);
}

function drawIndices(names, today, second) {
  const tabs = names.map((name, place) => {
    const at = day.spotAt(today, name, second);
    const absent = !today.spots[name];
    return h(
      "button",
      {
        role: "tab",
        "aria-selected": String(name === state.index),
        class: absent ? "absent" : false,
        title: absent ? `${name} is not collected on this day` : `${name} (${place + 1})`,
        onclick: () => set({ index: name }),
      },
      h("span", { class: "name" }, name),
      h("span", { class: "value" }, at ? number(at.spot) : DASH),
      h("span", { class: `change ${at?.percent < 0 ? "down" : "up"}` }, at && at.percent !== null ? `${signed(at.percent)} %` : ""),
    );
  });
  refill(find("indices"), ...tabs);
  const vix = day.spotAt(today, state.index, second)?.vix;
  find("vix").replaceChildren(h("small", {}, "VIX"), ` ${number(vix)}`);
}

function drawExpiries(expiries, chosen) {
  refill(
    find("expiries"),
    ...expiries.map((row) =>
      h(
        "button",
        {
          role: "radio",
          "aria-checked": String(row.expiry === chosen.expiry),
          title: `${row.tags.map(words).join(", ")}: ${longDate(row.expiry)} (e)`,
          onclick: () => set({ expiry: row.tags[0] }),
        },
        h("b", {}, shortDate(row.expiry)),
        h("small", {}, row.sessions === 0 ? "today" : `${row.sessions}d`),
        h("span", {}, row.tags.map(words).join(" · ")),
      ),
    ),
  );
}

function drawDays(days, shown) {
  const select = find("day");
  if (select.childElementCount !== days.length) {
    select.replaceChildren(...[...days].reverse().map((each) => h("option", { value: each }, longDate(each))));
  }
  select.value = shown;
  const place = days.indexOf(shown);
  find("day-before").disabled = place <= 0;
  find("day-after").disabled = place === days.length - 1;
}

function drawMinute({ all, missing }, second, following) {
  const slider = find("minute");
  slider.max = Math.max(all.length - 1, 0);
  slider.value = all.indexOf(second);
  slider.setAttribute("aria-valuetext", clock(second ?? 0));
  find("clock").textContent = second === null ? DASH : clock(second);
  find("minute-before").disabled = slider.value <= 0;
  find("minute-after").disabled = slider.value >= all.length - 1;
  find("latest").setAttribute("aria-pressed", String(following));
  drawTrack(all, missing);
}

let drawn = "";

function drawTrack(all, missing) {
  const now = `${all[0]}-${all.length}-${missing.size}`;
  if (now === drawn) return;
  drawn = now;
  const share = (place) => (100 * place) / Math.max(all.length - 1, 1);
  const gaps = all.flatMap((minute, place) =>
    missing.has(minute) ? [s("rect", { x: share(place) - 0.13, width: 0.26, y: 0, height: 1 })] : [],
  );
  find("marks").replaceChildren(s("svg", { viewBox: "0 0 100 1", preserveAspectRatio: "none" }, ...gaps));
  const hours = all.flatMap((minute, place) => (minute % 3600 ? [] : [[minute, share(place)]]));
  find("hours").replaceChildren(
    ...hours.map(([minute, left]) => {
      const mark = h("span", {}, clock(minute));
      mark.style.left = `${left}%`;
      return mark;
    }),
  );
}
