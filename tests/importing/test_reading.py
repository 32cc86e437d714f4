"""Cells of any text: reading them neither fails nor lets through what is no price, no strike or no stamp of the day."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from g6_market.calendar import TradingCalendar
from g6_market.conventions import Conventions
from g6_market.predecessor.expiry_repair import listed_on, with_right_expiry
from g6_market.predecessor.findings import Findings
from g6_market.predecessor.layout import GENERATIONS
from g6_market.predecessor.reading import option_rows
from g6_market.predecessor.tables import imported_day, in_intervals
from tests.importing.made_files import MONDAY

CALENDAR = TradingCalendar.load()
SESSION = CALENDAR.session(MONDAY)
COLUMNS = GENERATIONS["option"][-1]
GOOD = dict.fromkeys(COLUMNS, "0.0") | {
    "timestamp": "29-09-2025 12:22:30", "index": "NIFTY", "expiry_tag": "this_week", "expiry_date": "2025-09-30",
    "index_price": "24648.95", "strike": "24650", "ce": "93.85", "pe": "51.15", "ce_vol": "741600", "ce_oi": "6146625",
}  # fmt: skip
ODD = st.one_of(
    st.sampled_from(
        [
            "",
            "0",
            "0.0",
            "-1",
            "inf",
            "-inf",
            "nan",
            "1e400",
            "1e300",
            "7e14",
            "1000.0",
            "24800.0",
            "NIFTY",
            "2025-09-30",
        ]
    ),
    st.sampled_from(["29-09-2025 09:15:00", "29-09-2025 15:30:00", "29-09-2025 23:59:59", "31-02-2025 12:00:00"]),
    st.floats().map(str),
    st.text(max_size=20),
)
CHANGES = st.dictionaries(st.sampled_from(COLUMNS), ODD, max_size=6)


@settings(max_examples=25, deadline=None)
@given(st.lists(CHANGES, min_size=1, max_size=5))
def test_whatever_the_cells_hold_only_believable_rows_come_through_and_every_other_is_counted(
    changes: list[dict[str, str]],
) -> None:
    rows = pd.DataFrame([GOOD | change | {"where": str(n), "file_index": "NIFTY"} for n, change in enumerate(changes)])
    findings = Findings()
    read = option_rows(rows.astype("object"), SESSION, findings)
    left_out = sum(reason.count for reason in findings.reasons.values() if reason.verdict != "repaired")
    assert len(read) + left_out == len(rows)
    assert set(read["underlying"]) <= {"NIFTY"}
    assert read["stamp"].between(pd.Timestamp("2025-09-29 09:15:01"), pd.Timestamp("2025-09-29 15:30:15")).all()
    for name in ("strike", "ce", "pe", "avg_ce", "avg_pe", "index_price"):
        known = read[name].dropna().to_numpy()
        assert np.isfinite(known).all()
        assert (known > 0).all()
    assert (read[["ce_vol", "pe_vol", "ce_oi", "pe_oi"]].fillna(0.0) >= 0).all(axis=None)
    assert read[["ce", "pe"]].notna().any(axis=1).all()
    assert_storable(read, findings)


def assert_storable(read: pd.DataFrame, findings: Findings) -> None:
    """What is believed becomes tables that hold the same prices."""
    listed = {"NIFTY": listed_on("NIFTY", MONDAY, [], CALENDAR)}
    rows = with_right_expiry(read, MONDAY, listed, findings)
    if rows.empty:
        return
    rows, spots = in_intervals(rows, rows.head(0), SESSION, 60, findings)
    expiries = {name: found for name, (found, _) in listed.items()}
    made = imported_day(rows, spots, expiries, SESSION, Conventions(), CALENDAR, SESSION.close)
    options = made.quotes[made.quotes["contract_type"] == "option"]
    assert sorted(options["last_price"]) == sorted(pd.concat([rows["ce"], rows["pe"]]).dropna())
    assert set(options["tradingsymbol"]) <= set(made.instruments["tradingsymbol"])
