"""Sums over a chain: open interest, its change and volume over all listed strikes and near the money, max pain.

Sums over all listed strikes are taken where a full chain was captured and carried forward from there; no number is ever
over "what happened to be captured". Gamma exposure and box rate, which need all strikes as well, are computed in
`exposure` and `term` and carried here. What a row of `expiry_overview` shows of them is made in `overview`.
"""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from g6_market.chain import Chain
from g6_market.day import TradingDay
from g6_market.exposure import exposures
from g6_market.frames import floats, instants, pick, sum_known
from g6_market.received import Floats, Instants
from g6_market.term import implied_rate

NEAR = 10
"""Strikes each side of the money that the `_near` totals are over, whatever the captured width."""

# A contract listed this morning has no open interest of yesterday; more lacking than this, and the sum is another one.
_REFERENCE_SHARE = 0.95


def max_pain(strikes: Floats, call_oi: Floats, put_oi: Floats) -> Floats:
    """Return the listed strike at which all options of a chain together pay their holders least; lower on a tie.

    Parameters
    ----------
    strikes
        Ascending, shape (chains, strikes); NaN where a row is shorter.
    call_oi, put_oi
        Open interest in units, same shape; NaN counts as none.

    Returns
    -------
    array
        One strike per row; NaN where there is no open interest at all.

    Notes
    -----
    Minimises sum(call_oi * max(K - Ki, 0)) + sum(put_oi * max(Ki - K, 0)) over the listed K. By running sums, which are
    exact: products of whole units and strikes stay far below 2**53.
    """
    ladder = np.nan_to_num(strikes)
    calls, puts = np.nan_to_num(call_oi), np.nan_to_num(put_oi)
    calls_below = ladder * np.cumsum(calls, axis=1) - np.cumsum(calls * ladder, axis=1)
    puts_above = _sum_from_right(puts * ladder) - ladder * _sum_from_right(puts)
    pain = np.where(np.isnan(strikes), np.inf, calls_below + puts_above)
    if not pain.size:
        return np.full(len(strikes), np.nan)
    best = np.take_along_axis(strikes, np.argmin(pain, axis=1)[:, None], axis=1)[:, 0]
    return np.where((calls + puts).sum(axis=1) > 0, best, np.nan)


