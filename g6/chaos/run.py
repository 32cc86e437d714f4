"""Many days at once: workers with a simulator each, and what they found together."""

import importlib
import multiprocessing
import os
import tempfile
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from operator import add
from pathlib import Path
from typing import Any, cast

from g6.chaos.day import DayResult, run_day
from g6.chaos.script import LAST_DATE, draw
from g6.chaos.world import FULL, SMALL
from g6.errors import CommandError
from g6_market.calendar import TradingCalendar
from g6_sim.config import SimConfig
from g6_sim.server import SimServer

SIZES = {size.name: size for size in (SMALL, FULL)}


@dataclass(frozen=True, slots=True)
class Order:
    """Which days to run.

    Parameters
    ----------
    size
        "small" or "full".
    """

    seed: int
    days: Sequence[int]
    size: str = SMALL.name
    jobs: int = 2


@dataclass(frozen=True, slots=True)
class Report:
    """What the days of a run add up to."""

    order: Order
    results: tuple[DayResult, ...]
    wall_seconds: float = 0.0

    @property
    def violations(self) -> list[dict[str, Any]]:
        """Every violation with its day and the command that plays it again."""
        return [
            {"day": result.number, "date": result.trade_date, "violation": text, "replay": self.replay(result.number)}
            for result in self.results
            for text in result.violations
        ]

    def replay(self, number: int) -> str:
        """Return the command that plays one day again."""
        full = " --full" if self.order.size == FULL.name else ""
        return f"g6 chaos --days 1 --seed {self.order.seed} --first-day {number}{full}"

    def figures(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        results = self.results
        size = SIZES[self.order.size]
        return {
            "seed": self.order.seed,
            "first_day": min(self.order.days),
            "days": len(results),
            "world": {
                "size": size.name,
                "indices": list(size.tags),
                "interval_seconds": size.interval_seconds,
                "strikes_each_side": size.strikes_each_side,
            },
            "quiet_days": sum(not result.drawn for result in results),
            "attempts": sum(result.attempts for result in results),
            "views_asked": sum(result.views_asked for result in results),
            "expected": sum(result.expected for result in results),
            "stored": sum(result.stored for result in results),
            "gaps": _sum(result.gaps for result in results),
            "captured_rows": sum(result.captured_rows for result in results),
            "healed_rows": sum(result.healed_rows for result in results),
            "faults_drawn": _sum(result.drawn for result in results),
            "faults_struck": _sum(result.struck for result in results),
            "violations": self.violations,
            "cpu_seconds": round(sum(result.cpu_seconds for result in results), 1),
            "wall_seconds": round(self.wall_seconds, 1),
        }


def run_days(order: Order) -> Generator[DayResult]:
    """Run days in worker processes and yield each verdict as it comes.

    Closing the iterator ends the workers.
    """
    context = multiprocessing.get_context("spawn")
    waiting = list(reversed(order.days))
    workers: dict[Any, BaseProcess] = {}
    try:
        for _ in range(min(order.jobs, len(waiting))):
            ours, theirs = context.Pipe()
            worker = context.Process(target=_work, args=(order.seed, order.size, theirs), name="g6-chaos")
            worker.start()
            theirs.close()
            ours.send(waiting.pop())
            workers[ours] = worker
        while workers:
            for connection in cast("list[Any]", wait(list(workers))):
                result: DayResult = _verdict(connection)
                yield result
                if waiting:
                    connection.send(waiting.pop())
                else:
                    connection.close()
                    workers.pop(connection).join()
    finally:
        for worker in workers.values():
            worker.terminate()
            worker.join()


def _verdict(connection: Any) -> DayResult:
    try:
        return connection.recv()
    except (EOFError, ConnectionError) as error:
        raise CommandError("a worker of the simulation ended; its own message stands above") from error


def _work(seed: int, name: str, orders: "Connection[Any, Any]") -> None:
    os.dup2(2, 1)  # whatever a library prints (DuckDB a progress bar) is not to lie between the figures
    importlib.import_module("kiteconnect")  # once here, not in each of the forks
    size = SIZES[name]
    calendar = TradingCalendar.load()
    config = SimConfig(trade_date=LAST_DATE, seed=seed, indices=tuple(size.tags), access_token="")
    with tempfile.TemporaryDirectory(prefix="g6-chaos-") as folder, SimServer(config, own_process=True) as simulator:
        while True:
            try:
                number: int = orders.recv()
            except EOFError:
                return
            script = draw(seed, number, calendar, size.interval_seconds)
            orders.send(run_day(script, size, calendar, Path(folder) / f"day-{number}", simulator.url))


def _sum(counts: Iterable[Any]) -> dict[str, int]:
    return dict(sorted(reduce(add, (Counter(count) for count in counts), Counter[str]()).items()))
