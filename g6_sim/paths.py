"""Where the indices and their volatility go: one path a second for every day, from the seed.

Levels wander around those of August 2026 and return to them, so that the listed ladders always fit; no history is
claimed. What contracts cost along these paths is `market`'s.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np

from g6_market.calendar import Session, TradingCalendar
from g6_sim.noise import Array, normals


@dataclass(frozen=True, slots=True)
class Profile:
    """Character of an index.

    Parameters
    ----------
    level
        Where it wanders around, points.
    beta, own
        Daily moves with the market and on its own, in log points.
    volatility
        Its implied volatility as a multiple of NIFTY's.
    activity
        How much its options trade, NIFTY = 1.
    """

    level: float
    beta: float
    own: float
    volatility: float
    activity: float


PROFILES: dict[str, Profile] = {
    "NIFTY": Profile(24_350.0, 0.0065, 0.0010, 1.00, 1.00),
    "BANKNIFTY": Profile(57_500.0, 0.0070, 0.0030, 1.12, 0.70),
    "FINNIFTY": Profile(26_200.0, 0.0068, 0.0028, 1.10, 0.15),
    "MIDCPNIFTY": Profile(14_975.0, 0.0078, 0.0040, 1.30, 0.20),
    "SENSEX": Profile(78_000.0, 0.0064, 0.0012, 1.00, 0.60),
    "BANKEX": Profile(65_300.0, 0.0070, 0.0030, 1.12, 0.08),
}
"""Every simulated index, at the levels of 2026-08-18."""

BASE_VOLATILITY = 0.125
"""Implied volatility of NIFTY at 30 days around which it wanders; India VIX shows it in percent."""

_LEVEL_MEMORY = 0.90  # share of yesterday's distance from the usual level: sd about 1.6 %
_VOLATILITY_MEMORY = 0.93
_LOOK_BACK = timedelta(110)  # beyond it the memory is under 1 %
_DAILY, _OPENING, _INTRADAY = 1, 2, 3  # noise streams


@dataclass(frozen=True, slots=True)
class DayPaths:
    """A day's paths, second by second from the open to the close, both included.

    Attributes
    ----------
    index
        Shape (indices, seconds + 1): the level that forwards follow, in points. At `settled` it is the closing value.
    volatility
        Shape (seconds + 1,): NIFTY's 30-day implied volatility.
    previous_index, previous_volatility
        Their closing values of the session before.
    settled, auction
        Seconds after the open at which the closing value is fixed, and from which the published index stands still.
    """

    index: Array
    volatility: Array
    previous_index: Array
    previous_volatility: float
    settled: int
    auction: int

    @property
    def last_second(self) -> int:
        """Second of the close."""
        return self.index.shape[1] - 1

    def published(self, second: Array | int) -> Array:
        """Return what the index providers show: frozen in the closing auction, then the closing value."""
        at = np.asarray(second)
        shown = np.where(at < self.auction, at, np.where(at < self.settled, self.auction, self.settled))
        return self.index[:, shown]


def day_paths(seed: int, session: Session, calendar: TradingCalendar) -> DayPaths:
    """Build the paths of all indices of `PROFILES` for one session."""
    day = session.trade_date
    seconds = int((session.close - session.open).total_seconds())
    settled = min(int((session.settlement_fixed_at - session.open).total_seconds()), seconds)
    auction = session.spot_auction_from
    frozen_from = settled if auction is None else int((auction - session.open).total_seconds())

    previous, previous_volatility = _closing_values(seed, calendar.previous_session(day).trade_date, calendar)
    closing, closing_volatility = _closing_values(seed, day, calendar)
    count = len(PROFILES)
    betas = np.array([profile.beta for profile in PROFILES.values()])
    own = np.array([profile.own for profile in PROFILES.values()])
    gap = normals(seed, _OPENING, day.toordinal(), size=count + 1)
    opening = previous + 0.3 * (closing - previous) + 0.25 * (betas * gap[0] + own * gap[1:])

    # More happens at the open and the close: variance per second, then its running share of the day.
    clock: Array = np.arange(1, seconds + 1) / settled
    pace = 0.6 + 1.6 * np.exp(-clock * 12.0) + 0.5 * np.exp(-np.abs(clock - 1.0) * 12.0)
    pace /= pace[:settled].sum()
    steps = normals(seed, _INTRADAY, day.toordinal(), size=(count + 1, seconds)) * np.sqrt(pace)
    walk: Array = np.zeros((count, seconds + 1))
    walk[:, 1:] = np.cumsum(betas[:, None] * steps[0] + own[:, None] * steps[1:], axis=1)
    share: Array = np.concatenate(([0.0], np.minimum(np.cumsum(pace), 1.0)))
    bridge = walk - share * walk[:, settled : settled + 1]
    log_index = opening[:, None] + share * (closing - opening)[:, None] + bridge

    # Volatility rises when the market falls.
    trend = np.log(previous_volatility) + share * np.log(closing_volatility / previous_volatility)
    volatility = np.exp(trend - 4.0 * bridge[0])
    return DayPaths(np.exp(log_index), volatility, np.exp(previous), previous_volatility, settled, frozen_from)


def _closing_values(seed: int, day: date, calendar: TradingCalendar) -> tuple[Array, float]:
    """Return the indices' log closing levels and the closing volatility."""
    days = [session.trade_date.toordinal() for session in calendar.sessions(day - _LOOK_BACK, day)]
    shocks: Array = np.array([_daily_shocks(seed, ordinal) for ordinal in days])
    age: Array = np.arange(len(days))[::-1]
    betas = np.array([profile.beta for profile in PROFILES.values()])
    own = np.array([profile.own for profile in PROFILES.values()])
    moves = shocks[:, :1] * betas + shocks[:, 1:-1] * own
    levels = np.log([profile.level for profile in PROFILES.values()]) + (_LEVEL_MEMORY**age) @ moves
    volatility_moves = 0.025 * shocks[:, -1] - 4.0 * moves[:, 0]
    return levels, float(BASE_VOLATILITY * np.exp((_VOLATILITY_MEMORY**age) @ volatility_moves))


@lru_cache(maxsize=4096)
def _daily_shocks(seed: int, ordinal: int) -> tuple[float, ...]:
    return tuple(normals(seed, _DAILY, ordinal, size=len(PROFILES) + 2).tolist())
