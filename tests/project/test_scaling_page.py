"""The plan on paper is computed from what was measured, and says which figure is missing."""

import pytest

from g6_market.indices import INDICES as KNOWN
from g6_market.schema import STORED_TABLES
from tools.scaling_page import (
    BEGIN,
    DOCUMENT,
    END,
    FILES_A_DAY,
    INDICES,
    NEEDED,
    TEN_YEARS,
    core_hours,
    filled,
    plan_table,
)

MEASURED = {
    "backfill_cpu_seconds_per_million_legs": 10.0,
    "backfill_event_bytes": 2000.0,
    "backfill_queue_cpu_seconds_per_chunk": 5.0,
    "backfill_queue_seconds_per_chunk": 4.0,
    "backfill_two_worker_speedup": 1.8,
    "backfill_worker_peak_mb": 450.0,
    "bytes_per_leg": 26.0,
}
RESULTS = [{"name": name, "value": value} for name, value in MEASURED.items()]


def test_ten_years_of_full_chains_by_hand() -> None:
    legs = 10 * 250 * 375 * 3864
    assert legs == TEN_YEARS.legs
    assert core_hours(TEN_YEARS, MEASURED) == pytest.approx((legs / 1e6 * 10 + 720 * 5) / 3600)
    table = plan_table(RESULTS)
    assert f"{legs * 26 / 1e12:,.2f} TB" in table
    assert "8 of 60 calls: fits, 13%" in table
    assert "8 s for a chain that is due each 1 s: **does not fit**" in table
    assert "90,000 events, 0.2 GB" in table


def test_a_day_has_as_many_files_as_the_plan_counts() -> None:
    by_index = [table for table in STORED_TABLES if table.split is not None and table.name != "healing"]
    assert len(KNOWN) == INDICES
    assert len(by_index) * INDICES <= FILES_A_DAY <= (len(by_index) + 1) * INDICES


@pytest.mark.parametrize("name", NEEDED)
def test_a_figure_that_was_not_measured_is_named(name: str) -> None:
    with pytest.raises(KeyError, match=name):
        plan_table(row for row in RESULTS if row["name"] != name)


def test_the_page_has_its_place_for_the_plan() -> None:
    page = filled(DOCUMENT.read_text(encoding="utf-8"), RESULTS)
    assert page.count(BEGIN) == page.count(END) == 1
    assert "core hours in 720 shares" in page