def ratio(put: Floats, call: Floats) -> Floats:
    """Return put / call; NaN where either is unknown or there are no calls."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(call > 0, put / call, np.nan)


def change_since(now: Floats, before: Floats) -> Floats:
    """Return by how much the open interest of each row has changed, over the contracts known then and now.

    NaN where more than 5 % of the contracts known now were unknown before.
    """
    change = now - before
    both = (~np.isnan(change)).sum(axis=1)
    return np.where(both >= _REFERENCE_SHARE * (~np.isnan(now)).sum(axis=1), sum_known(change), np.nan)


@dataclass(frozen=True)
class Totals:
    """Totals by snapshot and chain number, shape (snapshots, chains); NaN or NaT before the first full chain.

    All but `as_of` as the columns of their names in table `expiry_overview`.
    """

    call_oi: Floats
    put_oi: Floats
    call_volume: Floats
    put_volume: Floats
    max_pain: Floats
    call_oi_change: Floats
    put_oi_change: Floats
    call_oi_change_close: Floats
    put_oi_change_close: Floats
    call_gex: Floats
    put_gex: Floats
    gamma_flip: Floats
    implied_rate: Floats
    as_of: Instants

    @cached_property
    def pcr_oi(self) -> Floats:
        """Put-call ratio by open interest."""
        return ratio(self.put_oi, self.call_oi)

    @cached_property
    def pcr_volume(self) -> Floats:
        """Put-call ratio by volume."""
        return ratio(self.put_volume, self.call_volume)

    @cached_property
    def net_gex(self) -> Floats:
        """Gamma exposure of the calls less that of the puts."""
        return self.call_gex - self.put_gex

    @cached_property
    def gex_dealers_short(self) -> Floats:
        """Gamma exposure of dealers who have sold all calls and puts."""
        return -(self.call_gex + self.put_gex)

    def last(self, day: TradingDay) -> pd.DataFrame:
        """Return what the next snapshot carries on, a row per chain; to be handed to `carried_totals`."""
        columns = {name: getattr(self, name)[-1] for name in CARRIED}
        underlying = [chain.underlying for chain in day.chains]
        keys = {"underlying": underlying, "expiry": day.chain_expiry, "oi_as_of": self.as_of[-1]}
        return pd.DataFrame(keys | columns, copy=False)


CARRIED = tuple(field.name for field in fields(Totals) if field.name != "as_of")
"""The totals that a snapshot without full chains takes over from the ones before."""


def carried_totals(chain: Chain, snapshots: pd.DataFrame, before: pd.DataFrame | None) -> Totals:
    """Return the totals of each snapshot's last full chain so far.

    Parameters
    ----------
    snapshots
        Table `snapshots`; its `full_chain` says which moments hold all listed strikes.
    before
        `Totals.last` of the snapshot before the first one here; None at the start of a day.
    """
    legs, day = chain.legs, chain.legs.received.day
    full = np.flatnonzero(_full_chains(chain, snapshots)[legs.snapshot, legs.chain])
    call_legs, put_legs = legs.grid[:, full]
    oi, volume = legs.numbers("oi"), legs.numbers("volume")
    call_oi, put_oi = pick(oi, call_legs), pick(oi, put_legs)
    exposure = exposures(chain, full)
    new = {
        "call_oi": sum_known(call_oi),
        "put_oi": sum_known(put_oi),
        "call_volume": sum_known(pick(volume, call_legs)),
        "put_volume": sum_known(pick(volume, put_legs)),
        "max_pain": max_pain(legs.ladder[full], call_oi, put_oi),
        "call_gex": exposure.call_gex,
        "put_gex": exposure.put_gex,
        "gamma_flip": exposure.gamma_flip,
        "implied_rate": implied_rate(chain, full),
    }
    for side, side_legs, now in (("call", call_legs, call_oi), ("put", put_legs, put_oi)):
        for suffix, before_day in zip(("", "_close"), day.oi_before, strict=True):
            new[f"{side}_oi_change{suffix}"] = change_since(now, pick(before_day[legs.number], side_legs))
    shape = len(legs.received.at), len(day.chains)
    source = np.full(shape, -1, dtype=np.int64)
    source[legs.snapshot[full], legs.chain[full]] = np.arange(len(full))
    source = np.maximum.accumulate(source, axis=0)
    # Behind the new totals lie those of before, one per chain.
    source = np.where(source < 0, len(full) + np.arange(shape[1]), source)
    old, old_as_of = _before(day, before)
    as_of = np.concatenate([legs.at[full], old_as_of])[source]
    return Totals(**{name: np.concatenate([new[name], old[name]])[source] for name in new}, as_of=as_of)


@dataclass(frozen=True)
class NearTotals:
    """Totals over exactly ATM +- 10 by rank, by moment; NaN where a listed leg of the range is missing."""

    call_oi: Floats
    put_oi: Floats
    call_volume: Floats
    put_volume: Floats
    max_pain: Floats


def near_totals(chain: Chain) -> NearTotals:
    """Return the totals near the money. A ladder that ends within ten strikes of the ATM has no such range."""
    legs, contracts = chain.legs, chain.legs.received.day.contracts
    fits = (chain.atm >= NEAR) & (chain.atm + NEAR < contracts.sizes[legs.chain])
    ranks = np.where(fits, chain.atm, 0)[:, None] + np.arange(-NEAR, NEAR + 1)
    ranks = np.clip(ranks, 0, max(legs.ladder.shape[1] - 1, 0))
    moments = np.arange(len(fits))[:, None]
    found = legs.grid[:, moments, ranks]
    listed = contracts.number_of_leg[:, legs.chain[:, None], ranks] >= 0
    whole = fits & (~listed | (found >= 0)).all(axis=(0, 2))

    def near(name: str) -> tuple[Floats, Floats]:
        values = legs.numbers(name)
        known = np.where(listed, pick(values, found.ravel()).reshape(found.shape), 0.0)
        sums = np.where(whole, known.sum(axis=2), np.nan)
        return sums[0], sums[1]

    (call_oi, put_oi), (call_volume, put_volume) = near("oi"), near("volume")
    oi = pick(legs.numbers("oi"), found.ravel()).reshape(found.shape)
    pain = max_pain(np.take_along_axis(legs.ladder, ranks, axis=1), oi[0], oi[1])
    pain = np.where(whole & ~np.isnan(call_oi) & ~np.isnan(put_oi), pain, np.nan)
    return NearTotals(call_oi, put_oi, call_volume, put_volume, pain)


def _full_chains(chain: Chain, snapshots: pd.DataFrame) -> NDArray[np.bool_]:
    received, day = chain.legs.received, chain.legs.received.day
    full = np.zeros((len(received.at), len(day.chains)), dtype=bool)
    at = instants(snapshots, "snapshot_at")
    number = day.chain_numbers(snapshots["underlying"], instants(snapshots, "expiry"))
    snapshot = np.searchsorted(received.at, at)
    known = snapshots["full_chain"].to_numpy(dtype=bool) & (number >= 0) & (snapshot < len(received.at))
    known[known] = received.at[snapshot[known]] == at[known]
    full[snapshot[known], number[known]] = True
    return full


def _before(day: TradingDay, before: pd.DataFrame | None) -> tuple[dict[str, Floats], Instants]:
    if before is None:
        nothing = np.full(len(day.chains), np.nan)
        return dict.fromkeys(CARRIED, nothing), np.full(len(day.chains), np.datetime64("NaT", "us"))
    return {name: floats(before, name) for name in CARRIED}, instants(before, "oi_as_of")


def _sum_from_right(values: Floats) -> Floats:
    return np.cumsum(values[:, ::-1], axis=1)[:, ::-1]
