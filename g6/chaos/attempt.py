"""What runs in a process of its own: an attempt of the day's session, and the end of the day (heal, seal, CSV)."""

from datetime import datetime
from functools import partial
from typing import Any

from g6.chaos.breakage import Breakage
from g6.chaos.process import Note, Outcome, in_process
from g6.chaos.script import Death
from g6.chaos.world import ChaosWorld, DrivenSystem, TroubledClock
from g6_assets.capture import CaptureSession
from g6_assets.capture.interrupted import record_interrupted
from g6_assets.capture.snapshot import Taken
from g6_assets.heal import heal_day
from g6_market.day import TradingDay
from g6_market.schema import EXPIRY_OVERVIEW, INSTRUMENTS, OPTION_CHAIN, OVERVIEW, QUOTES
from g6_market.series import offset_series
from g6_resources.csv_files import CsvSink
from g6_resources.heartbeat import HeartbeatFile
from g6_resources.kite.client import KiteSource
from g6_resources.kite.token import write_token
from g6_resources.lock import Fence, SessionLock
from g6_resources.sealing import derive_day, seal_day, trading_day
from g6_sim.config import API_KEY, API_SECRET

# Longer than any answer takes on a busy machine, shorter than the slow answers that the script draws.
TIMEOUT_SECONDS = 5.0


def run_attempt(world: ChaosWorld, number: int, death: Death | None) -> Outcome:
    """Run attempt `number` of the day's session until it ends, dies or is killed."""
    return in_process(partial(_session, world, number, death))


def run_closing(world: ChaosWorld, death: Death | None) -> Outcome:
    """Heal and seal the day as the platform does after the close."""
    return in_process(partial(_closing, world, death))


def log_in(world: ChaosWorld, now: datetime) -> None:
    """Log in as a person does, and store the token."""
    import requests
    from kiteconnect import KiteConnect

    page = requests.get(f"{world.url}/connect/login", params={"api_key": API_KEY, "v": "3"}, timeout=10)
    request_token = page.text.split("<code>")[1].split("</code>")[0]
    session: Any = KiteConnect(API_KEY, root=world.url).generate_session(request_token, API_SECRET)
    write_token(
        world.root.token_file, access_token=session["access_token"], user_id="SIM", api_key=API_KEY, made_at=now
    )


class _Events:
    """Notes what the judge must know: from when an attempt was capturing. Shows the day in the views as it opens."""

    def __init__(self, world: ChaosWorld, clock: TroubledClock, note: Note) -> None:
        self._world = world
        self._clock = clock
        self._note = note

    def day_opened(self, day: TradingDay, *, written: bool) -> None:
        if written or not self._world.root.warehouse.exists():
            self._world.warehouse.rebuild(also=[day.trade_date])
        self._note({"opened": self._clock.now().isoformat()})

    def reference_stored(self, rows: int, at: datetime) -> None:
        self._note({"reference": rows, "swept": at.isoformat()})

    def taken(self, taken: Taken) -> None:
        """Nothing: what was taken is told by what is stored."""

    def state_changed(self, state: str, detail: str) -> None:
        """Nothing: the heartbeat says it."""


def _clock(world: ChaosWorld, number: int, note: Note, death: Death | None) -> tuple[TroubledClock, Breakage]:
    now = world.now()

    def login() -> None:
        log_in(world, clock.now())

    clock = TroubledClock(
        world,
        [jump for jump in world.script.jumps if jump.attempt == number and jump.at > now],
        [token.login_at for token in world.script.token_deaths if token.login_at > now],
        login,
    )
    breakage = Breakage(world, clock, death, note)
    breakage.install()
    return clock, breakage


def _session(world: ChaosWorld, number: int, death: Death | None, note: Note) -> None:
    clock, breakage = _clock(world, number, note, death)
    system = DrivenSystem(clock)
    fence = _fence(world, system)
    session = CaptureSession(
        session=world.script.session,
        plan=world.size.plan,
        calendar=world.calendar,
        clock=clock,
        source=_source(world, clock),
        lake=world.lake,
        sinks=[CsvSink(world.root.csv)],
        fence=fence,
        heartbeat=HeartbeatFile(world.root.heartbeat_file, system),
        state_file=world.root.session_state_file,
        events=_Events(world, clock, note),
        run_id=fence.owner.run_id,
        system=system,
    )
    try:
        report = session.run()
        note({"stored": report.stored, "sink errors": sum(report.sink_errors.values())})
    finally:
        note({"calls": breakage.calls, "struck": dict(breakage.struck)})
        fence.release()


def _closing(world: ChaosWorld, death: Death | None, note: Note) -> None:
    clock, breakage = _clock(world, 0, note, death)
    lake, day = world.lake, world.script.trade_date
    left = 0
    if len(lake.read(INSTRUMENTS, day)):  # a day that died in its opening has nothing to heal
        left = heal_day(lake, _source(world, clock), trading_day(lake, day, world.calendar), clock).left
    if lake.live_names(QUOTES, day):
        record_interrupted(lake, trading_day(lake, day, world.calendar), world.root.session_state_file)
    seal_day(lake, day, lambda lake_, day_: derive_day(lake_, day_, world.calendar), world.warehouse.swap)
    trading = trading_day(lake, day, world.calendar)
    series = offset_series(lake.read(OPTION_CHAIN, day), lake.read(EXPIRY_OVERVIEW, day), trading)
    CsvSink(world.root.csv).rewrite_day(day, series, lake.read(OVERVIEW, day))
    note({"left": left, "calls": breakage.calls, "struck": dict(breakage.struck)})


def _fence(world: ChaosWorld, system: DrivenSystem) -> Fence:
    day, lock = world.script.trade_date, SessionLock(world.root.lock_file, system)
    attempt = lock.next_attempt(day)
    return lock.acquire(day, attempt, f"run-{attempt}")


def _source(world: ChaosWorld, clock: TroubledClock) -> KiteSource:
    return KiteSource.for_root(world.root, clock=clock, timeout_seconds=TIMEOUT_SECONDS)
