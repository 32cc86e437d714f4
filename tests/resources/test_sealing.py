"""Sealing: whatever interrupts it, the day stays visible and a repetition ends in the same files."""

from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from g6_market.day import CODE_VERSION
from g6_market.schema import EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW, QUOTES, SNAPSHOTS, STORED_TABLES
from g6_resources.lake import Lake, LakeError, LocalStore
from g6_resources.parquet import written_by
from g6_resources.sealing import SealError, derive_day, replace_index_files, seal_day, trading_day
from g6_resources.warehouse import Warehouse
from g6_resources.world import DataRoot
from tests.market import market_data as market
from tests.resources import lake_frames as made
from tests.resources.lake_frames import FRIDAY, LEGS, THURSDAY, as_captured, lake_of, root_at


class Interrupted(Exception):
    """Stands for a kill at a chosen moment."""


class Interruptible(LocalStore):
    """A local store that dies before its n-th change; what was done before is on the disk."""

    def __init__(self, folder: Path, changes: int) -> None:
        super().__init__(folder)
        self.left = changes

    def put(self, path: str, data: bytes) -> None:
        self._count()
        super().put(path, data)

    def move(self, path: str, target: str) -> None:
        self._count()
        super().move(path, target)

    def delete(self, path: str) -> None:
        self._count()
        super().delete(path)

    def _count(self) -> None:
        if self.left == 0:
            raise Interrupted
        self.left -= 1


def no_swap() -> None:
    """For tests that look at the lake only."""


def closed_files(root: DataRoot) -> dict[str, bytes]:
    return {str(path.relative_to(root.lake)): path.read_bytes() for path in root.lake.glob("*/closed/*/*.parquet")}


def seen(root: DataRoot, day: date) -> int:
    """Rows of the day's chain that somebody finds who opens the views now."""
    with duckdb.connect(str(root.warehouse), read_only=True) as views:
        row = views.execute("SELECT count(*) FROM option_chain WHERE trade_date = ?", [day]).fetchone()
    assert row is not None
    return row[0]


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    return root_at(tmp_path)


