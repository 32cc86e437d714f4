"""Whether the market is open and the session lives, in words for the top of the page."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from g6_assets.decide import HEARTBEAT_STALE_SECONDS
from g6_market.calendar import CalendarError, Closed, TradingCalendar
from g6_resources.clock import SystemTime, clock_from
from g6_resources.heartbeat import Heartbeat, HeartbeatFile, HeartbeatUnreadable
from g6_resources.world import DataRoot

_OVER = ("ended", "stopped")


@dataclass(frozen=True, slots=True)
class Market:
    """The market now: whether it is open, and a sentence of why or until when."""

    is_open: bool
    text: str


def pulse(root: DataRoot, calendar: TradingCalendar) -> dict[str, Any]:
    """Return the state of market and session: `open`, `down`, `live`, and their sentences."""
    now = clock_from(root).now()
    market = market_at(calendar, now)
    system = SystemTime()
    try:
        beat = HeartbeatFile(root.heartbeat_file, system).read()
    except HeartbeatUnreadable as error:
        return {"now": now.isoformat(), "open": market.is_open, "market": market.text} | {
            "live": False,
            "down": True,
            "session": str(error),
        }
    live = beat is not None and beat.state not in _OVER and beat.age_seconds(system) <= HEARTBEAT_STALE_SECONDS
    return {
        "now": now.isoformat(),
        "open": market.is_open,
        "market": market.text,
        "live": live,
        "down": market.is_open and not live and not _ended_today(beat, now),
        "session": session_text(beat, system),
    }


def market_at(calendar: TradingCalendar, now: datetime) -> Market:
    """Return the state of the market at an instant."""
    today = calendar.on(now.date())
    if not isinstance(today, Closed) and today.open <= now < today.close:
        return Market(True, f"Market open until {today.close:%H:%M}")
    reason = f" ({today.reason})" if isinstance(today, Closed) else ""
    try:
        # The session of today counts as in progress until a minute after its close.
        opens = calendar.next_session(now + timedelta(minutes=1)).open
    except CalendarError:
        return Market(False, f"Market closed{reason}")
    tomorrow = now.date() + timedelta(days=1)
    when = {now.date(): "today", tomorrow: "tomorrow"}.get(opens.date(), f"{opens:%a} {opens.day} {opens:%b}")
    return Market(False, f"Market closed{reason}, opens {when} {opens:%H:%M}")


def session_text(beat: Heartbeat | None, system: SystemTime) -> str:
    """Return a sentence on the session."""
    if beat is None:
        return "No session has run in this world"
    age = beat.age_seconds(system)
    day = f"{beat.trade_date.day} {beat.trade_date:%b}"
    if beat.state in _OVER:
        return f"Session of {day} {beat.state}: {beat.detail}"
    if age <= HEARTBEAT_STALE_SECONDS:
        return f"Session of {day} {beat.state}: {beat.detail}"
    return f"No heartbeat of the session of {day} for {_age(age)}; it was {beat.state}"


def _ended_today(beat: Heartbeat | None, now: datetime) -> bool:
    return beat is not None and beat.state in _OVER and beat.trade_date == now.date()


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
