"""A healed day as readers see it: gaps keep their history, healed rows say so, a day sealed again is all or nothing."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pandas as pd
import pytest

from g6_assets.capture.interrupted import record_interrupted
from g6_assets.definitions import build_resources
from g6_assets.heal import HealReport
from g6_assets.heal_sensor import heal_gaps, wanting_days
from g6_market.quality import day_findings
from g6_market.schema import OPTION_CHAIN, OVERVIEW, QUOTES, SNAPSHOTS
from g6_resources.clock import SystemTime, write_clock
from g6_resources.lake import LocalStore
from g6_resources.sealing import derive_day, trading_day
from g6_resources.settings import load_settings
from tests.capture.harness import DAY, Desk, Killed, StoreKilledAfter, at, dues, wall
from tests.healing.conftest import DEAD, DOWN, PARTIAL, Holed, copy_of


def ask(holed: Holed, query: str, *values: Any) -> pd.DataFrame:
    with duckdb.connect(str(holed.root.warehouse), read_only=True) as views:
        return views.execute(query, values).df()


GAPS = """
SELECT snapshot_at, any_value(cause) AS cause, any_value(since) AS since, sum(missing_legs) AS missing,
  sum(healed_legs) AS healed, sum(unfillable_legs) AS unfillable, max(healed_at) AS healed_at,
  any_value(outcome) AS outcome