def test_a_sealed_day_reads_as_the_live_one_did(root: DataRoot) -> None:
    lake = lake_of(root)
    made.write_day(lake, FRIDAY, 3)
    before = {table.name: lake.read(table, FRIDAY) for table in STORED_TABLES}
    report = seal_day(lake, FRIDAY, as_captured, no_swap)
    for table in STORED_TABLES:
        order = list(table.sort)
        after = lake.read(table, FRIDAY)
        pd.testing.assert_frame_equal(after, before[table.name].sort_values(order, ignore_index=True, kind="stable"))
        assert lake.live_names(table, FRIDAY) == []
    assert report.rows["option_chain"] == 3 * LEGS
    assert (lake.unsealed_days(), list(lake.sealed)) == ([], [FRIDAY])
    record = lake.sealed[FRIDAY]
    assert record.files["option_chain"] == {"BANKNIFTY": 3 * LEGS // 2, "NIFTY": 3 * LEGS // 2}
    assert record.files["conventions"] == {"_all": 1}
    assert record.code_version == CODE_VERSION
    assert report.files == len([name for name in closed_files(root) if "1970" not in name])


def test_sealing_again_changes_not_a_byte(root: DataRoot) -> None:
    lake = lake_of(root)
    made.write_day(lake, FRIDAY, 3)
    seal_day(lake, FRIDAY, as_captured, no_swap)
    first = closed_files(root)
    seal_day(lake, FRIDAY, as_captured, no_swap)
    assert closed_files(root) == first


@pytest.mark.slow
def test_whatever_moment_a_seal_dies_at_nothing_is_lost_and_a_repetition_ends_the_same(tmp_path: Path) -> None:
    whole = root_at(tmp_path / "whole")
    made.write_day(lake_of(whole), FRIDAY, 1)
    seal_day(lake_of(whole), FRIDAY, as_captured, no_swap)
    expected = closed_files(whole)
    moments = 2 * len(expected) + 1 + 8  # files staged, files put in place, record, live files
    for moment in range(moments):
        root = root_at(tmp_path / str(moment))
        made.write_day(lake_of(root), FRIDAY, 1)
        dying = Lake(Interruptible(root.lake, moment))
        with pytest.raises(Interrupted):
            seal_day(dying, FRIDAY, as_captured, no_swap)
        lake = lake_of(root)
        assert len(lake.read(OPTION_CHAIN, FRIDAY)) == LEGS
        assert len(lake.gather(QUOTES, FRIDAY)) == LEGS
        assert (FRIDAY in lake.sealed) == (moment > 2 * len(expected))
        seal_day(lake, FRIDAY, as_captured, no_swap)
        assert closed_files(root) == expected
        assert lake.unsealed_days() == []


@pytest.mark.parametrize("moment", [0, 5, 14, 15, 16, 20, 23])
def test_the_views_show_an_interrupted_day_once_before_and_after_the_repetition(root: DataRoot, moment: int) -> None:
    made.write_day(lake_of(root), FRIDAY, 1)
    warehouse = Warehouse(root)
    warehouse.rebuild()
    with pytest.raises(Interrupted):
        seal_day(Lake(Interruptible(root.lake, moment)), FRIDAY, as_captured, warehouse.swap)
    assert seen(root, FRIDAY) == LEGS
    warehouse.rebuild()
    assert seen(root, FRIDAY) == LEGS
    seal_day(lake_of(root), FRIDAY, as_captured, warehouse.swap)
    assert seen(root, FRIDAY) == LEGS


def test_a_failed_derivation_or_swap_leaves_the_day_visible(root: DataRoot) -> None:
    lake = lake_of(root)
    made.write_day(lake, FRIDAY, 1)
    warehouse = Warehouse(root)
    warehouse.rebuild()

    def fails(*_: object) -> dict[str, pd.DataFrame]:
        raise Interrupted

    with pytest.raises(Interrupted):
        seal_day(lake, FRIDAY, fails, warehouse.swap)
    assert (lake.unsealed_days(), seen(root, FRIDAY)) == ([FRIDAY], LEGS)
    with pytest.raises(Interrupted):
        seal_day(lake, FRIDAY, as_captured, fails)  # pyright: ignore[reportArgumentType]
    assert seen(root, FRIDAY) == LEGS
    assert lake.live_names(OPTION_CHAIN, FRIDAY) == ["s091600"]


def test_rows_healed_after_the_seal_are_taken_in_by_sealing_again(root: DataRoot) -> None:
    lake = lake_of(root)
    made.write_day(lake, FRIDAY, 2)
    warehouse = Warehouse(root)
    seal_day(lake, FRIDAY, as_captured, warehouse.swap)
    lake.write_live(OPTION_CHAIN, FRIDAY, "healed", made.option_chain(FRIDAY, 2).assign(source="candle"))
    assert seen(root, FRIDAY) == 2 * LEGS
    seal_day(lake, FRIDAY, as_captured, warehouse.swap)
    assert seen(root, FRIDAY) == 3 * LEGS
    assert lake.live_names(OPTION_CHAIN, FRIDAY) == []


def test_an_index_that_is_no_longer_part_of_a_day_loses_its_file(root: DataRoot) -> None:
    lake = lake_of(root)
    made.write_day(lake, FRIDAY, 1)
    seal_day(lake, FRIDAY, as_captured, no_swap)

    def only_nifty(lake_: Lake, day: date) -> dict[str, pd.DataFrame]:
        return {OPTION_CHAIN.name: lake_.read(OPTION_CHAIN, day, underlying="NIFTY")}

    seal_day(lake, FRIDAY, only_nifty, no_swap)
    assert lake.closed_names(OPTION_CHAIN, FRIDAY) == ["NIFTY"]
    assert list(lake.sealed[FRIDAY].files["option_chain"]) == ["NIFTY"]


class Corrupting(LocalStore):
    """A disk that gives back other bytes than it was given."""

    def get(self, path: str) -> bytes:
        return super().get(
            path.replace(
                "quotes/closed/trade_date=2026-11-20/.NIFTY.", "quotes/closed/trade_date=2026-11-20/.BANKNIFTY."
            )
        )


def test_a_disk_that_does_not_give_back_what_was_written_stops_the_seal(root: DataRoot) -> None:
    made.write_day(lake_of(root), FRIDAY, 1)
    lake = Lake(Corrupting(root.lake))
    with pytest.raises(
        LakeError, match=r"quotes/closed/trade_date=2026-11-20/NIFTY.parquet: read back 20 rows .* unseal"
    ):
        seal_day(lake, FRIDAY, as_captured, no_swap)
    assert lake.unsealed_days() == [FRIDAY]
    assert len(lake.read(QUOTES, FRIDAY)) == LEGS


class Misplacing(LocalStore):
    """A disk that says it has put a file in its place and has not."""

    def move(self, path: str, target: str) -> None:
        if not target.startswith("snapshots/"):
            super().move(path, target)


def test_live_files_stay_when_a_closed_one_is_not_what_the_record_says(root: DataRoot) -> None:
    made.write_day(lake_of(root), FRIDAY, 1)
    seal_day(lake_of(root), FRIDAY, as_captured, no_swap)
    lake_of(root).write_live(SNAPSHOTS, FRIDAY, "s091700", made.snapshots(FRIDAY, 1))
    with pytest.raises(
        LakeError, match=r"snapshots/.*/BANKNIFTY.parquet holds 2 rows, its seal record says 4: nothing"
    ):
        seal_day(Lake(Misplacing(root.lake)), FRIDAY, as_captured, no_swap)
    assert lake_of(root).live_names(SNAPSHOTS, FRIDAY) == ["s091700"]
    seal_day(lake_of(root), FRIDAY, as_captured, no_swap)
    assert lake_of(root).live_names(SNAPSHOTS, FRIDAY) == []
    assert len(lake_of(root).read(SNAPSHOTS, FRIDAY)) == 8


def test_what_arrives_while_a_day_is_sealed_waits_for_the_next_seal(root: DataRoot) -> None:
    lake = lake_of(root)
    made.write_day(lake, FRIDAY, 1)
    seal_day(lake, FRIDAY, as_captured, lambda: made.write_snapshot(lake, FRIDAY, 1))
    assert len(lake.read(QUOTES, FRIDAY)) == LEGS
    assert lake.live_names(QUOTES, FRIDAY) == ["s091700"]
    seal_day(lake, FRIDAY, as_captured, no_swap)
    assert len(lake.read(QUOTES, FRIDAY)) == 2 * LEGS
    assert lake.live_names(QUOTES, FRIDAY) == []


def test_a_day_sealed_again_is_the_old_one_until_all_of_the_new_is_proven(root: DataRoot) -> None:
    lake = lake_of(root)
    made.write_day(lake, FRIDAY, 1)
    seal_day(lake, FRIDAY, as_captured, no_swap)
    before = closed_files(root)
    made.write_snapshot(lake, FRIDAY, 1)
    with pytest.raises(Interrupted):
        seal_day(Lake(Interruptible(root.lake, len(before))), FRIDAY, as_captured, no_swap)
    assert closed_files(root) == before


def test_a_healed_row_gives_way_to_a_captured_one_of_its_leg(root: DataRoot) -> None:
    lake = lake_of(root)
    made.write_day(lake, FRIDAY, 2)
    late = pd.Timestamp("2026-11-20 16:00")
    healed = made.quotes(FRIDAY, 2).assign(source="candle", received_at=late, known_at=late)
    covered = made.quotes(FRIDAY, 1).assign(source="candle", received_at=late, known_at=late)
    lake.write_live(QUOTES, FRIDAY, "candles-1", pd.concat([covered, healed], ignore_index=True))
    twice = healed.assign(received_at=late + pd.Timedelta("1h"), known_at=late + pd.Timedelta("1h"))
    lake.write_live(QUOTES, FRIDAY, "candles-2", twice)
    seal_day(lake, FRIDAY, as_captured, no_swap)
    rows = lake.read(QUOTES, FRIDAY)
    assert rows["source"].value_counts().to_dict() == {"quote": 2 * LEGS, "candle": LEGS}
    assert not rows.duplicated(["snapshot_at", "exchange", "tradingsymbol"]).any()
    assert set(rows.loc[rows["source"] == "candle", "known_at"]) == {late}


def test_a_day_without_data_is_refused_with_the_days_there_are(root: DataRoot) -> None:
    lake = lake_of(root)
    made.write_day(lake, THURSDAY, 1)
    with pytest.raises(SealError, match=r"nothing is stored for 2026-11-20, .* days with data: 2026-11-19"):
        seal_day(lake, FRIDAY, as_captured, no_swap)


# ---------------------------------------------------------------- with the real derivations
CLOCKS = ("09:16", "09:17", "09:18")


def captured_day(root: DataRoot) -> Lake:
    """A day of NIFTY and BANKNIFTY as a session leaves it: raw quotes, and no derived row yet."""
    day = market.small_day()
    lake = lake_of(root)
    lake.write_live("conventions", market.FRIDAY, "day", day.conventions.to_frame())
    lake.write_live("instruments", market.FRIDAY, "day", day.instruments)
    lake.write_live("expiries", market.FRIDAY, "day", day.expiries)
    for seed, clock in enumerate(CLOCKS):
        quotes = market.snapshot(day, clock, market.market(day, market.at(clock), seed))
        name = f"s{clock.replace(':', '')}00"
        lake.write_live(QUOTES, market.FRIDAY, name, quotes)
        rows = market.snapshots_of(quotes, day, full=[market.at(clock)])
        lake.write_live(SNAPSHOTS, market.FRIDAY, name, rows)
    return lake


def seal_captured(lake: Lake, warehouse: Warehouse) -> None:
    seal_day(lake, market.FRIDAY, lambda lake_, day: derive_day(lake_, day, market.calendar()), warehouse.swap)


def test_a_day_is_derived_from_its_quotes_with_its_own_conventions(root: DataRoot) -> None:
    lake = captured_day(root)
    seal_captured(lake, Warehouse(root))
    chain = lake.read(OPTION_CHAIN, market.FRIDAY)
    legs = lake.read(QUOTES, market.FRIDAY).query("contract_type == 'option'")
    assert len(chain) == len(legs) > 300
    assert len(lake.read(OVERVIEW, market.FRIDAY)) == 2 * len(CLOCKS)
    assert len(lake.read(EXPIRY_OVERVIEW, market.FRIDAY)) == 6 * len(CLOCKS)
    assert chain["forward"].notna().all()
    assert trading_day(lake, market.FRIDAY, market.calendar()).conventions == market.small_day().conventions


def test_deriving_one_index_again_replaces_its_files_and_nothing_else(root: DataRoot) -> None:
    lake = captured_day(root)
    seal_captured(lake, Warehouse(root))
    before = closed_files(root)
    derived = ("option_chain", "expiry_overview", "overview", "daily_summary")
    chain = lake.read(OPTION_CHAIN, market.FRIDAY, underlying="NIFTY")
    for name in derived:
        (root.lake / name / "closed" / "trade_date=2025-08-29" / "NIFTY.parquet").write_bytes(b"damaged")
    inodes = {path: path.stat().st_ino for path in root.lake.glob("*/closed/*/*.parquet")}
    written = replace_index_files(lake, market.FRIDAY, "NIFTY", market.calendar())
    assert written == {
        "option_chain": len(chain),
        "expiry_overview": 4 * len(CLOCKS),
        "overview": len(CLOCKS),
        "daily_summary": 1,
    }
    assert closed_files(root) == before
    changed = {path for path, inode in inodes.items() if path.stat().st_ino != inode}
    assert changed == {root.lake / name / "closed" / "trade_date=2025-08-29" / "NIFTY.parquet" for name in derived}
    assert {written_by(path.read_bytes()) for path in changed} == {CODE_VERSION}


def test_an_index_or_a_day_that_cannot_be_derived_again_is_refused(root: DataRoot) -> None:
    lake = captured_day(root)
    with pytest.raises(SealError, match="2025-08-29 is not sealed"):
        replace_index_files(lake, market.FRIDAY, "NIFTY", market.calendar())
    seal_captured(lake, Warehouse(root))
    with pytest.raises(SealError, match="no quotes of 'SENSEX'; it has BANKNIFTY, NIFTY"):
        replace_index_files(lake, market.FRIDAY, "SENSEX", market.calendar())


def test_a_day_without_quotes_seals_to_empty_tables(root: DataRoot) -> None:
    lake = lake_of(root)
    made.write_opening(lake, FRIDAY)
    seal_day(lake, FRIDAY, lambda lake_, day: derive_day(lake_, day, market.calendar()), Warehouse(root).swap)
    assert lake.sealed[FRIDAY].rows["option_chain"] == 0
    assert seen(root, FRIDAY) == 0
