"""The overlay asked of a store: which days are alike, SQL and Python agreed, and the same after sealing again."""

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from g6_market.overlay import MEASURES
from g6_market.schema import EXPIRIES, OPTION_CHAIN
from g6_resources.lake import snapshot_name
from g6_resources.overlays import read_overlay
from g6_resources.sealing import seal_day
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot
from tests.resources.lake_frames import (
    CALENDAR,
    as_captured,
    due,
    expiries,
    lake_of,
    option_chain,
    root_at,
    write_opening,
    write_snapshot,
)

FRIDAY = date(2026, 11, 20)
PREMIUM = {1: 20.0, 2: 50.0, 3: 70.0, 4: 110.0}
"""What each leg costs more, by weeks before."""

COUNT = 6


def write_week(root: DataRoot, weeks: int, *, left: int = 2, seal: bool = True, **conventions: object) -> date:
    """A Friday some weeks ago whose legs cost more, some sessions before its expiry."""
    day = FRIDAY - timedelta(weeks=weeks)
    lake = lake_of(root)
    write_opening(lake, day, **conventions)
    lake.write_live(EXPIRIES, day, "day", expiries(day).assign(trading_days_to_expiry=left))
    for number in range(COUNT):
        write_snapshot(lake, day, number)
        chain = option_chain(day, number)
        dearer = chain.assign(price=chain["price"] + PREMIUM.get(weeks, 0.0))
        lake.write_live(OPTION_CHAIN, day, snapshot_name(due(day, number)), dearer)
    if seal:
        seal_day(lake, day, as_captured, Warehouse(root, CALENDAR).swap)
    return day


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    root = root_at(Path(tmp_path_factory.mktemp("overlay")))
    write_week(root, 4)
    write_week(root, 3, left=3)
    write_week(root, 2, atm_reference="spot")
    write_week(root, 1)
    write_week(root, 0, seal=False)
    Warehouse(root, CALENDAR).rebuild()
    return root


def by_sql(root: DataRoot, day: date = FRIDAY) -> pd.DataFrame:
    with duckdb.connect(str(root.warehouse), read_only=True) as connection:
        return connection.execute(f"FROM weekday_overlay('NIFTY', 'this_week', 1, '{day}')").df()


def test_only_days_as_far_from_expiry_and_of_the_same_reference_are_behind_it(root: DataRoot) -> None:
    overlay = read_overlay(root, "NIFTY", "this_week", 1, FRIDAY, 0.25)
    assert overlay["straddle_days"].tolist() == [2] * COUNT
    # Two legs: 110 more four weeks ago, 20 more a week ago.
    assert (overlay["straddle_mean"] - overlay["straddle"]).tolist() == pytest.approx([2 * 65] * COUNT)
    assert (overlay["straddle_ema"] - overlay["straddle"]).tolist() == pytest.approx(
        [2 * (0.25 * 20 + 0.75 * 110)] * COUNT
    )


def test_sql_and_python_agree(root: DataRoot) -> None:
    sql, python = by_sql(root), read_overlay(root, "NIFTY", "this_week", 1, FRIDAY, 0.5)
    for measure in MEASURES:
        for name in (measure, f"{measure}_mean", f"{measure}_days"):
            ours, theirs = (frame[name].astype("float64").tolist() for frame in (python, sql))
            assert theirs == pytest.approx(ours, rel=1e-12, nan_ok=True), name


def test_the_fixed_twin_keeps_its_strike_when_the_money_moves(root: DataRoot) -> None:
    overlay = by_sql(root)
    chain = pd.concat([option_chain(FRIDAY, number) for number in range(COUNT)])
    chain = chain[(chain["underlying"] == "NIFTY") & (chain["expiry"] == chain["expiry"].min())]
    at = chain["snapshot_at"]
    strike = chain[(at == pd.Timestamp(due(FRIDAY, 4))) & (chain["strike_offset"] == 1)]["strike"].iloc[0]
    kept = chain[(chain["strike"] == strike) & (at >= pd.Timestamp(due(FRIDAY, 4)))]
    # The fourth snapshot is that of 09:20, and there is none of it before.
    assert overlay["fixed_straddle"].tolist()[4:] == pytest.approx(kept.groupby("snapshot_at")["price"].sum().tolist())
    assert overlay["fixed_straddle"].isna().tolist() == [True] * 4 + [False] * 2


def test_a_time_of_many_days_is_read_from_sealed_and_live_files_alike(root: DataRoot) -> None:
    with duckdb.connect(str(root.warehouse), read_only=True) as connection:
        ask = "SELECT trade_date, snapshot_at, expiry, straddle FROM straddle_at('NIFTY', 'this_week', '09:18', ?, ?)"
        found = connection.execute(ask, ["2026-10-30", str(FRIDAY)]).fetchall()
        wanted = connection.execute(
            f"""SELECT trade_date, snapshot_at, expiry, straddle
            FROM expiry_overview JOIN expiries USING (trade_date, underlying, expiry)
            WHERE underlying = 'NIFTY' AND expiry_tag = 'this_week' AND trade_date >= DATE '2026-10-30'
              AND CAST(snapshot_at AS TIME) = TIME '{due(FRIDAY, 2):%H:%M}' ORDER BY trade_date"""
        ).fetchall()
        assert found == wanted
        assert [day for day, *_ in found][-1] == FRIDAY
        assert len(found) == 4
        assert connection.execute(ask, ["2026-11-21", "2026-12-31"]).fetchall() == []
        with pytest.raises(duckdb.Error, match="no expiry weekly: use front, this_week"):
            connection.execute(ask.replace("this_week", "weekly"), ["2026-10-30", "2026-11-20"]).fetchall()


def test_sealing_a_past_day_or_the_day_itself_again_changes_nothing(root: DataRoot) -> None:
    before = by_sql(root)
    lake, swap = lake_of(root), Warehouse(root, CALENDAR).swap
    seal_day(lake, FRIDAY - timedelta(weeks=1), as_captured, swap)
    pd.testing.assert_frame_equal(by_sql(root), before)
    seal_day(lake, FRIDAY, as_captured, swap)
    pd.testing.assert_frame_equal(by_sql(root), before)


def test_a_day_nothing_is_known_of_has_no_overlay(root: DataRoot) -> None:
    assert by_sql(root, date(2026, 6, 5)).empty
