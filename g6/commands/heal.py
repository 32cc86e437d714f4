"""`g6 heal`: fill a day from minute candles, with a bar, and seal it again if it was sealed."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date, timedelta

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from g6.commands.demo import simulator
from g6.errors import CommandError
from g6.runtime import console, open_world, run_job
from g6_market.calendar import Closed, TradingCalendar
from g6_resources.clock import clock_from, read_clock
from g6_resources.lake import Lake
from g6_resources.lake_open import open_lake
from g6_resources.resources import load_calendar
from g6_resources.sealing import trading_day
from g6_resources.settings import Settings
from g6_resources.world import DataRoot
from g6_resources.world_state import read_simulator
from g6_sim.server import SimConfig


def run_heal(day: date, world: str | None, *, minutes: float | None, all_strikes: bool, again: bool) -> None:
    """Heal a day, and seal it again if it was sealed and anything came of it."""
    from g6_assets.definitions import build_resources
    from g6_assets.heal import HealingRuns, HealLimit, alone, heal_day

    root, settings = open_world(world)
    calendar = load_calendar(settings)
    lake = open_lake(root)
    _must_be_stored(root, lake, calendar, day)
    with _market(root, day):
        served = read_simulator(root)
        clock = clock_from(root, served.url if served else None)
        try:
            with alone(root.state), _bar() as show:
                report = heal_day(
                    lake,
                    build_resources(settings, root)["kite"].source(clock),
                    trading_day(lake, day, calendar),
                    clock,
                    limit=HealLimit(until=None if minutes is None else clock.now() + timedelta(minutes=minutes)),
                    all_strikes=all_strikes,
                    again=again,
                    progress=show,
                )
        except HealingRuns as error:
            raise CommandError(str(error)) from error
        console.print(str(report), soft_wrap=True, highlight=False)
        if lake.seal_record(day) is not None and any(lake.live_files(day).values()):
            _seal_again(root, settings, day)
    if report.trouble is not None:
        raise CommandError("healing stopped before its end; what was healed is stored, and the same command goes on")


def _must_be_stored(root: DataRoot, lake: Lake, calendar: TradingCalendar, day: date) -> None:
    today = calendar.on(day)
    if isinstance(today, Closed):
        raise CommandError(f"{day} has no session ({today.reason}), so there is nothing to heal")
    if day not in lake.days():
        known = ", ".join(str(stored) for stored in lake.days()[-5:])
        raise CommandError(f"nothing is stored of {day} in {root.world.name}; days with data: {known or 'none'}")
    if root.world.kind == "replay":
        raise CommandError(f"{root.world.name} is a recording, which has no candles: what it lacks stays a gap")


def _market(root: DataRoot, day: date) -> AbstractContextManager[object]:
    """Return what answers meanwhile: a demo's world has its simulator only while a command runs."""
    if root.world.kind == "live" or read_clock(root.clock_file)["mode"] != "driven":
        return nullcontext()
    return simulator(root, SimConfig(seed=int(root.world.name.partition(":")[2]), trade_date=day))


def _seal_again(root: DataRoot, settings: Settings, day: date) -> None:
    from g6_assets.candles import CANDLES
    from g6_assets.jobs import SEAL_JOB

    run_job(root, settings, SEAL_JOB, day, ops={CANDLES: {"config": {"minutes": 0}}})
    console.print(f"{day} sealed again", highlight=False)


@contextmanager
def _bar() -> Generator[Callable[[int, int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("contracts", total=None)
        yield lambda done, contracts, healed: bar.update(
            task, completed=done, total=contracts, description=f"contracts ({healed:,} legs healed)"
        )
