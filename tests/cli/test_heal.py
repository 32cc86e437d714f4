"""`g6 heal`: a sealed day with a hole is filled, sealed again, and says so; what cannot be healed is told why."""

from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from g6_market.schema import QUOTES, SNAPSHOTS
from g6_resources.lake import Lake, LocalStore
from g6_resources.world import DataRoot
from tests.cli.conftest import FRIDAY, Command

HOLE = [pd.Timestamp(f"{FRIDAY} {clock}") for clock in ("11:00", "11:15")]


def make_a_hole(root: DataRoot) -> None:
    """Leave the day as if nothing had run at two of its instants."""
    lake, day = Lake(LocalStore(root.lake)), date.fromisoformat(FRIDAY)
    record = lake.sealed[day]
    files = {table: dict(splits) for table, splits in record.files.items()}
    for table in (QUOTES, SNAPSHOTS):
        for split in files[table.name]:
            rows = lake.read(table, day, underlying=split)
            rows = rows[~rows["snapshot_at"].isin(HOLE)]
            lake.write_closed(table, day, split, rows)
            files[table.name][split] = len(rows)
    lake.commit(replace(record, files=files))


def test_a_hole_in_a_sealed_day_is_healed_and_the_day_sealed_again(copy: Command) -> None:
    make_a_hole(copy.root())
    query = "select count(*), count(*) filter (healed_legs > 0), any_value(cause) from gaps"
    assert copy.says("sql", query, "--format", "csv").splitlines()[1] == "10,0,process down"
    said = copy.says("heal", "--date", FRIDAY)
    assert "healed" in said
    assert f"{FRIDAY} sealed again" in said
    assert copy.says("sql", query, "--format", "csv").splitlines()[1] == "10,10,process down"
    marked = "select distinct strftime(snapshot_at, '%H:%M') as at from option_chain where source = 'candle' order by 1"
    assert copy.says("sql", marked, "--format", "csv").splitlines()[1:] == ["11:00", "11:15"]
    again = copy.says("heal", "--date", FRIDAY)
    assert "no leg is missing that candles were not asked for" in again
    assert "sealed again" not in again


@pytest.mark.parametrize(
    ("day", "message"),
    [
        ("2026-11-19", "nothing is stored of 2026-11-19 in sim:42; days with data: 2026-11-20"),
        ("2026-11-21", "2026-11-21 has no session (Saturday), so there is nothing to heal"),
        ("friday", "--date 'friday' is no date; write it as YYYY-MM-DD"),
    ],
)
def test_a_day_that_cannot_be_healed_is_told_why(demo: Command, day: str, message: str) -> None:
    assert message in demo.refuses("heal", "--date", day)
