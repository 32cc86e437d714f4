"""The table macros about a day's course, on a small market whose numbers are known: live, then sealed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from market_data import FRIDAY, at, calendar, entry, market, small_day, snapshots_of

from g6_market.derive import Derived, derive
from g6_market.quotes import quotes_frame
from g6_market.schema import REFERENCE, conform
from g6_resources.lake import Lake, LocalStore
from g6_resources.sealing import derive_day, seal_day
from g6_resources.warehouse import Warehouse
from tests.resources.lake_frames import root_at

CLOCKS = ("09:16", "09:20", "09:30", "09:45", "09:55", "10:00")
TEN = "2025-08-29 10:00"
# Last price and open interest of contracts of the second month at each snapshot; None: not captured.
COURSES: dict[str, list[tuple[float, int] | None]] = {
    "24500CE": [(100, 7500), (100, 7500), (100, 7500), (110, 7500), (110, 7500), (105, 9000)],
    "24500PE": [(100, 7500), (100, 7500), (100, 7500), (100, 7500), (100, 8250), (100, 8250)],
    "24550CE": [(80, 7500), (80, 7500), (80, 7500), (80, 7500), (80, 7500), (80.05, 7575)],
    "24550PE": [(80, 7500), (80, 7500), (80, 7500), (80, 7500), (79, 7425), None],
    "24600CE": [None, None, None, None, None, (60, 7500)],
    "24600PE": [(60, 7500), (60, 7500), None, None, None, (61, 7574)],
}
PREVIOUS = {"24500CE": (90, 12000), "24500PE": (120, 8250), "24550CE": (70, 7000), "24550PE": (90, 7500)}


@dataclass(frozen=True)
class World:
    db: duckdb.DuckDBPyConnection
    derived: Derived

    def rows(self, call: str) -> pd.DataFrame:
        return self.db.sql(f"SELECT * FROM {call}").df()

    def chain(self, tag: str, clock: str) -> pd.DataFrame:
        chain, expiry = self.derived.option_chain, small_day().tags("NIFTY")[tag]
        here = (chain["underlying"] == "NIFTY") & (chain["expiry"] == pd.Timestamp(expiry))
        return chain[here & (chain["snapshot_at"] == pd.Timestamp(f"{FRIDAY} {clock}"))]

    def overview(self, tag: str) -> pd.DataFrame:
        rows, expiry = self.derived.expiry_overview, small_day().tags("NIFTY")[tag]
        return rows[(rows["underlying"] == "NIFTY") & (rows["expiry"] == pd.Timestamp(expiry))]


def name(course: str) -> str:
    return f"NIFTY25OCT{course}"


def captured(number: int, clock: str) -> pd.DataFrame:
    day, due = small_day(), at(clock)
    [answer] = market(day, due, number)
    quotes: dict[str, Any] = {k: q for k, q in answer.quotes.items() if "25OCT" not in k or "BANK" in k}
    for course, steps in COURSES.items():
        step = steps[number]
        if step is not None:
            quotes[f"NFO:{name(course)}"] = entry(step[0], oi=step[1], traded=f"{due:%Y-%m-%d %H:%M:%S}")
    return quotes_frame([type(answer)(quotes, answer.received_at)], day, due, 1)


def reference() -> pd.DataFrame:
    options = small_day().instruments.query("contract_type == 'option'")
    rows = options[[c for c in REFERENCE.names if c in options.columns]].assign(
        received_at=pd.Timestamp("2025-08-29 09:08"), opening_oi=pd.array([None] * len(options), dtype="Int64")
    )
    known = {name(course): values for course, values in PREVIOUS.items()}
    rows["previous_close"] = [known.get(s, (np.nan, 0))[0] for s in rows["tradingsymbol"]]
    rows["previous_oi"] = [known.get(s, (0, None))[1] for s in rows["tradingsymbol"]]
    rows.loc[rows["tradingsymbol"] == name("24500CE"), "opening_oi"] = 8000
    return conform(rows, REFERENCE)


@pytest.fixture(scope="module", params=["live", "sealed"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = root_at(tmp_path_factory.mktemp(request.param))
    lake = Lake(LocalStore(root.lake), current=root.current)
    day = small_day().with_reference(reference())
    frames = [captured(n, clock) for n, clock in enumerate(CLOCKS)]
    quotes = pd.concat(frames, ignore_index=True)
    snapshots = snapshots_of(quotes, day, full=[at("09:16"), at("10:00")])
    result = derive(quotes, snapshots, day)
    for table, frame in {
        "conventions": day.conventions.to_frame(),
        "instruments": day.instruments,
        "expiries": day.expiries,
        "reference": reference(),
        "quotes": quotes,
        "snapshots": snapshots,
        "option_chain": result.option_chain,
        "expiry_overview": result.expiry_overview,
        "overview": result.overview,
    }.items():
        lake.write_live(table, FRIDAY, "day", frame)
    warehouse = Warehouse(root, calendar())
    if request.param == "sealed":
        seal_day(lake, FRIDAY, lambda lake_, date_: derive_day(lake_, date_, calendar()), warehouse.swap)
    else:
        warehouse.rebuild()
    with duckdb.connect(str(root.warehouse), read_only=True) as db:
        yield World(db, result)


@pytest.mark.parametrize(
    ("course", "by_close", "by_minutes"),
    [
        ("24500CE", (15, -3000, "short_covering"), (-5, 1500, "short_build_up")),
        ("24500PE", (-20, 0, "unchanged"), (0, 750, "unchanged")),
        ("24550CE", (10.05, 575, "long_build_up"), (0.05, 75, "long_build_up")),
        ("24550PE", (-11, -75, "long_unwinding"), (-1, -75, "long_unwinding")),
        ("24600CE", (None, None, None), (None, None, None)),
        # Its last row before is 40 minutes old, not 15.
        ("24600PE", (None, None, None), (None, None, None)),
    ],
)
def test_build_up_of_a_contract(world: World, course: str, by_close: tuple, by_minutes: tuple) -> None:
    rows = world.rows(f"build_up('NIFTY', 'next_month', '{TEN}')").set_index("tradingsymbol")
    assert len(rows) == len(COURSES)
    row = rows.loc[name(course)]
    for suffix, expected in (("close", by_close), ("15m", by_minutes)):
        got = [None if pd.isna(row[f"{c}_{suffix}"]) else row[f"{c}_{suffix}"]
               for c in ("price_change", "oi_change", "build_up")]  # fmt: skip
        assert got[:2] == (pytest.approx(expected[:2]) if expected[0] is not None else [None, None])
        assert got[2] == expected[2]


def test_build_up_says_when_open_interest_last_moved_and_what_it_saw(world: World) -> None:
    rows = world.rows(f"build_up('NIFTY', 'next_month', '{TEN}')").set_index("tradingsymbol")
    moved = rows["oi_changed_at"]
    assert moved[name("24500CE")] == pd.Timestamp(TEN)
    assert moved[name("24500PE")] == pd.Timestamp("2025-08-29 09:55")
    assert moved[name("24600PE")] == pd.Timestamp(TEN)
    assert pd.isna(moved[name("24600CE")])
    assert rows.loc[name("24550PE"), "snapshot_at"] == pd.Timestamp("2025-08-29 09:55")
    before = world.rows("build_up('NIFTY', 'next_month', '2025-08-29 09:40')").set_index("tradingsymbol")
    assert before["oi_changed_at"].isna().all()
    assert len(before) == 5


def test_open_interest_by_strike_and_its_changes(world: World) -> None:
    rows = world.rows(f"oi_by_strike('NIFTY', 'next_month', '{TEN}')").set_index("strike")
    row = rows.loc[24500.0]
    assert row[["call_oi", "put_oi"]].tolist() == [9000, 8250]
    assert row[["call_oi_change_5m", "call_oi_change_15m"]].tolist() == [1500, 1500]
    assert row[["put_oi_change_5m", "put_oi_change_15m"]].tolist() == [0, 750]
    assert pd.isna(row["call_oi_change_60m"])
    assert row["call_oi_change_open"] == 1000
    assert pd.isna(row["put_oi_change_open"])
    assert rows.loc[24550.0, "put_oi"] == 7425
    assert rows.index.tolist() == [24500.0, 24550.0, 24600.0]


def test_the_term_structure_is_the_overview_at_the_instant(world: World) -> None:
    rows = world.rows("term_structure('NIFTY', '2025-08-29 09:59:59')")
    expected = world.derived.expiry_overview
    expected = expected[
        (expected["underlying"] == "NIFTY") & (expected["snapshot_at"] == pd.Timestamp("2025-08-29 09:55"))
    ]
    assert rows["tags"].tolist() == ["this_week", "next_week", "this_month", "next_month"]
    for column in ("forward", "atm_iv", "expected_move", "call_iv_25", "forward_vol", "implied_rate"):
        np.testing.assert_array_equal(rows[column], expected[column])
    np.testing.assert_allclose(rows["days"], expected["t_years"] * 365)


def test_the_smile_is_the_chain_by_strike(world: World) -> None:
    rows = world.rows(f"iv_smile('NIFTY', 'this_week', '{TEN}')")
    chain = world.chain("this_week", "10:00")
    call, put = (chain[chain["option_type"] == kind].reset_index(drop=True) for kind in ("CE", "PE"))
    assert rows["strike"].tolist() == call["strike"].tolist()
    assert rows["iv"].notna().sum() > 5
    for column, expected in (
        ("iv", call["iv"]),
        ("call_iv", call["iv_own"]),
        ("put_iv", put["iv_own"]),
        ("call_delta", call["delta"]),
        ("log_moneyness", np.log(call["strike"] / call["forward"])),
    ):
        np.testing.assert_allclose(rows[column].astype(float), expected.astype(float), rtol=1e-12)


@pytest.mark.parametrize(("given", "chosen"), [("", "09:20"), (", from_time := '09:31'", "09:45")])
def test_a_fixed_straddle_keeps_the_strike_of_its_time(world: World, given: str, chosen: str) -> None:
    rows = world.rows(f"fixed_straddle('NIFTY', 'this_week', '2025-08-29'{given})")
    overview = world.overview("this_week").set_index("snapshot_at")
    assert rows["strike"].unique().tolist() == [overview.loc[pd.Timestamp(f"2025-08-29 {chosen}"), "atm_strike"]]
    assert rows["snapshot_at"].dt.strftime("%H:%M").tolist() == list(CLOCKS)
    for _, row in rows.iterrows():
        legs = world.chain("this_week", f"{row['snapshot_at']:%H:%M}")
        legs = legs[legs["strike"] == row["strike"]]
        both = legs["price"].notna().all()
        assert row["straddle"] == pytest.approx(legs["price"].sum() if both else np.nan, nan_ok=True)
        assert row["vwap"] == pytest.approx(legs["average_price"].sum())
    assert rows["straddle"].notna().sum() >= 3


def test_the_strikes_at_two_times_differ(world: World) -> None:
    call = "fixed_straddle('NIFTY', 'this_week', '2025-08-29', from_time := '{}')"
    assert len({world.rows(call.format(clock))["strike"].iloc[0] for clock in CLOCKS}) > 1
    assert world.rows(call.format("15:00")).empty


def test_max_pain_and_ratios_come_as_series_of_the_day(world: World) -> None:
    expected = world.overview("this_month")
    pain = world.rows("max_pain('NIFTY', 'this_month', '2025-08-29')")
    ratios = world.rows("pcr('NIFTY', 'this_month', '2025-08-29')")
    assert len(pain) == len(ratios) == len(CLOCKS)
    for rows, columns in ((pain, ["max_pain", "forward"]), (ratios, ["pcr_oi", "pcr_volume", "pcr_oi_near"])):
        for column in columns:
            np.testing.assert_array_equal(rows[column], expected[column])
    assert pain["oi_as_of"].dt.strftime("%H:%M").tolist() == ["09:16"] * 5 + ["10:00"]


@pytest.mark.parametrize(
    "call",
    ["build_up('NIFTY', 'front', '2025-08-28 10:00')", "oi_by_strike('NIFTY', 'front', '2025-08-29 09:00')",
     "term_structure('SENSEX', '2025-08-29 10:00')", "pcr('NIFTY', 'front', '2024-01-01')"],
)  # fmt: skip
def test_what_is_not_stored_has_no_rows(world: World, call: str) -> None:
    assert world.rows(call).empty


def test_an_unknown_label_is_an_error_that_names_the_known_ones(world: World) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="no expiry someday: use front, this_week"):
        world.rows(f"build_up('NIFTY', 'someday', '{TEN}')")


def test_every_macro_is_explained_where_it_is_found(world: World) -> None:
    rows = world.db.sql("SELECT function_name, comment FROM duckdb_functions() WHERE NOT internal").fetchall()
    names = {"build_up", "oi_by_strike", "term_structure", "iv_smile", "fixed_straddle", "max_pain", "pcr"}
    assert names <= {macro for macro, comment in rows if comment}
