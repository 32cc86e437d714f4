"""Quotes to `option_chain`: forward, both at-the-money strikes, offsets, price, IV and greeks of every leg.

Works on one snapshot or on a whole day, by the same arithmetic. A "moment" is one chain (index, expiry) at one
snapshot. Where each leg stands is in `received`, the formulas in `pricing`; sums over a chain belong to `totals`, rows
per chain and per index to `overview`.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_market.frames import assemble, first_rows, instants, pick, text, text_array
from g6_market.pricing.forward import parity_forward
from g6_market.pricing.legs import LegPricing, price_legs
from g6_market.pricing.reasons import REASONS, reason_names
from g6_market.received import Floats, Ints, Legs, Received
from g6_market.schema import OPTION_CHAIN
from g6_market.sources import CANDLE, IMPORT

FORWARD_SOURCES = text_array(["parity_mid", "parity_last", "future"])
_FUTURE = 3
_REASONS = text_array(reason_names(np.arange(len(REASONS))))
_PRICE_SOURCES = text_array(["mid", "last"])


@dataclass(frozen=True)
class Chain:
    """What is derived of each leg and of each moment.

    Parameters
    ----------
    legs
        Where each leg belongs.
    forward, forward_source, forward_pairs, forward_mad
        By moment. Source 0 is none, then as `FORWARD_SOURCES`.
    spot
        By moment.
    atm, spot_atm
        Rank of the listed strike nearest the forward and the spot, by moment; -1 where these are unknown.
    t_years
        By moment.
    settlement_window
        By moment.
    traded, pricing
        By leg. Whether it traded within the interval is 1 or 0, NaN where no trade time was sent.
    """

    legs: Legs
    forward: Floats
    forward_source: Ints
    forward_pairs: Floats
    forward_mad: Floats
    spot: Floats
    atm: Ints
    spot_atm: Ints
    t_years: Floats
    settlement_window: NDArray[np.bool_]
    traded: Floats
    pricing: LegPricing

    # What is derived further starts from the stored precision, so that it can be derived again from the table.
    @cached_property
    def iv(self) -> Floats:
        """IV of each leg's strike as it is stored."""
        return self.pricing.iv.astype(np.float32).astype(np.float64)

    @cached_property
    def delta(self) -> Floats:
        """Delta of each leg as it is stored."""
        return self.pricing.delta.astype(np.float32).astype(np.float64)

    @cached_property
    def gamma(self) -> Floats:
        """Gamma of each leg as it is stored."""
        return self.pricing.gamma.astype(np.float32).astype(np.float64)

    def frame(self) -> pd.DataFrame:
        """Return table `option_chain`, ordered by snapshot, index, expiry, strike and option type."""
        legs, day = self.legs, self.legs.received.day
        moment, contracts = legs.moment, day.contracts
        passed = ("last_price", "average_price", "bid_price", "ask_price", "bid_quantity", "ask_quantity")
        return assemble(
            OPTION_CHAIN,
            {name: legs.taken(name) for name in (*passed, "volume", "oi", "source")}
            | {name: contracts.columns[name].take(legs.number) for name in ("underlying", "option_type")}
            | {
                "snapshot_at": legs.at[moment],
                "expiry": contracts.expiry[legs.number],
                "strike": contracts.strike[legs.number],
                "tradingsymbol": contracts.symbols.take(legs.number),
                "strike_offset": _offset(legs.rank, self.atm[moment]),
                "spot_strike_offset": _offset(legs.rank, self.spot_atm[moment]),
                "traded": self.traded,
                "price": self.pricing.price,
                "price_source": text(self.pricing.price_source.astype(np.int64) - 1, _PRICE_SOURCES),
                "forward": self.forward[moment],
                "spot": self.spot[moment],
                "t_years": self.t_years[moment],
                "iv": self.pricing.iv,
                "iv_own": self.pricing.iv_own,
                "iv_reason": _REASONS.take(self.pricing.reason),
                "delta": self.pricing.delta,
                "gamma": self.pricing.gamma,
                "theta": self.pricing.theta,
                "vega": self.pricing.vega,
                "settlement_window": self.settlement_window[moment],
            },
        )


