"""What a seal writes and shows of many days, in a small world of two days that the platform captured and sealed."""

import base64
import io
from collections.abc import Iterator

import dagster as dg
import duckdb
import pandas as pd
import pytest
from PIL import Image

from g6_assets.analytics import overlay_numbers
from g6_market.overlay import MEASURES
from g6_market.schema import DAILY_SUMMARY, EXPIRY_OVERVIEW, OPTION_CHAIN, empty_frame
from g6_resources.overlays import read_overlay
from g6_resources.pictures import day_picture
from tests.dagster_defs.conftest import FRIDAY, THURSDAY, WIDTH, DagsterWorld, materialisations
from tests.dagster_defs.conftest import world as world  # the fixture

LARGEST_PICTURE = 60_000


@pytest.fixture
def db(world: DagsterWorld) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(world.root.warehouse), read_only=True) as connection:
        yield connection


def shown(world: DagsterWorld, asset: str) -> dg.AssetMaterialization:
    index, name = asset.split("/")
    (event,) = [
        event for event in materialisations(world.seals[FRIDAY]) if event.asset_key == dg.AssetKey([index, name])
    ]
    return event


def image_of(uri: str) -> Image.Image:
    head, _, data = uri.partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize("index", list(WIDTH))
def test_each_overview_shows_a_picture_small_enough_for_an_event(world: DagsterWorld, index: str) -> None:
    text = str(shown(world, f"{index}/overview").metadata["picture"].value)
    assert len(text) < LARGEST_PICTURE
    image = image_of(text.partition("(")[2].removesuffix(")"))
    assert image.width >= 900
    assert len(image.getcolors() or []) > 5


def test_a_day_without_rows_has_a_picture_that_says_so() -> None:
    assert image_of(day_picture("NIFTY", FRIDAY, empty_frame(EXPIRY_OVERVIEW), empty_frame(OPTION_CHAIN))).width >= 900


def test_a_seal_writes_a_row_for_each_index_and_day(db: duckdb.DuckDBPyConnection) -> None:
    found = db.execute("SELECT trade_date, underlying, snapshots FROM daily_summary ORDER BY ALL").fetchall()
    assert found == [
        (THURSDAY, "BANKNIFTY", 11),
        (THURSDAY, "NIFTY", 11),
        (FRIDAY, "BANKNIFTY", 11),  # three of them healed
        (FRIDAY, "NIFTY", 11),
    ]


def test_the_second_day_looks_back_on_the_first(db: duckdb.DuckDBPyConnection) -> None:
    query = """SELECT realised_days_used, vix_days_used, iv30_rank FROM daily_summary
    WHERE underlying = 'NIFTY' ORDER BY trade_date"""
    assert db.execute(query).fetchall() == [(0, 0, None), (1, 1, None)]


def test_a_bar_is_that_of_plain_sql(db: duckdb.DuckDBPyConnection) -> None:
    query = """
    WITH front AS (SELECT * FROM expiry_overview WHERE underlying = 'NIFTY' AND NOT settlement_window
      QUALIFY expiry = min(expiry) OVER (PARTITION BY trade_date))
    SELECT trade_date, arg_min(straddle, snapshot_at) AS open, max(straddle) AS high, min(straddle) AS low,
      arg_max(straddle, snapshot_at) AS close FROM front WHERE straddle IS NOT NULL GROUP BY trade_date ORDER BY 1"""
    stored = """SELECT trade_date, straddle_open, straddle_high, straddle_low, straddle_close FROM daily_summary
    WHERE underlying = 'NIFTY' ORDER BY 1"""
    assert db.execute(query).fetchall() == db.execute(stored).fetchall()


def test_the_fixed_straddle_is_that_of_the_macro(db: duckdb.DuckDBPyConnection) -> None:
    query = f"""SELECT min(strike), max(straddle), arg_max(straddle, snapshot_at)
    FROM fixed_straddle('NIFTY', 'front', '{FRIDAY}')"""
    stored = f"""SELECT fixed_strike, fixed_straddle_high, fixed_straddle_close FROM daily_summary
    WHERE underlying = 'NIFTY' AND trade_date = '{FRIDAY}'"""
    assert db.execute(query).fetchall() == db.execute(stored).fetchall()


def test_deriving_a_summary_again_gives_the_same_file(world: DagsterWorld) -> None:
    before = world.lake.read(DAILY_SUMMARY, FRIDAY, underlying="NIFTY")
    result = world.materialize("NIFTY/daily_summary", FRIDAY.isoformat())
    assert result.success
    pd.testing.assert_frame_equal(world.lake.read(DAILY_SUMMARY, FRIDAY, underlying="NIFTY"), before)


def test_a_first_day_of_its_weekday_has_an_overlay_of_no_days(world: DagsterWorld) -> None:
    overlay = read_overlay(world.root, "NIFTY", "front", 0, FRIDAY, 0.5)
    assert len(overlay) == 11
    assert overlay[[f"{measure}_days" for measure in MEASURES]].to_numpy().max() == 0
    assert overlay["straddle"].notna().any()
    assert shown(world, "NIFTY/weekday_overlay").metadata["days behind"].value == 0


def test_the_deviation_is_told_in_per_cent_where_it_is_known() -> None:
    at = [pd.Timestamp(f"2026-11-20 {clock}") for clock in ("09:59", "10:00", "10:01", "14:00", "14:01")]
    overlay = pd.DataFrame({"snapshot_at": at, "straddle": [99.0, 110.0, 120.0, 80.0, 90.0], "straddle_days": 3})
    overlay = overlay.assign(straddle_mean=[100.0, 100.0, 100.0, None, 100.0], straddle_ema=200.0)
    assert overlay_numbers(overlay) == {
        "snapshots": 5,
        "days behind": 3,
        "straddle over mean at 10:00 (%)": 10.0,
        "straddle over ema at 10:00 (%)": -45.0,
        "straddle over mean at close (%)": -10.0,
        "straddle over ema at close (%)": -55.0,
    }


@pytest.mark.parametrize("asset", ["NIFTY/weekday_overlay", "NIFTY/overview"])
def test_what_a_seal_shows_is_shown_again_by_materialising_it(world: DagsterWorld, asset: str) -> None:
    result = world.materialize(asset, FRIDAY.isoformat())
    assert result.success
    (event,) = materialisations(result)
    assert event.metadata == shown(world, asset).metadata


def test_an_unknown_label_is_answered_with_those_there_are(db: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.Error, match="this_week"):
        db.execute(f"FROM weekday_overlay('NIFTY', 'thisweek', 0, '{FRIDAY}')")
