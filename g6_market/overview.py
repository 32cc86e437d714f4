"""Chain to `expiry_overview` (a row per snapshot and expiry) and `overview` (a row per snapshot and index).

Sums over chains come from `totals`, price levels and IV from `chain`.
"""

import numpy as np
import pandas as pd

from g6_market.chain import FORWARD_SOURCES, Chain
from g6_market.frames import assemble, floats, pick, text
from g6_market.indices import TAG_BITS, TAGS, VIX_KEY
from g6_market.received import Floats, Instants, Ints, Received
from g6_market.schema import EXPIRY_OVERVIEW, OVERVIEW
from g6_market.smile import Smile, expected_move
from g6_market.sources import source_words
from g6_market.term import by_chain, forward_volatility, iv30
from g6_market.totals import CARRIED, Totals, near_totals, ratio

_SUMS = ("call_oi", "put_oi", "call_volume", "put_volume")
_OF_TOTALS = (*CARRIED, "pcr_oi", "pcr_volume", "net_gex", "gex_dealers_short")
_OF_SMILE = ("atm_iv", "call_iv_25", "put_iv_25", "risk_reversal_25", "butterfly_25")


def expiry_overview(chain: Chain, totals: Totals, smile: Smile) -> pd.DataFrame:
    """Return table `expiry_overview`, ordered by snapshot, index and expiry."""
    legs, day = chain.legs, chain.legs.received.day
    here = legs.snapshot, legs.chain
    t_trading = day.t_trading_years(legs.at, legs.chain)
    near = near_totals(chain)
    first = np.isin(np.arange(len(day.chains)), day.first_chains)
    forward_vol = forward_volatility(by_chain(smile.atm_iv, chain), by_chain(chain.t_years, chain), first)[here]
    with np.errstate(divide="ignore", invalid="ignore"):
        iv_trading = np.where(t_trading > 0, smile.atm_iv * np.sqrt(chain.t_years / t_trading), np.nan)
    return assemble(
        EXPIRY_OVERVIEW,
        {name: getattr(totals, name)[here] for name in _OF_TOTALS}
        | {name: getattr(smile, name) for name in _OF_SMILE}
        | {f"{name}_near": getattr(near, name) for name in (*_SUMS, "max_pain")}
        | {
            "snapshot_at": legs.at,
            "underlying": text(day.chain_underlying[legs.chain], day.underlying_words),
            "expiry": day.chain_expiry[legs.chain],
            "forward": chain.forward,
            "forward_source": text(chain.forward_source - 1, FORWARD_SOURCES),
            "forward_pairs": chain.forward_pairs,
            "forward_mad": chain.forward_mad,
            "spot": chain.spot,
            "atm_strike": _strike(chain, chain.atm),
            "spot_atm_strike": _strike(chain, chain.spot_atm),
            "straddle": _straddle(chain, chain.atm),
            "spot_straddle": _straddle(chain, chain.spot_atm),
            "expected_move": expected_move(chain.forward, smile.atm_iv, chain.t_years),
            "forward_vol": forward_vol,
            "iv_trading": iv_trading,
            "t_years": chain.t_years,
            "t_trading_years": t_trading,
            "oi_as_of": totals.as_of[here],
            "pcr_oi_near": ratio(near.put_oi, near.call_oi),
            "pcr_volume_near": ratio(near.put_volume, near.call_volume),
            "legs": legs.count,
            "listed_legs": (day.contracts.number_of_leg >= 0).sum(axis=(0, 2))[legs.chain],
            "settlement_window": chain.settlement_window,
            "source": source_words(_chain_source(chain)),
        },
    )


