"""One entry for the live loop and the seal: the same numbers from both, and those of the recorded day."""

import time
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from market_data import Recorded, at, market, recorded_day, small_day, snapshots_of

from g6_market.derive import Derived, derive
from g6_market.quotes import quotes_frame
from g6_market.schema import EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW, QUOTES, conform, empty_frame

TABLES = {"option_chain": OPTION_CHAIN, "expiry_overview": EXPIRY_OVERVIEW, "overview": OVERVIEW}
README_FORWARDS = {"2025-09-02": (24570.29, 0.23), "2025-09-09": (24607.18, 0.64), "2025-09-30": (24681.32, 1.93),
                   "2025-10-28": (24798.59, 3.25)}  # fmt: skip


def live(quotes: pd.DataFrame, snapshots: pd.DataFrame, day) -> list[Derived]:
    """Snapshot by snapshot, as the capture loop derives them."""
    steps: list[Derived] = []
    for due in sorted(quotes["snapshot_at"].unique()):
        one = quotes[quotes["snapshot_at"] == due], snapshots[snapshots["snapshot_at"] == due]
        steps.append(derive(*one, day, steps[-1].totals if steps else None))
    return steps


def assert_same(steps: list[Derived], whole: Derived) -> None:
    for name in TABLES:
        parts = pd.concat([getattr(step, name) for step in steps], ignore_index=True)
        pd.testing.assert_frame_equal(parts, getattr(whole, name), check_exact=True)
    pd.testing.assert_frame_equal(steps[-1].totals, whole.totals, check_exact=True)


@pytest.fixture(scope="module")
def synthetic() -> tuple[pd.DataFrame, pd.DataFrame]:
    day = small_day()
    dues = [at("09:16:00") + timedelta(minutes=n) for n in range(8)]
    # Some snapshots lack legs; every third is a full chain, but for a first one that is not.
    frames = [
        quotes_frame(market(day, due, n, absent=(0.3 if n % 2 else 0.0)), day, due, 1) for n, due in enumerate(dues)
    ]
    quotes = pd.concat(frames, ignore_index=True)
    return quotes, snapshots_of(quotes, day, full=dues[1::3])