FROM gaps GROUP BY snapshot_at ORDER BY snapshot_at"""


def test_gaps_say_why_since_when_and_what_was_healed(holed: Holed) -> None:
    holed.warehouse.rebuild()
    before = ask(holed, GAPS).set_index("snapshot_at")
    assert list(before.index) == [*dues("09:20", "14:25"), *map(wall, (*DOWN, *PARTIAL, *DEAD))]
    expected = {"14:25": ("process down", "09:20"), "14:50": ("server error", "14:40")}
    expected |= {"15:05": ("absent in answer", "15:05"), "15:15": ("absent in answer", "15:15")}
    expected |= {"15:20": ("token dead", "15:20"), "15:25": ("token dead", "15:20")}
    for clock, (cause, since) in expected.items():
        assert tuple(before.loc[wall(clock), ["cause", "since"]]) == (cause, wall(since))
    assert before["healed_at"].isna().all()
    assert (before[["healed", "unfillable"]] == 0).all(axis=None)
    assert before.loc[wall("14:25"), "outcome"] == "missing"

    holed.heal()
    after = ask(holed, GAPS).set_index("snapshot_at")
    same = ["cause", "since", "missing", "outcome"]
    pd.testing.assert_frame_equal(after[same], before[same])
    assert (after["healed"] > 0).all()
    assert after["healed_at"].notna().all()
    partial = after.loc[[wall(clock) for clock in PARTIAL]]
    assert (partial["healed"] + partial["unfillable"] == partial["missing"]).all()
    assert partial["unfillable"].sum() > 0

    holed.seal()
    pd.testing.assert_frame_equal(ask(holed, GAPS).set_index("snapshot_at"), after)


def test_healed_rows_can_be_told_and_left_out_everywhere(holed: Holed) -> None:
    holed.heal()
    holed.seal()
    healed = {*dues("09:20", "14:25"), *map(wall, (*DOWN, *PARTIAL, *DEAD))}
    for table in ("option_chain", "expiry_overview", "overview", "offset_series", "quotes"):
        marked = ask(holed, f"SELECT DISTINCT snapshot_at FROM {table} WHERE source = 'candle'")
        assert set(marked["snapshot_at"]) == healed, table
        plain = ask(holed, f"SELECT DISTINCT snapshot_at FROM {table} WHERE source <> 'candle'")
        assert {wall("14:30"), wall("15:40")} <= set(plain["snapshot_at"]), table
    # What a candle knows is enough for the forward, the straddle and implied volatility.
    rows = ask(holed, "SELECT * FROM expiry_overview WHERE source = 'candle' AND snapshot_at < ?", wall("14:25"))
    front = rows[rows["expiry"] == rows["expiry"].min()]
    assert front[["forward", "straddle", "atm_iv", "spot"]].notna().all(axis=None)
    assert set(rows["forward_source"]) == {"parity_last"}
    overview = ask(holed, "SELECT * FROM overview WHERE source = 'candle'")
    assert overview[["spot", "india_vix", "future_near", "day_width"]].notna().all(axis=None)


def test_a_sealed_day_is_healed_by_sealing_it_again(healed_late: Holed, tmp_path: Path) -> None:
    holed = copy_of(healed_late.desk, tmp_path)
    sealed = holed.lake.sealed[DAY]
    assert ask(holed, "SELECT count(*) AS n FROM quotes WHERE source = 'candle'")["n"][0] == 0
    assert "wait to be taken in" in wanting_days(holed.lake, holed.desk.calendar, holed.desk.now())[DAY]
    holed.seal()
    assert holed.lake.unsealed_days() == []
    assert not any(holed.lake.live_files(DAY).values())
    again = holed.lake.sealed[DAY]
    assert again.rows["quotes"] == sealed.rows["quotes"] + again.rows["healing"] - _without(holed)
    assert again.rows["snapshots"] == sealed.rows["snapshots"]
    # A further healing of the sealed day knows what was asked for.
    holed.desk.control.clear_log()
    assert holed.heal().missing == 0
    assert holed.asked() == []
    assert wanting_days(holed.lake, holed.desk.calendar, holed.desk.now()) == {}


def _without(holed: Holed) -> int:
    return int((holed.healing()["outcome"] != "healed").sum())


class Interrupted(Exception):
    """Stands for a kill at a chosen moment."""


class Interruptible(LocalStore):
    """A store that dies before its n-th change."""

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


def counts(holed: Holed) -> tuple[int, ...]:
    tables = (QUOTES, OPTION_CHAIN, OVERVIEW)
    return tuple(int(ask(holed, f"SELECT count(*) AS n FROM {t.name}")["n"][0]) for t in tables)


def closed_files(holed: Holed) -> dict[str, bytes]:
    files = holed.root.lake.glob("*/closed/*2026*/*.parquet")
    return {str(file.relative_to(holed.root.lake)): file.read_bytes() for file in files}


@pytest.mark.parametrize("moment", [14, 18, 29])  # 14 files staged, put in place, a record, live files
def test_a_reseal_that_dies_leaves_the_day_whole_and_is_repeated_with_the_same_result(
    healed_late: Holed, tmp_path: Path, moment: int, once: dict[str, Any]
) -> None:
    holed = copy_of(healed_late.desk, tmp_path)
    before = counts(holed)
    with pytest.raises(Interrupted):
        holed.seal(Interruptible(holed.root.lake, moment))
    assert all(old <= now for old, now in zip(before, counts(holed), strict=True))
    assert DAY in wanting_days(holed.lake, holed.desk.calendar, holed.desk.now())
    holed.seal()
    files = closed_files(holed)
    assert files == once.setdefault("files", files)
    assert counts(holed) == once.setdefault("counts", counts(holed))


@pytest.fixture(scope="module")
def once() -> dict[str, Any]:
    return {}


def test_a_snapshot_whose_session_died_in_it_has_its_rows_when_the_day_is_sealed(holed: Holed) -> None:
    path = f"snapshots/live/trade_date={DAY}/s153500.parquet"
    rows = holed.lake.read_live(SNAPSHOTS, DAY, names=["s153500"])
    holed.lake.store.delete(path)
    assert record_interrupted(holed.lake, holed.day, holed.root.session_state_file) == [at("15:35")]
    made = holed.lake.read_live(SNAPSHOTS, DAY, names=["s153500"])
    pd.testing.assert_frame_equal(
        made.drop(columns=["received_at", "latency_ms"]), rows.drop(columns=["received_at", "latency_ms"])
    )
    assert record_interrupted(holed.lake, holed.day, holed.root.session_state_file) == []


def test_a_session_that_dies_at_its_last_quotes_leaves_no_unexplained_minute(holed: Holed) -> None:
    for table in (QUOTES, SNAPSHOTS, OPTION_CHAIN, OVERVIEW):
        holed.lake.store.delete(f"{table.name}/live/trade_date={DAY}/s154000.parquet")
    holed.lake.store.delete(f"expiry_overview/live/trade_date={DAY}/s154000.parquet")
    holed.desk.set_clock("15:36")
    with pytest.raises(Killed):
        holed.desk.launch(store=StoreKilledAfter(holed.root.lake, 1)).run()
    assert holed.lake.live_names(QUOTES, DAY)[-1] == "s154000"
    assert "s154000" not in holed.lake.live_names(SNAPSHOTS, DAY)
    holed.desk.set_clock("15:46")
    assert record_interrupted(holed.lake, holed.day, holed.root.session_state_file) == [at("15:40")]
    holed.seal()
    rows = holed.desk.snapshots()
    assert set(rows.loc[rows["snapshot_at"] == wall("15:40"), "outcome"]) == {"stored"}
    assert ask(holed, "SELECT count(*) AS n FROM gaps WHERE snapshot_at = ?", wall("15:40"))["n"][0] == 0


def test_the_sensor_asks_for_a_seal_run_of_the_day_and_says_what_is_in_its_way(
    healed_late: Holed, tmp_path: Path
) -> None:
    holed = copy_of(healed_late.desk, tmp_path)
    resources = build_resources(load_settings(), holed.root)
    with dg.DagsterInstance.ephemeral() as instance:

        def tick() -> dg.RunRequest | dg.SkipReason:
            return heal_gaps(dg.build_sensor_context(instance=instance, resources=resources))  # pyright: ignore

        driven = tick()
        assert isinstance(driven, dg.SkipReason)
        assert "`g6 heal` heals a day of it" in str(driven.skip_message)
        write_clock(holed.root.clock_file, "shifted", offset=at("16:46") - SystemTime().now())
        asked = tick()
        assert isinstance(asked, dg.RunRequest)
        assert (asked.partition_key, asked.run_key) == (str(DAY), f"heal:{DAY}:1")
        assert asked.run_config == {"ops": {"candles": {"config": {"minutes": 20.0}}}}
        holed.root.token_file.unlink()
        without = tick()
        assert isinstance(without, dg.SkipReason)
        assert "2026-11-20 could be healed, but there is no session token" in str(without.skip_message)
        # A month later nothing of it is a matter for this sensor.
        write_clock(holed.root.clock_file, "shifted", offset=timedelta(days=30))
        later = tick()
        assert isinstance(later, dg.SkipReason)
        assert later.skip_message == "nothing of the last 5 sessions is left to heal"


def test_the_checks_judge_the_capture_whatever_was_healed_since(
    healed: tuple[Holed, HealReport], captured: Desk
) -> None:
    # The forward of a partial snapshot that is healed now is no captured one.
    of_forwards = ("forward_dispersion", "forward_move", "atm_iv_jump")

    def findings(desk: Desk) -> list[tuple[str, str, str]]:
        lake = desk.lake
        quotes, snapshots = lake.read(QUOTES, DAY), lake.read(SNAPSHOTS, DAY)
        tables = derive_day(lake, DAY, desk.calendar) | {"quotes": quotes, "snapshots": snapshots}
        found = day_findings("NIFTY", tables, trading_day(lake, DAY, desk.calendar))
        return [(one.check, one.status, "" if one.check in of_forwards else one.description) for one in found]

    assert findings(healed[0].desk) == findings(captured)