def overview(chain: Chain, totals: Totals, smile: Smile) -> pd.DataFrame:
    """Return table `overview`: a row for each snapshot and index of which option legs were stored.

    Totals are over the index's configured expiries, each once; null until a full chain of every one of them is there.
    """
    legs, received = chain.legs, chain.legs.received
    day = received.day
    stored = np.zeros((len(received.at), len(day.chains)), dtype=bool)
    stored[legs.snapshot, legs.chain] = True
    snapshot, index = np.nonzero(np.logical_or.reduceat(stored, day.first_chains, axis=1))
    sums = {
        name: np.add.reduceat(getattr(totals, name), day.first_chains, axis=1)[snapshot, index]
        for name in (*_SUMS, "net_gex")
    }
    t_years = day.t_years(received.at[:, None], np.arange(len(day.chains)))
    # NaT spreads like NaN: one expiry without a full chain leaves the index without totals.
    as_of = np.minimum.reduceat(totals.as_of, day.first_chains, axis=1)[snapshot, index]
    by_tag, bits = day.chain_of_tag, np.array([TAG_BITS[tag] for tag in TAGS])
    expected = (by_tag >= 0)[index]
    collected = expected & stored[snapshot[:, None], by_tag[index]]
    expected_mask, collected_mask = expected @ bits, collected @ bits
    at = received.at[snapshot]
    source = np.full(stored.shape, -1, dtype=np.int64)
    source[legs.snapshot, legs.chain] = _chain_source(chain)
    of_chains = np.maximum.reduceat(source, day.first_chains, axis=1)[snapshot, index]
    of_vix = np.append(received.source, -1)[_vix_row(received, snapshot)]  # row -1, no value, is the last
    return assemble(
        OVERVIEW,
        _spot(received, snapshot, index)
        | sums
        | {f"pcr_oi_{tag}": _of_tag(totals.pcr_oi, snapshot, by_tag[index, n]) for n, tag in enumerate(TAGS)}
        | {f"pcr_volume_{tag}": _of_tag(totals.pcr_volume, snapshot, by_tag[index, n]) for n, tag in enumerate(TAGS)}
        | {
            "snapshot_at": at,
            "underlying": text(index, day.underlying_words),
            "spot_unreliable": at >= day.spot_unreliable_from,
            "pcr_oi": ratio(sums["put_oi"], sums["call_oi"]),
            "pcr_volume": ratio(sums["put_volume"], sums["call_volume"]),
            "iv30": iv30(by_chain(smile.atm_iv, chain), t_years, day)[snapshot, index],
            "oi_as_of": as_of,
            "expiries_expected": expected.sum(axis=1),
            "expiries_collected": collected.sum(axis=1),
            "expected_mask": expected_mask,
            "collected_mask": collected_mask,
            "missing_mask": expected_mask - collected_mask,
            "source": source_words(np.maximum(of_chains, of_vix)),
        },
    )


def _spot(received: Received, snapshot: Ints, index: Ints) -> dict[str, Floats | Instants]:
    day, contracts = received.day, received.day.contracts
    row = received.first_row(day.spot_numbers)[snapshot, index]
    price = {
        name: pick(floats(received.quotes, column), row)
        for name, column in (("spot", "last_price"), ("open", "open"), ("high", "high"), ("low", "low"))
    }
    previous = pick(floats(received.quotes, "previous_close"), row)
    vix = _vix_row(received, snapshot)
    change = price["spot"] - previous
    columns: dict[str, Floats | Instants] = price | {
        "previous_close": previous,
        "day_width": price["high"] - price["low"],
        "net_change": change,
        "net_change_percent": change / previous * 100,
        "india_vix": pick(received.last_price, vix),
    }
    for name, numbers in zip(("near", "next"), day.futures, strict=True):
        future = pick(received.last_price, received.first_row(numbers)[snapshot, index])
        expiry = pick(contracts.expiry, numbers)[index]
        columns[f"future_{name}"] = future
        columns[f"future_{name}_expiry"] = np.where(np.isnan(future), np.datetime64("NaT", "us"), expiry)
        columns[f"basis_{name}"] = future - price["spot"]
    return columns


def _vix_row(received: Received, snapshot: Ints) -> Ints:
    return received.first_row(np.array([received.day.contracts.number_of_key.get(VIX_KEY, -1)]))[snapshot, 0]


def _chain_source(chain: Chain) -> Ints:
    legs, day = chain.legs, chain.legs.received.day
    levels = legs.received.index_source[legs.snapshot, day.chain_underlying[legs.chain]]
    return np.maximum(legs.source, levels)


def _of_tag(values: Floats, snapshot: Ints, chain: Ints) -> Floats:
    return np.where(chain >= 0, values[snapshot, chain], np.nan)


def _at_money(chain: Chain, rank: Ints, side: int) -> Ints:
    legs = chain.legs
    return np.where(rank >= 0, legs.grid[side, np.arange(len(rank)), rank], -1)


def _strike(chain: Chain, rank: Ints) -> Floats:
    return np.where(rank >= 0, chain.legs.ladder[np.arange(len(rank)), rank], np.nan)


def _straddle(chain: Chain, rank: Ints) -> Floats:
    price = chain.pricing.price
    return pick(price, _at_money(chain, rank, 0)) + pick(price, _at_money(chain, rank, 1))
