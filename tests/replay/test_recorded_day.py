"""A recorded real day goes through the whole platform and comes out as it was recorded: what "works" means.

The expectations are computed here straight from the recording's files, by other code than the platform's.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from g6 import connect
from tests.stack.conftest import PROJECT

pytestmark = [pytest.mark.reference, pytest.mark.slow]

DAY = date(2025, 8, 29)
FOLDER = "nse-option-chain-minute-2025-08"
WORLD = f"replay-{FOLDER}"
LOT = {"NIFTY": 75, "BANKNIFTY": 35}
TAGS = {"NIFTY": 4, "BANKNIFTY": 2}
DUES = [datetime(2025, 8, 29, 9, 15) + timedelta(minutes=n) for n in range(1, 376)]  # noqa: DTZ001 - IST wall clock
RECORDED = {  # ours: the recording's column, in its own units
    "last_price": "LTP", "bid_price": "Bid_Price", "ask_price": "Ask_Price",
    "bid_quantity": "Bid_Qty", "ask_quantity": "Ask_Qty", "volume": "Volume", "oi": "OI",
}  # fmt: skip


def run_demo(folder: Path, recordings: Path, day: str) -> subprocess.CompletedProcess[str]:
    config = json.loads((PROJECT / "config" / "g6_config.json").read_text(encoding="utf-8"))
    config.pop("$schema", None)
    config["data_dir"] = str(folder)
    (folder / "settings.json").write_text(json.dumps(config), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "g6", "demo", "--replay", str(recordings), "--date", day],
        cwd=PROJECT,
        env=os.environ | {"G6_CONFIG": str(folder / "settings.json")},
        capture_output=True,
        text=True,
        timeout=900,
    )


@pytest.fixture(scope="module")
def recordings(reference_data: Path) -> Path:
    return reference_data / FOLDER


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, recordings: Path) -> Path:
    folder = tmp_path_factory.mktemp("replay")
    done = run_demo(folder, recordings, "2025-08-29")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / WORLD


@pytest.fixture(scope="module")
def recording(recordings: Path) -> pd.DataFrame:
    """One row per index, stamp and contract, of repeated stamps the last collected, in units of the underlying."""
    parts: list[pd.DataFrame] = []
    for index, lot in LOT.items():
        raw = pd.read_parquet(recordings / f"{index}_20250829.parquet")
        raw["at"] = pd.to_datetime(raw["Fetch_Time"].astype(str), format="%d-%b-%Y %H:%M:%S")
        raw["expiry"] = pd.to_datetime(raw["Expiry_Date"].astype(str), format="%d-%b-%Y")
        raw["collected"] = raw["collection_timestamp"].astype(str)
        raw = raw.sort_values("collected", kind="stable").drop_duplicates(["at", "expiry", "Strike_Price"], keep="last")
        for side, kind in (("CALLS", "CE"), ("PUTS", "PE")):
            leg = pd.DataFrame({name: raw[f"{side}_{column}"].astype(float) for name, column in RECORDED.items()})
            for name in ("volume", "oi"):
                leg[name] = (leg[name] * lot).round()
            for name in ("last_price", "bid_price", "ask_price"):
                leg[name] = leg[name].where(leg[name] > 0)
            keys = {
                "underlying": index,
                "at": raw["at"],
                "expiry": raw["expiry"],
                "strike": raw["Strike_Price"].astype(float),
            }
            parts.append(leg.assign(**keys, option_type=kind))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def stamps(recording: pd.DataFrame) -> dict[str, np.ndarray]:
    return {index: np.sort(rows["at"].unique()) for index, rows in recording.groupby("underlying")}


def stamp_as_of(stamps: np.ndarray, due: datetime) -> np.datetime64 | None:
    """The newest stamp in (due - 60 s, due], None where there is none: that instant is a gap."""
    place = np.searchsorted(stamps, np.datetime64(due), side="right") - 1
    if place < 0 or stamps[place] <= np.datetime64(due - timedelta(seconds=60)):
        return None
    return stamps[place]


@pytest.fixture(scope="module")
def expected(recording: pd.DataFrame, stamps: dict[str, np.ndarray]) -> pd.DataFrame:
    """The recording as of each due instant that has one."""
    due_stamps = [
        {"underlying": index, "snapshot_at": due, "at": stamp}
        for index in LOT
        for due in DUES
        if (stamp := stamp_as_of(stamps[index], due)) is not None
    ]
    return pd.DataFrame(due_stamps).merge(recording, on=["underlying", "at"])


@pytest.fixture(scope="module")
def db(root: Path) -> Iterator:
    with connect(root) as connection:
        yield connection


def test_every_stored_leg_equals_the_recording_as_of_its_instant(db, expected: pd.DataFrame) -> None:
    stored = db.sql(
        """select snapshot_at, underlying, expiry, strike, option_type, exchange_at, last_price, bid_price, ask_price,
                  bid_quantity, ask_quantity, volume, oi
           from quotes where contract_type = 'option'"""
    )
    stored["expiry"] = pd.to_datetime(stored["expiry"])
    keys = ["snapshot_at", "underlying", "expiry", "strike", "option_type"]
    assert not stored.duplicated(keys).any()
    both = stored.merge(expected, on=keys, suffixes=("", "_recorded"), how="left", validate="one_to_one")
    assert len(both) == len(stored) > 300_000
    assert (both["exchange_at"] == both["at"]).all()
    for name in RECORDED:
        ours, theirs = both[name].astype(float), both[f"{name}_recorded"]
        differs = ~((ours == theirs) | (ours.isna() & theirs.isna()))
        assert not differs.any(), both.loc[differs, [*keys, name, f"{name}_recorded"]].head()


def test_no_recorded_leg_of_the_tagged_expiries_is_left_out(db, expected: pd.DataFrame) -> None:
    tagged = db.sql("select underlying, expiry from expiries group by all")
    tagged["expiry"] = pd.to_datetime(tagged["expiry"])
    counted = db.sql("select underlying, count(*) as n from quotes where contract_type = 'option' group by 1")
    wanted = expected.merge(tagged, on=["underlying", "expiry"]).groupby("underlying").size()
    assert dict(zip(counted["underlying"], counted["n"], strict=True)) == wanted.to_dict()


def test_nifty_has_four_tags_and_banknifty_two(db) -> None:
    tags = db.sql("select underlying, expiry_tag, expiry from expiries order by all")
    assert tags.groupby("underlying")["expiry_tag"].nunique().to_dict() == TAGS
    month = tags[(tags["underlying"] == "NIFTY") & (tags["expiry_tag"] == "this_month")]["expiry"].iloc[0]
    assert pd.Timestamp(month) == pd.Timestamp(2025, 9, 30)


def test_the_full_chain_ratios_and_max_pain_agree_with_the_source(db, recording: pd.DataFrame, stamps) -> None:
    ours = db.sql(
        """select snapshot_at, underlying, expiry, pcr_oi, pcr_volume, max_pain, oi_as_of
           from expiry_overview where pcr_oi is not null"""
    )
    assert len(ours) > 1000
    chains = dict(iter(recording.groupby(["underlying", "at", "expiry"])))
    known: dict[tuple, tuple[float, float, float]] = {}
    for row in ours.itertuples(index=False):
        at = stamp_as_of(stamps[row.underlying], row.oi_as_of.to_pydatetime())
        key = (row.underlying, pd.Timestamp(at), pd.Timestamp(row.expiry))
        if key not in known:
            known[key] = brute_force(chains[key])
        pcr_oi, pcr_volume, pain = known[key]
        assert row.pcr_oi == pytest.approx(pcr_oi, rel=1e-12, abs=1e-12), key
        assert row.pcr_volume == pytest.approx(pcr_volume, rel=1e-12, abs=1e-12, nan_ok=True), key
        assert row.max_pain == pain, key


def brute_force(chain: pd.DataFrame) -> tuple[float, float, float]:
    """PCR by OI and by volume, and max pain, by the definition, over one chain."""
    is_call = chain["option_type"].to_numpy() == "CE"
    strike, oi, volume = (chain[name].fillna(0).to_numpy() for name in ("strike", "oi", "volume"))
    at = np.unique(strike)[:, None]
    pain = np.where(is_call, np.maximum(at - strike, 0), np.maximum(strike - at, 0)) @ oi
    call_oi, call_volume = oi[is_call].sum(), volume[is_call].sum()
    by_volume = volume[~is_call].sum() / call_volume if call_volume else float("nan")
    return oi[~is_call].sum() / call_oi, by_volume, float(at[int(np.argmin(pain)), 0])


def test_the_gaps_are_the_instants_that_the_recording_lacks(db, stamps: dict[str, np.ndarray]) -> None:
    ours = db.sql("select distinct underlying, snapshot_at from gaps")
    lacking = {(index, due) for index in LOT for due in DUES if stamp_as_of(stamps[index], due) is None}
    assert {(u, at.to_pydatetime()) for u, at in zip(ours["underlying"], ours["snapshot_at"], strict=True)} == lacking


def test_what_the_recording_lacks_is_null_and_no_gap(db) -> None:
    row = db.sql(
        "select count(*) as n, count(spot) as spot, count(india_vix) as vix, count(future_near) as f from overview"
    )
    assert row.iloc[0].to_dict() == {"n": len(db.sql("select 1 from overview")), "spot": 0, "vix": 0, "f": 0}


def test_a_holiday_ends_as_market_closed_and_stores_nothing(tmp_path: Path, recordings: Path) -> None:
    done = run_demo(tmp_path, recordings, "2025-08-27")
    assert done.returncode == 0, done.stderr
    assert "market closed" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]