def derive_chain(received: Received) -> Chain:
    """Derive everything that belongs to a leg or to one chain's price level.

    The forward is by put-call parity, else the last price of the future of the same expiry, else null. The spot is the
    index value that arrived with the chain's first leg, else the first of the snapshot.
    """
    legs, day = Legs(received), received.day
    bid, ask, last = legs.numbers("bid_price"), legs.numbers("ask_price"), legs.numbers("last_price")
    traded = _traded(legs)
    usable = _usable_last(legs, traded, bid, ask)
    t_years = day.t_years(legs.at, legs.chain)
    rate = day.conventions.risk_free_rate
    two_sided = bid < ask
    mid = np.where(two_sided, (bid + ask) / 2, np.nan)
    spread = np.where(two_sided, ask - bid, np.nan)
    # Every listed strike between the first and the last received, so that a rank is a rank of the ladder.
    lowest, highest = legs.rank[legs.start], legs.rank[legs.start + legs.count - 1]
    ranks = np.arange(legs.ladder.shape[1])
    moment, rank = np.nonzero((ranks >= lowest[:, None]) & (ranks <= highest[:, None]))
    call, put = legs.grid[0, moment, rank], legs.grid[1, moment, rank]
    traded_at = np.where(usable, last, np.nan)
    parity = parity_forward(
        np.concatenate([[0], np.cumsum(highest - lowest + 1)]),
        legs.ladder[moment, rank],
        pick(mid, call),
        pick(mid, put),
        pick(spread, call),
        pick(spread, put),
        pick(traded_at, call),
        pick(traded_at, put),
        t_years,
        np.full(len(t_years), rate),
    )
    future = pick(received.last_price, received.first_row(day.contracts.future_of_chain)[legs.snapshot, legs.chain])
    by_future = np.isnan(parity.forward)
    forward = np.where(by_future, future, parity.forward)
    spot = _spot(legs)
    contracts = day.contracts
    return Chain(
        legs=legs,
        forward=forward,
        forward_source=np.where(by_future, np.where(np.isnan(future), 0, _FUTURE), parity.source).astype(np.int64),
        forward_pairs=np.where(by_future, np.where(np.isnan(future), np.nan, 0.0), parity.pairs),
        forward_mad=np.where(by_future, np.nan, parity.mad),
        spot=spot,
        atm=_nearest(legs.ladder, forward),
        spot_atm=_nearest(legs.ladder, spot),
        t_years=t_years,
        settlement_window=(day.chain_expiry[legs.chain] == np.datetime64(day.trade_date, "us"))
        & (legs.at >= day.settlement_window_from),
        traded=traded,
        pricing=price_legs(
            strike=contracts.strike[legs.number],
            is_call=legs.is_call,
            bid=bid,
            ask=ask,
            last=last,
            traded=usable,
            forward=forward[legs.moment],
            t_years=t_years[legs.moment],
            rate=np.full(len(legs.rows), rate),
            # An unknown tick (imported history) is no bound.
            tick=np.nan_to_num(contracts.tick[legs.number]),
            pair=legs.other_leg,
        ),
    )


def _traded(legs: Legs) -> Floats:
    received = legs.received
    traded_at = instants(received.quotes, "last_trade_at")[legs.rows]
    interval = np.timedelta64(received.day.conventions.interval_seconds, "s")
    within = (traded_at > legs.at[legs.moment] - interval) & (traded_at <= received.received_at[legs.rows])
    # A healed row has a trade time where its candle, the interval's last minute, has volume.
    healed = received.source[legs.rows] == CANDLE
    return np.where(healed, ~np.isnat(traded_at), np.where(np.isnat(traded_at), np.nan, within))


def _usable_last(legs: Legs, traded: Floats, bid: Floats, ask: Floats) -> NDArray[np.bool_]:
    # Imported history that knows neither trade times nor books has nothing but its last prices.
    imported = legs.received.source[legs.rows] == IMPORT
    return (traded == 1) | (imported & np.isnan(traded) & np.isnan(bid) & np.isnan(ask))


def _spot(legs: Legs) -> Floats:
    received, day = legs.received, legs.received.day
    rows = received.others[day.spot_underlying[received.number[received.others]] >= 0]
    rows = rows[received.last_price[rows] > 0]
    if not len(rows):
        return np.full(len(legs.chain), np.nan)
    indices = len(day.underlyings)
    group = received.snapshot[rows] * indices + day.spot_underlying[received.number[rows]]
    wanted = legs.snapshot * indices + day.chain_underlying[legs.chain]
    arrival = np.minimum.reduceat(received.received_at[legs.rows], legs.start)
    times = np.unique(received.received_at[rows])
    position = np.searchsorted(times, arrival)
    together = np.append(times, np.datetime64("NaT", "us"))[position] == arrival
    codes = group * len(times) + np.searchsorted(times, received.received_at[rows])
    size = len(received.at) * indices
    same_call = first_rows(codes, size * len(times))[np.where(together, wanted * len(times) + position, -1)]
    same_call = np.where(together, same_call, -1)
    found = np.where(same_call >= 0, same_call, first_rows(group, size)[wanted])
    return pick(received.last_price[rows], found)


def _nearest(ladder: Floats, level: Floats) -> Ints:
    if not ladder.size:
        return np.zeros(len(level), dtype=np.int64)
    distance = np.abs(ladder - level[:, None])
    # The first of equals is the lower strike.
    rank = np.argmin(np.where(np.isnan(distance), np.inf, distance), axis=1)
    return np.where(np.isnan(level), -1, rank)


def _offset(rank: Ints, atm: Ints) -> Floats:
    return np.where(atm < 0, np.nan, rank - atm)
