"""The view of gaps: what was due and is not whole, why, since when, and what came of healing it."""

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

from g6_market.schema import HEALING, SNAPSHOTS, conform
from g6_resources.lake import snapshot_name
from g6_resources.sealing import seal_day
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot
from tests.resources import lake_frames as made
from tests.resources.lake_frames import CALENDAR, FRIDAY, THURSDAY, as_captured, due, lake_of, root_at


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    root = root_at(tmp_path)
    made.write_opening(lake_of(root), FRIDAY)
    return root


def gaps(root: DataRoot, columns: str, where: str = "true") -> list[tuple[Any, ...]]:
    Warehouse(root, CALENDAR).rebuild()
    with duckdb.connect(str(root.warehouse), read_only=True) as views:
        query = f"SELECT DISTINCT {columns} FROM gaps WHERE {where} ORDER BY ALL"
        return views.execute(query).fetchall()


def take(root: DataRoot, *outcomes: tuple[int, str, str | None], day: date = FRIDAY) -> None:
    for number, outcome, cause in outcomes:
        made.write_snapshot(lake_of(root), day, number, outcome, cause)


def stale(root: DataRoot, number: int, underlying: str) -> None:
    """A snapshot of which one index only was stale."""
    made.write_snapshot(lake_of(root), FRIDAY, number)
    rows = made.snapshots(FRIDAY, number)
    mine = rows["underlying"] == underlying
    rows.loc[mine, ["outcome", "cause", "returned", "missing_legs"]] = ["stale", "stale", 0, 10]
    lake_of(root).write_live(SNAPSHOTS, FRIDAY, snapshot_name(due(FRIDAY, number)), rows)


CLOCK = "strftime(snapshot_at, '%H:%M'), cause, strftime(since, '%H:%M')"


def test_a_cause_is_told_with_the_first_instant_of_its_unbroken_run(root: DataRoot) -> None:
    dead, whole = ("failed", "token dead"), ("stored", None)
    take(root, (0, *whole), (1, *dead), (2, *dead), (3, *whole), (4, *dead), (5, "failed", "network"), (6, *dead))
    assert gaps(root, CLOCK) == [
        ("09:17", "token dead", "09:17"),
        ("09:18", "token dead", "09:17"),
        ("09:20", "token dead", "09:20"),
        ("09:21", "network", "09:21"),
        ("09:22", "token dead", "09:22"),
    ]


def test_minutes_without_a_row_are_the_processs_and_have_their_own_beginning(root: DataRoot) -> None:
    take(root, (0, "stored", None), (3, "failed", "network"), (5, "stored", None))
    assert gaps(root, CLOCK) == [
        ("09:17", "process down", "09:17"),
        ("09:18", "process down", "09:17"),
        ("09:19", "network", "09:19"),
        ("09:20", "process down", "09:20"),
    ]


def test_a_market_is_halted_when_no_index_moves_for_two_intervals(root: DataRoot) -> None:
    still = ("stale", "stale")
    take(root, (0, "stored", None), (1, *still), (2, "stored", None), (3, *still), (4, *still), (5, "stored", None))
    assert gaps(root, CLOCK) == [
        ("09:17", "stale", "09:17"),
        ("09:19", "market halted", "09:19"),
        ("09:20", "market halted", "09:19"),
    ]


def test_one_index_that_stands_still_is_a_stale_answer_and_no_halt(root: DataRoot) -> None:
    take(root, (0, "stored", None))
    stale(root, 1, "NIFTY")
    stale(root, 2, "NIFTY")
    assert gaps(root, f"{CLOCK}, underlying") == [
        ("09:17", "stale", "09:17", "NIFTY"),
        ("09:18", "stale", "09:17", "NIFTY"),
    ]


def test_two_still_instants_with_one_lost_between_them_are_no_halt(root: DataRoot) -> None:
    take(root, (0, "stored", None), (1, "stale", "stale"), (2, "failed", "network"), (3, "stale", "stale"))
    assert [row[1] for row in gaps(root, CLOCK)] == ["stale", "network", "stale"]


def healing(number: int, outcomes: list[str]) -> pd.DataFrame:
    legs = made.quotes(FRIDAY, number).query("underlying == 'NIFTY'").head(len(outcomes))
    columns = [name for name in HEALING.names if name in legs.columns]
    known = pd.Timestamp("2026-11-20 15:46:10") + pd.to_timedelta(range(len(outcomes)), unit="s")
    return conform(legs[columns].assign(outcome=outcomes, known_at=known), HEALING)


@pytest.mark.parametrize("sealed", [False, True], ids=["live", "sealed"])
def test_a_healed_gap_keeps_its_history(root: DataRoot, sealed: bool) -> None:
    take(root, (0, "stored", None), (1, "failed", "network"), (2, "failed", "network"), (3, "stored", None))
    columns = "strftime(snapshot_at, '%H:%M'), underlying, outcome, cause, missing_legs, healed_legs, unfillable_legs"
    nearest = "expiry = (SELECT min(expiry) FROM expiries) AND snapshot_at < '2026-11-20 09:19'"
    before = gaps(root, f"{columns}, healed_at", nearest)
    assert {row[5:] for row in before} == {(0, 0, None)}
    lake_of(root).write_live(HEALING, FRIDAY, "candles-1", healing(1, ["healed", "healed", "no candle", "expired"]))
    if sealed:
        seal_day(lake_of(root), FRIDAY, as_captured, Warehouse(root, CALENDAR).swap)
    assert gaps(root, f"{columns}, strftime(healed_at, '%H:%M:%S')", nearest) == [
        ("09:17", "BANKNIFTY", "failed", "network", 3, 0, 0, None),
        ("09:17", "NIFTY", "failed", "network", 3, 2, 2, "15:46:13"),
        ("09:18", "BANKNIFTY", "failed", "network", 3, 0, 0, None),
        ("09:18", "NIFTY", "failed", "network", 3, 0, 0, None),
    ]


def test_a_day_left_unsealed_is_held_against_its_whole_session_once_a_later_one_has_begun(root: DataRoot) -> None:
    made.write_day(lake_of(root), THURSDAY, 2)
    counted = "count(*), strftime(max(snapshot_at), '%H:%M')"
    assert gaps(root, counted, f"trade_date = '{THURSDAY}'") == [(0, None)]
    take(root, (0, "stored", None))
    assert gaps(root, counted, f"trade_date = '{THURSDAY}'") == [(4 * 383, "15:40")]
    assert gaps(root, counted, f"trade_date = '{FRIDAY}'") == [(0, None)]
