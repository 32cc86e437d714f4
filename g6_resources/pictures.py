"""A picture of a sealed day of one index, small enough to lie in a Dagster event.

matplotlib is loaded when a picture is drawn and not before: neither the session nor the command line waits for it.
"""

import base64
import io
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from g6_market.frames import floats, instants

_SIZE_INCHES, _DPI = (11.0, 6.2), 90
_COLOURS = 64
_STRIKES_EACH_SIDE = 15
_CALL, _PUT, _TODAY, _PAST, _OTHER = "#2f7fb5", "#d0642d", "#1b1f24", "#8a94a3", "#7a3fa0"


def day_picture(
    underlying: str, trade_date: date, expiries: pd.DataFrame, chain: pd.DataFrame, overlay: pd.DataFrame | None = None
) -> str:
    """Draw a day of an index's nearest expiry.

    Parameters
    ----------
    expiries, chain
        Tables `expiry_overview` and `option_chain` of the day and index.
    overlay
        `g6_market.overlay.weekday_overlay` of its at-the-money strike; drawn where any day is behind it.

    Returns
    -------
    str
        A PNG as a data: URI, at most about 60 kB. A panel without data says so.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    front = expiries["expiry"].min()
    mine = expiries[expiries["expiry"] == front].sort_values("snapshot_at")
    legs = chain[chain["expiry"] == front]
    figure: Any = Figure(figsize=_SIZE_INCHES, dpi=_DPI)
    # Fixed margins: a computed layout draws everything twice.
    figure.subplots_adjust(left=0.05, right=0.95, bottom=0.06, top=0.89, wspace=0.16, hspace=0.28)
    (straddle, volatility), (interest, smile) = figure.subplots(2, 2)
    title = f"{underlying}  {trade_date:%a %d %b %Y}"
    figure.suptitle(title if pd.isna(front) else f"{title}, expiry {front:%d %b}", fontsize=13, y=0.97)
    _draw_straddle(straddle, mine, overlay)
    _draw_volatility(volatility, mine)
    _draw_interest(interest, mine, legs)
    _draw_smile(smile, legs)
    for panel in (straddle, volatility, interest, smile):
        panel.grid(visible=True, color="#e3e6ea", linewidth=0.6)
        panel.set_axisbelow(True)
        panel.tick_params(labelsize=9)
        panel.title.set_fontsize(11)
    FigureCanvasAgg(figure)
    return _data_uri(figure)


def _draw_straddle(panel: Any, front: pd.DataFrame, overlay: pd.DataFrame | None) -> None:
    panel.set_title("At-the-money straddle, rupees")
    outside = front[~front["settlement_window"].to_numpy(dtype=bool, na_value=False)]
    if overlay is not None and len(overlay) and int(overlay["straddle_days"].max()) > 0:
        days = int(overlay["straddle_days"].max())
        at = _clock(overlay)
        panel.plot(at, floats(overlay, "straddle_mean"), color=_PAST, linewidth=1.2, label=f"same weekday, {days} d")
        panel.plot(at, floats(overlay, "straddle_ema"), color=_OTHER, linewidth=1.2, linestyle="--", label="its EMA")
    _line(panel, outside, "straddle", _TODAY, "today")
    _hours(panel)


def _draw_volatility(panel: Any, front: pd.DataFrame) -> None:
    panel.set_title("ATM IV, % (left) and PCR by OI (right)")
    outside = front[~front["settlement_window"].to_numpy(dtype=bool, na_value=False)]
    _line(panel, outside.assign(percent=floats(outside, "atm_iv") * 100), "percent", _TODAY, "ATM IV")
    right = panel.twinx()
    right.tick_params(labelsize=9)
    _line(right, front, "pcr_oi", _PUT, "PCR")
    _hours(panel)
    handles = [*panel.get_lines(), *right.get_lines()]
    if handles:
        panel.legend(
            handles, [line.get_label() for line in handles], fontsize=8, loc="upper center", ncols=2, frameon=False
        )


def _draw_interest(panel: Any, front: pd.DataFrame, legs: pd.DataFrame) -> None:
    as_of = front["oi_as_of"].max()
    if pd.isna(as_of):
        _nothing(panel, "Open interest by strike", "no full chain")
        return
    panel.set_title(f"Open interest by strike, lakh, at {as_of:%H:%M}")
    rows = legs[legs["snapshot_at"] == as_of]
    table = rows.pivot_table(index="strike", columns="option_type", values="oi", aggfunc="max", dropna=False)
    table = table.reindex(columns=["CE", "PE"]).sort_index()
    strikes = table.index.to_numpy(dtype="float64")
    levels = front["atm_strike"].dropna()
    centre = int(np.searchsorted(strikes, float(levels.iloc[-1]))) if len(levels) else len(strikes) // 2
    shown = slice(max(centre - _STRIKES_EACH_SIDE, 0), centre + _STRIKES_EACH_SIDE + 1)
    x = strikes[shown]
    step = float(np.diff(x).min()) if len(x) > 1 else 1.0
    for column, colour, label, side in (("CE", _CALL, "calls", -0.2), ("PE", _PUT, "puts", 0.2)):
        lakh = table[column].to_numpy(dtype="float64", na_value=np.nan)[shown] / 1e5
        panel.bar(x + side * step, lakh, width=0.4 * step, color=colour, label=label)
    pain = front["max_pain"].dropna()
    if len(pain):
        panel.axvline(float(pain.iloc[-1]), color=_OTHER, linewidth=1.4, label=f"max pain {pain.iloc[-1]:,.0f}")
    panel.legend(fontsize=8, loc="best", frameon=False)


def _draw_smile(panel: Any, legs: pd.DataFrame) -> None:
    known = legs[legs["iv"].notna() & ~legs["settlement_window"].to_numpy(dtype=bool, na_value=False)]
    if known.empty:
        _nothing(panel, "Smile", "no volatility is known")
        return
    at = known["snapshot_at"].max()
    panel.set_title(f"Smile at {at:%H:%M}, IV in %")
    rows = known[(known["snapshot_at"] == at) & known["strike_offset"].abs().le(2 * _STRIKES_EACH_SIDE)]
    rows = rows.drop_duplicates("strike").sort_values("strike")
    panel.plot(floats(rows, "strike"), floats(rows, "iv") * 100, color=_TODAY, linewidth=1.2, marker="o", markersize=3)
    forward = rows["forward"].dropna()
    if len(forward):
        panel.axvline(float(forward.iloc[0]), color=_PAST, linewidth=1.0, linestyle=":", label="forward")
        panel.legend(fontsize=8, loc="best", frameon=False)


def _line(panel: Any, frame: pd.DataFrame, column: str, colour: str, label: str) -> None:
    panel.plot(_clock(frame), floats(frame, column), color=colour, linewidth=1.4, label=label)


def _clock(frame: pd.DataFrame) -> Any:
    at = instants(frame, "snapshot_at")
    return np.subtract(at, at.astype("datetime64[D]")) / np.timedelta64(1, "h")


def _hours(panel: Any) -> None:
    panel.set_xticks([9.25, 10, 11, 12, 13, 14, 15], ["09:15", "10", "11", "12", "13", "14", "15"])
    if panel.get_lines():
        panel.legend(fontsize=8, loc="best", frameon=False)


def _nothing(panel: Any, title: str, reason: str) -> None:
    panel.set_title(title)
    panel.text(0.5, 0.5, reason, ha="center", va="center", transform=panel.transAxes, color=_PAST)


def _data_uri(figure: Any) -> str:
    from PIL import Image

    whole = io.BytesIO()
    figure.savefig(whole, format="png")
    small = io.BytesIO()
    # A plot has few colours: a palette makes it a third, and a run's event small.
    Image.open(whole).convert("RGB").quantize(_COLOURS).save(small, format="png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(small.getvalue()).decode()
