"""The one entry of everything derived from quotes: the live loop calls it for a snapshot, the seal for a whole day.

Both get the same numbers, bit for bit: what a snapshot needs from before is only `totals`. What the tables are made of
is in `chain`, `smile`, `term`, `exposure`, `totals` and `overview`; `offset_series` is made of them by `series`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from g6_market.chain import derive_chain
from g6_market.day import TradingDay
from g6_market.overview import expiry_overview, overview
from g6_market.received import Received
from g6_market.schema import EXPIRY_OVERVIEW, OPTION_CHAIN, OVERVIEW, empty_frame
from g6_market.smile import smile_of
from g6_market.totals import carried_totals


@dataclass(frozen=True, slots=True)
class Derived:
    """What is derived of one or more snapshots.

    Parameters
    ----------
    option_chain, expiry_overview, overview
        Tables of these names, ordered by snapshot, then by their keys.
    totals
        Totals of the last full chains, to be handed to the next call; None before the first full chain.
    """

    option_chain: pd.DataFrame
    expiry_overview: pd.DataFrame
    overview: pd.DataFrame
    totals: pd.DataFrame | None


def derive(
    quotes: pd.DataFrame, snapshots: pd.DataFrame, day: TradingDay, totals: pd.DataFrame | None = None
) -> Derived:
    """Derive the tables of the snapshots that the quotes hold.

    Parameters
    ----------
    quotes
        Table `quotes`: one snapshot, or all of a day, in any order. To derive an index alone, India VIX's rows must be
        among them. Healed and imported rows pass like any other; `option_chain.source` tells them apart.
    snapshots
        Table `snapshots` of the same instants; says which chains are full ones.
    totals
        `Derived.totals` of the snapshots before; None when the quotes begin with the day.

    Notes
    -----
    Rows of contracts outside the day's configured expiries are not derived. An index that the quotes have no option
    legs of gets no rows.
    """
    received = Received(quotes, day)
    if not bool(np.any(day.contracts.chain[received.number[received.number >= 0]] >= 0)):
        return Derived(empty_frame(OPTION_CHAIN), empty_frame(EXPIRY_OVERVIEW), empty_frame(OVERVIEW), totals)
    chain = derive_chain(received)
    carried = carried_totals(chain, snapshots, totals)
    smile = smile_of(chain)
    return Derived(
        option_chain=chain.frame(),
        expiry_overview=expiry_overview(chain, carried, smile),
        overview=overview(chain, carried, smile),
        totals=carried.last(day),
    )
