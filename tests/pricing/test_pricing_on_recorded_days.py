"""The bounds of the conventions on recorded market data: call and put agree, the exchange's own volatility comes back.

Where call and put of one strike are compared, the forward is estimated from the other strikes.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from g6_market.pricing.black76 import greeks, price
from g6_market.pricing.forward import parity_forward
from g6_market.pricing.implied import implied_volatility
from g6_market.pricing.legs import price_legs

pytestmark = pytest.mark.reference

RATE, TICK = 0.065, 0.05
SETTLED = pd.Timedelta(hours=15, minutes=30)  # the regime of both recordings
CHAIN = ["underlying", "at", "expiry"]
SIDES = {"call": "CALLS", "put": "PUTS"}


def nse_day(folder: Path, underlying: str) -> pd.DataFrame:
    path = folder / "nse-option-chain-minute-2025-08" / f"{underlying}_20250829.parquet"
    raw = pd.read_parquet(path).drop_duplicates(["Fetch_Time", "Expiry_Date", "Strike_Price"], keep="last")
    pairs = pd.DataFrame(
        {
            "underlying": underlying,
            "at": pd.to_datetime(raw["Fetch_Time"].astype(str), format="%d-%b-%Y %H:%M:%S"),
            "expiry": pd.to_datetime(raw["Expiry_Date"].astype(str), format="%d-%b-%Y"),
            "strike": raw["Strike_Price"].astype(float),
        }
    )
    for side, prefix in SIDES.items():
        for name, column in {"bid": "Bid_Price", "ask": "Ask_Price", "last": "LTP", "nse_iv": "IV"}.items():
            values = raw[f"{prefix}_{column}"].astype(float)
            pairs[f"{side}_{name}"] = values.where(values > 0)
        pairs[f"{side}_volume"] = raw[f"{prefix}_Volume"]
    return sorted_chains(pairs)


def kite_days(folder: Path) -> pd.DataFrame:
    raw = pd.read_csv(folder / "kite-index-chain-5min-2026-02" / "index_chain.csv.gz")
    pairs = pd.DataFrame(
        {
            "underlying": raw["Symbol"],
            "at": pd.to_datetime(raw["timestamp"]),
            "expiry": pd.to_datetime(raw["Expiry"]),
            "strike": raw["Strike"].astype(float),
        }
    )
    for side, prefix in {"call": "CE", "put": "PE"}.items():
        pairs[f"{side}_last"] = raw[f"{prefix}_LTP"].where(raw[f"{prefix}_LTP"] > 0)
        pairs[f"{side}_bid"] = pairs[f"{side}_ask"] = np.nan
        pairs[f"{side}_volume"] = raw[f"{prefix}_Volume"]
    minute = pairs["at"].dt.hour * 60 + pairs["at"].dt.minute
    return sorted_chains(pairs[(minute >= 9 * 60 + 20) & (minute < 15 * 60 + 30)])


def sorted_chains(pairs: pd.DataFrame) -> pd.DataFrame:
    pairs = pairs.sort_values([*CHAIN, "strike"], ignore_index=True)
    contract = pairs.groupby(["underlying", "expiry", "strike", pairs["at"].dt.date])
    for side in SIDES:  # a last price counts only if it was traded since the snapshot before
        pairs[f"{side}_last_fresh"] = pairs[f"{side}_last"].where(contract[f"{side}_volume"].diff() > 0)
    pairs["t_years"] = (pairs["expiry"] + SETTLED - pairs["at"]).dt.total_seconds() / (365 * 86_400)
    return pairs


def forwards(starts: np.ndarray, pairs: pd.DataFrame, left_out: np.ndarray | bool = False) -> np.ndarray:
    quoted = [name for name in pairs.columns if name.startswith(("call", "put"))]
    c = {name: np.where(left_out, np.nan, pairs[name]) for name in quoted}
    mids = [(c[f"{side}_bid"] + c[f"{side}_ask"]) / 2 for side in SIDES]
    spreads = [c[f"{side}_ask"] - c[f"{side}_bid"] for side in SIDES]
    lasts = [c[f"{side}_last_fresh"] for side in SIDES]
    t_years = pairs["t_years"].to_numpy()[starts[:-1]]
    return parity_forward(starts, pairs["strike"], *mids, *spreads, *lasts, t_years, RATE).forward


def call_put_gaps(pairs: pd.DataFrame) -> pd.DataFrame:
    """|call IV - put IV| in volatility points for the strikes ATM +- 10 of every chain."""
    changed = pairs[CHAIN].ne(pairs[CHAIN].shift()).any(axis=1)
    starts = np.append(np.flatnonzero(changed), len(pairs))
    strike = pairs["strike"].to_numpy()
    rows, tested, offsets = [], [], []
    for first, end, forward in zip(starts[:-1], starts[1:], forwards(starts, pairs), strict=True):
        if np.isfinite(forward):
            atm = first + int(np.argmin(np.abs(strike[first:end] - forward)))
            near = np.arange(max(atm - 24, first), min(atm + 25, end))
            for row in range(max(atm - 10, first), min(atm + 11, end)):
                rows.append(near)
                tested.append(row)
                offsets.append(row - atm)
    sizes = [near.size for near in rows]
    left_out = np.concatenate(rows) == np.repeat(tested, sizes)
    forward = forwards(np.cumsum([0, *sizes]), pairs.iloc[np.concatenate(rows)], left_out)
    cases = pairs.iloc[tested].reset_index(drop=True).assign(offset=offsets)
    count = len(cases)

    def both(name: str) -> np.ndarray:
        return cases[[f"call_{name}", f"put_{name}"]].to_numpy().ravel()

    legs = price_legs(
        strike=np.repeat(cases["strike"], 2),
        is_call=np.tile([True, False], count),
        bid=both("bid"),
        ask=both("ask"),
        last=both("last_fresh"),
        # With a recorded book only its mids are compared: a last price is of another moment.
        traded=np.isnan(both("bid")) & np.isnan(both("ask")),
        forward=np.repeat(forward, 2),
        t_years=np.repeat(cases["t_years"], 2),
        rate=RATE,
        tick=TICK,
        pair=np.arange(2 * count) ^ 1,
    )
    own, spread = legs.iv_own.reshape(-1, 2), (both("ask") - both("bid")) / legs.vega
    return cases.assign(gap=100 * np.abs(own[:, 0] - own[:, 1]), spread=spread.reshape(-1, 2).mean(axis=1))


@pytest.mark.parametrize(
    ("underlying", "expiries"),
    [
        ("NIFTY", ["2025-09-02", "2025-09-09", "2025-09-30", "2025-10-28"]),
        ("BANKNIFTY", ["2025-09-30", "2025-10-28"]),
    ],
)
def test_call_and_put_agree_from_mids_in_every_expiry_that_carries_a_tag(reference_data, underlying, expiries):
    gaps = call_put_gaps(nse_day(reference_data, underlying))
    for expiry in expiries:
        of_expiry = gaps[gaps["expiry"] == expiry]
        tight = of_expiry[(of_expiry["offset"] == 0) & (of_expiry["spread"] <= 1.0)]
        assert len(tight) > 250, expiry
        assert tight["gap"].median() <= 0.05, expiry
        assert tight["gap"].quantile(0.95) <= 0.20, expiry
        around = of_expiry[of_expiry["at"].isin(tight["at"])]
        assert around["gap"].median() <= 0.05, expiry


def test_call_and_put_agree_from_last_prices_in_two_weeklies_and_the_monthly(reference_data):
    """The expiry day itself is left out: hours before the fixing, two trades minutes apart differ by more than 0.1."""
    gaps = call_put_gaps(kite_days(reference_data))
    atm = gaps[(gaps["offset"] == 0) & (gaps["at"].dt.normalize() < gaps["expiry"])]
    median = atm.groupby(["underlying", "expiry"])["gap"].median()
    assert median["NIFTY", "2026-02-03"] <= 0.10
    assert median["NIFTY", "2026-02-10"] <= 0.10
    assert median["BANKNIFTY", "2026-02-24"] <= 0.10


@pytest.mark.parametrize("underlying", ["NIFTY", "BANKNIFTY"])
def test_the_exchanges_own_volatility_is_reproduced(reference_data, underlying):
    """The exchange: Black-Scholes on spot, r = 10 %, T in whole days / 365, last prices.

    The recording has no spot, so one is inferred per snapshot, the same for all expiries: the median of the spots that
    turn each exchange volatility near the money back into its last price.
    """
    pairs = nse_day(reference_data, underlying)
    columns = {"last": "price", "nse_iv": "sigma"}
    sides = [
        pairs[["at", "expiry", "strike", f"{side}_last", f"{side}_nse_iv"]]
        .rename(columns={f"{side}_{name}": short for name, short in columns.items()})
        .assign(is_call=side == "call")
        for side in SIDES
    ]
    legs = pd.concat(sides, ignore_index=True).dropna()
    legs["t_years"] = (legs["expiry"] - legs["at"].dt.normalize()).dt.days / 365
    legs["sigma"] /= 100
    legs["discount"] = np.exp(-0.10 * legs["t_years"])

    def inputs(forward: pd.Series) -> tuple[pd.Series, pd.Series, pd.Series]:
        return forward, legs["strike"], legs["t_years"]

    level = legs.loc[legs["is_call"], "strike"].median()
    for _ in range(3):  # a rough common level first, so that "near the money" means something
        spot = pd.Series(level, index=legs.index)
        for _ in range(6):
            forward = inputs(spot / legs["discount"])
            model = price(*forward, legs["discount"], legs["sigma"], legs["is_call"])
            slope = greeks(*forward, 0.10, legs["sigma"], legs["is_call"]).delta / legs["discount"]
            spot = (spot - (model - legs["price"]) / slope).clip(0.8 * level, 1.2 * level)
        near = (np.log(legs["strike"] / level).abs() < 0.02) & (legs["t_years"] < 0.1)
        level = spot[near].median()
    common = spot[near].groupby(legs["at"]).median()
    forward = inputs(legs["at"].map(common) / legs["discount"])
    ours, _ = implied_volatility(legs["price"], *forward, legs["discount"], legs["is_call"])
    error = 100 * np.abs(ours - legs["sigma"])
    assert len(legs) > 70_000
    assert np.isnan(ours).mean() <= 0.01
    assert error.median() <= 0.1
