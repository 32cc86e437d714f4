"""What the metrics say of a world, gathered from its small files: no Dagster, no DuckDB, nothing is written.

A file that is not there, or cannot be read, leaves its metrics out; the others are told all the same.
"""

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

from g6_market.calendar import Closed, Session, TradingCalendar
from g6_market.schema import OPTION_CHAIN
from g6_resources.alerts import AlertLog
from g6_resources.clock import SystemTime, clock_from
from g6_resources.heartbeat import HeartbeatFile, HeartbeatUnreadable
from g6_resources.kite.token import TokenMissing, read_token
from g6_resources.lake import Lake, LocalStore
from g6_resources.metrics import Samples, Times
from g6_resources.metrics_state import BOUND_NAMES, Figures, read_seal, read_session
from g6_resources.spool import Spool
from g6_resources.world import DataRoot

Found = defaultdict[str, dict[tuple[str, ...], float | Times]]

_COUNTERS = {
    "snapshots": "g6_snapshots_total",
    "calls": "g6_kite_calls_total",
    "retries": "g6_kite_retries_total",
    "limiter_waits": "g6_limiter_waits_total",
    "limiter_seconds": "g6_limiter_wait_seconds_total",
    "sink_errors": "g6_sink_errors_total",
}


class WorldMetrics:
    """The samples of a world at the moment of the call.

    Parameters
    ----------
    find
        Returns the world to look at, None while there is none; asked anew each time, so that a world made later is
        found.
    data_path
        Folder of the worlds, for the room on its disk.
    calendar, interval_seconds
        What is due when.
    """

    def __init__(
        self,
        find: Callable[[], DataRoot | None],
        data_path: Path,
        calendar: TradingCalendar,
        interval_seconds: int,
        system: SystemTime | None = None,
    ) -> None:
        self._find = find
        self._data_path = data_path
        self._calendar = calendar
        self._interval = interval_seconds
        self._system = system or SystemTime()

    def __call__(self) -> Samples:
        """Gather."""
        found: Found = defaultdict(dict)
        found["g6_disk_free_bytes"][()] = shutil.disk_usage(nearest_folder(self._data_path)).free
        root = self._find()
        if root is None:
            return found
        found["g6_world"][(root.world.name,)] = 1
        market_now, now = clock_from(root).now(), self._system.now()
        today = self._calendar.on(market_now.date())
        found["g6_market_open"][()] = float(is_open(today, market_now))
        seal = read_seal(root.seal_figures_file)
        # A scrape every few seconds is no reason to list an object store, or to wait for it: of a lake elsewhere the
        # live files are on this disk, and the last seal is in the figures.
        last_sealed = seal.trade_date if seal is not None and root.lake_address() is not None else None
        self._stored(found, Lake(LocalStore(root.lake)), today, market_now, last_sealed)
        _session(found, root, self._system)
        _token(found, root, market_now)
        _backlogs(found, root, now)
        _alerts(found, root)
        if seal is not None:
            found["g6_seal_seconds"][()] = seal.seconds
            found["g6_seal_age_seconds"][()] = (now - seal.ended_at).total_seconds()
        return found

    def _stored(
        self, found: Found, lake: Lake, today: Session | Closed, now: datetime, last_sealed: date | None
    ) -> None:
        unsealed = lake.unsealed_days()
        over = [day for day in unsealed if day < now.date() or (isinstance(today, Session) and now > today.close)]
        found["g6_unsealed_days"][()] = sum(bool(lake.live_names(OPTION_CHAIN, day)) for day in over)
        if isinstance(today, Closed) or last_sealed == today.trade_date or lake.seal_record(today.trade_date):
            return  # a sealed day's gaps are in the view of that name
        due = sum(instant <= now for instant in today.due_times(self._interval))
        found["g6_gaps_today"][()] = max(due - len(lake.live_names(OPTION_CHAIN, today.trade_date)), 0)


def is_open(today: Session | Closed, now: datetime) -> bool:
    """Tell whether snapshots of the day are due at a market time."""
    return isinstance(today, Session) and today.open <= now <= today.close


def nearest_folder(path: Path) -> Path:
    """Return a folder that exists: the path's own, or the nearest above it."""
    return path if path.is_dir() else nearest_folder(path.parent)


def _session(found: Found, root: DataRoot, system: SystemTime) -> None:
    now = system.now()
    try:
        beat = HeartbeatFile(root.heartbeat_file, system).read()
    except HeartbeatUnreadable:
        beat = None
    if beat is not None:
        found["g6_heartbeat_age_seconds"][()] = beat.age_seconds(system)
        found["g6_session_state"][(beat.state,)] = 1
    if root.tick_file.exists():
        found["g6_daemon_tick_age_seconds"][()] = max(now.timestamp() - root.tick_file.stat().st_mtime, 0.0)
    figures = read_session(root.figures_file)
    if figures is None:
        return
    if figures.stored_at is not None:
        found["g6_snapshot_age_seconds"][()] = (now - figures.stored_at).total_seconds()
    for underlying, (expected, collected) in figures.legs.items():
        found["g6_legs_expected"][(underlying,)] = expected
        found["g6_legs_collected"][(underlying,)] = collected
    for family, name in _COUNTERS.items():
        for labels, value in figures.totals.get(family, {}).items():
            found[name][tuple(labels.split("/"))] = value
    _times(found, figures.totals)


def _times(found: Found, totals: Figures) -> None:
    latencies = totals.get("latencies", {})
    if latencies:
        counts = tuple(latencies.get(bound, 0.0) for bound in BOUND_NAMES)
        found["g6_snapshot_latency_seconds"][()] = Times(counts, totals["latency_seconds"][""])
    calls = totals.get("call_times", {})
    for endpoint, seconds in totals.get("call_seconds", {}).items():
        counts = tuple(calls.get(f"{endpoint}/{bound}", 0.0) for bound in BOUND_NAMES)
        found["g6_kite_call_seconds"][(endpoint,)] = Times(counts, seconds)


def _token(found: Found, root: DataRoot, market_now: datetime) -> None:
    try:
        token = read_token(root.token_file)
    except TokenMissing:
        found["g6_token_valid"][()] = 0
        return
    found["g6_token_valid"][()] = float(market_now < token.expires_at)
    found["g6_token_age_seconds"][()] = (market_now - token.made_at).total_seconds()


def _backlogs(found: Found, root: DataRoot, now: datetime) -> None:
    for folder in root.spool.iterdir() if root.spool.is_dir() else ():
        sink, waiting = (folder.name,), Spool(folder, limit_bytes=0).backlog()
        found["g6_sink_backlog_files"][sink] = waiting.files
        found["g6_sink_backlog_bytes"][sink] = waiting.bytes
        found["g6_sink_backlog_age_seconds"][sink] = (now - (waiting.oldest or now)).total_seconds()
        found["g6_sink_dropped_files"][sink] = waiting.dropped


def _alerts(found: Found, root: DataRoot) -> None:
    for kind, count in Counter(alert.kind for alert in AlertLog(root.alerts_file).since(0)[0]).items():
        found["g6_alerts_total"][(kind,)] = count