def test_a_day_at_once_is_its_snapshots_one_by_one(synthetic: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    quotes, snapshots = synthetic
    day = small_day()
    whole = derive(quotes, snapshots, day)
    assert whole.expiry_overview["call_oi"].isna().sum() == 6
    assert whole.option_chain["iv"].notna().mean() > 0.3
    assert_same(live(quotes, snapshots, day), whole)


def test_the_order_of_the_quotes_does_not_matter(synthetic: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    quotes, snapshots = synthetic
    day = small_day()
    shuffled = quotes.sample(frac=1, random_state=1), snapshots.sample(frac=1, random_state=2)
    assert_same([derive(quotes, snapshots, day)], derive(*shuffled, day))


def test_deriving_one_index_gives_its_rows_of_the_whole(synthetic: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    quotes, snapshots = synthetic
    day = small_day()
    whole = derive(quotes, snapshots, day)
    mine = quotes[quotes["underlying"].isin(["NIFTY", "INDIAVIX"])]
    alone = derive(mine, snapshots[snapshots["underlying"] == "NIFTY"], day)
    for name in TABLES:
        table = getattr(whole, name)
        expected = table[table["underlying"] == "NIFTY"].reset_index(drop=True)
        pd.testing.assert_frame_equal(getattr(alone, name), expected, check_exact=True)


def test_every_table_conforms_to_the_schema(synthetic: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    result = derive(*synthetic, small_day())
    for name, table in TABLES.items():
        frame = getattr(result, name)
        pd.testing.assert_frame_equal(conform(frame, table), frame)
        assert not frame.duplicated(list(table.key)).any()


def test_an_instrument_set_read_back_from_storage_derives_the_same(
    synthetic: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    day = small_day()
    conventions = type(day.conventions).from_frame(day.conventions.to_frame())
    assert conventions == day.conventions
    again = type(day)(
        day.session, conventions, day.instruments.sample(frac=1, random_state=3), day.expiries[::-1], day.calendar
    )
    assert_same([derive(*synthetic, day)], derive(*synthetic, again))


def test_nothing_received_gives_empty_tables_and_keeps_the_totals(
    synthetic: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    day = small_day()
    totals = derive(*synthetic, day).totals
    quotes = synthetic[0]
    for nothing in (empty_frame(QUOTES), quotes[quotes["contract_type"] != "option"]):
        result = derive(nothing, synthetic[1], day, totals)
        assert result.option_chain.empty
        assert result.overview.empty
        assert result.totals is totals


def test_a_snapshot_costs_little(synthetic: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    day = small_day()
    quotes, snapshots = synthetic
    due = quotes["snapshot_at"].iloc[0]
    one = quotes[quotes["snapshot_at"] == due], snapshots[snapshots["snapshot_at"] == due]
    derive(*one, day)
    start = time.process_time()
    for _ in range(5):
        derive(*one, day)
    # Measured 7 ms on two idle cores; the bound only catches work that grew by the row or the chain.
    assert (time.process_time() - start) / 5 < 0.08


@pytest.fixture(scope="module")
def recorded(reference_data: Path) -> Recorded:
    return recorded_day(reference_data)


@pytest.fixture(scope="module")
def recorded_numbers(recorded: Recorded) -> Derived:
    return derive(recorded.quotes, recorded.snapshots, recorded.day)


@pytest.mark.reference
def test_forwards_of_the_recorded_day_are_those_of_its_readme(recorded_numbers: Derived) -> None:
    # The README averaged K + C - P over strikes around 24,500 in the answer stamped 12:00:20; ours discount.
    rows = recorded_numbers.expiry_overview
    rows = rows[(rows["snapshot_at"] == pd.Timestamp("2025-08-29 12:01")) & (rows["underlying"] == "NIFTY")]
    assert len(rows) == 4
    for _, row in rows.iterrows():
        mean, deviation = README_FORWARDS[f"{row['expiry']:%Y-%m-%d}"]
        expected = 24500 + (mean - 24500) * np.exp(0.065 * row["t_years"])
        assert row["forward"] == pytest.approx(expected, abs=max(0.5, deviation))
        assert row["forward_source"] == "parity_mid"
        assert row["forward_pairs"] >= 11


@pytest.mark.reference
def test_totals_of_the_recorded_day_are_those_of_brute_force(recorded: Recorded, recorded_numbers: Derived) -> None:
    lots = {"NIFTY": 75, "BANKNIFTY": 35}
    checked = 0
    rows = recorded_numbers.expiry_overview.set_index(["underlying", "snapshot_at", "expiry"])
    for underlying, source in recorded.source.items():
        for (due, expiry), legs in source.groupby(["due", "expiry"]):
            if (underlying, due, expiry) not in rows.index:
                continue
            row = rows.loc[(underlying, due, expiry)]
            calls, puts = ((legs[f"{side}_OI"] * lots[underlying]).round().to_numpy() for side in ("CALLS", "PUTS"))
            strikes = legs["Strike_Price"].to_numpy(dtype=float)
            assert row["pcr_oi"] == pytest.approx(puts.sum() / calls.sum(), rel=1e-12)
            volumes = legs["PUTS_Volume"].sum() / legs["CALLS_Volume"].sum()
            assert row["pcr_volume"] == pytest.approx(volumes, rel=1e-12)
            pain = [(calls * np.maximum(k - strikes, 0) + puts * np.maximum(strikes - k, 0)).sum() for k in strikes]
            assert row["max_pain"] == strikes[np.array(pain) == min(pain)].min()
            near = np.argsort(np.argsort(strikes)) - int((strikes < row["atm_strike"]).sum())
            near = np.abs(near) <= 10
            assert row["call_oi_near"] == calls[near].sum()
            assert row["put_oi_near"] == puts[near].sum()
            checked += 1
    assert checked == len(rows) == len(recorded.snapshots)


@pytest.mark.reference
def test_a_stretch_of_the_recorded_day_is_the_same_live_and_sealed(
    recorded: Recorded, recorded_numbers: Derived
) -> None:
    first, last = pd.Timestamp("2025-08-29 10:00"), pd.Timestamp("2025-08-29 10:40")
    part = recorded.quotes[recorded.quotes["snapshot_at"].between(first, last)]
    steps = live(part, recorded.snapshots, recorded.day)
    for name in TABLES:
        table = getattr(recorded_numbers, name)
        expected = table[table["snapshot_at"].between(first, last)].reset_index(drop=True)
        got = pd.concat([getattr(step, name) for step in steps], ignore_index=True)
        pd.testing.assert_frame_equal(got, expected, check_exact=True)


@pytest.mark.reference
def test_the_recorded_day_has_ivs_wherever_there_is_a_market(recorded_numbers: Derived) -> None:
    chain = recorded_numbers.option_chain
    near = chain[chain["strike_offset"].abs() <= 10]
    known = near["iv"].notna().groupby([near["underlying"], near["expiry"]], observed=True).mean()
    # BANKNIFTY's second month has hardly any books.
    assert known.loc[("BANKNIFTY", "2025-10-28")] > 0.75
    assert (known.drop(("BANKNIFTY", pd.Timestamp("2025-10-28"))) > 0.999).all()
    assert near["iv"].dropna().between(0.05, 0.5).all()
    assert (chain["iv"].isna() == chain["iv_reason"].notna()).all()
    assert chain["spot"].isna().all()
