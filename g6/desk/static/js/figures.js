// The strip of key figures of one expiry at one minute, above every view.

import { find, h } from "./dom.js";
import { number, percent, strike } from "./format.js";

/** Draw the figures. `term` is the expiry's row of the term structure, `course` its row of the day's course. */
export function draw(spot, term, course) {
  const basis = term && spot?.spot ? term.forward - spot.spot : null;
  const items = [
    ["Spot", number(spot?.spot), spot?.unreliable ? "closing auction: not a traded price" : null],
    ["Forward", number(term?.forward), basis === null ? null : `basis ${number(basis)}`],
    ["ATM", strike(course?.atm_strike), "listed strike nearest the forward"],
    ["Straddle", number(term?.straddle), "call plus put at the ATM strike"],
    ["Expected move", term?.expected_move ? `± ${number(term.expected_move, 0)}` : "–", "one standard deviation to the expiry"],
    ["ATM IV", percent(term?.atm_iv), "calendar time"],
    ["IV, trading time", percent(term?.iv_trading), "session minutes over 252 days"],
    ["RR 25Δ", percent(term?.risk_reversal_25), "call IV less put IV at 25 delta"],
    ["PCR (OI)", number(course?.pcr_oi), "put over call open interest, all strikes"],
    ["Max pain", strike(course?.max_pain), "where all options together pay least"],
    ["Days left", number(term?.days, 1), "calendar days to the settlement"],
  ];
  find("figures").replaceChildren(
    ...items.map(([name, value, title]) => h("div", { title }, h("span", {}, name), h("b", {}, value))),
  );
}
