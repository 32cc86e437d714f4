"""How many analysts one machine holds: reader processes that ask the synthetic year, alone and beside a session.

Each reader is a process of its own with `g6.connect()`, as a notebook is: it asks a question of the mix, thinks a
second on average, and asks the next; days are drawn, so that not all read the same files. For a quick try:
`python -m benchmarks.bench_readers --quick`.
"""

import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.worlds import captured
from benchmarks.year import built_year
from benchmarks.year_questions import DAY, MACROS, MONTH, SQL
from g6_resources.world import DataRoot

BOUND_MS = 250.0
"""Until here an answer feels like one: the 95th percentile of the small questions must stay below."""
READERS = (1, 4, 16, 32, 64, 96)
SECONDS, THINK_SECONDS = 12.0, 1.0
BESIDE, SNAPSHOTS = 16, 24

_OVERVIEW = f"SELECT * FROM overview_on('{DAY}') WHERE underlying = 'NIFTY'"
# (name, weight, small, question): what a desk asks all day, and now and then a month.
MIX = (
    ("latest chain", 40, True, MACROS["q1"]),
    ("straddle of a day", 25, True, MACROS["q2"]),
    ("overview of a day", 15, True, _OVERVIEW),
    ("chain beside the spot as of its time", 10, True, MACROS["q6"]),
    ("put-call ratio of a month", 10, False, SQL["q3"]),
)
_READER = """
import json, random, resource, sys, time
import g6
given = json.loads(sys.stdin.readline())
draw, mix, days, months = random.Random(given["seed"]), given["mix"], given["days"], given["months"]
with g6.connect(given["root"]) as db:
    for _, _, _, question in mix:
        db.execute(question).fetchall()
    print("ready", flush=True)
    sys.stdin.readline()
    over, took = time.monotonic() + given["seconds"], []
    time.sleep(draw.random() * given["think"])
    while time.monotonic() < over:
        name, _, small, question = draw.choices(mix, [weight for _, weight, _, _ in mix])[0]
        question = question.replace(given["day"], draw.choice(days))
        for old, new in zip(given["month"], draw.choice(months)):
            question = question.replace(old, new)
        start = time.perf_counter()
        db.execute(question).fetchall()
        took.append([name, small, (time.perf_counter() - start) * 1000])
        time.sleep(draw.expovariate(1 / given["think"]) if given["think"] else 0)
print(json.dumps([took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What some readers had: milliseconds of the small questions and of the others, questions a second, peak MiB."""

    readers: int
    small: Sequence[float]
    large: Sequence[float]
    per_second: float
    mib: float

    def __str__(self) -> str:
        large = f", month p95 {p95(self.large):.0f}" if self.large else ""
        return f"{self.readers}: {self.per_second:.0f}/s, p50 {statistics.median(self.small):.0f}, " + (
            f"p95 {p95(self.small):.0f}{large} ms"
        )


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return sorted(values)[int(0.95 * (len(values) - 1))]


def ask(root: DataRoot, readers: int, seconds: float, think: float = THINK_SECONDS) -> Asked:
    """Let readers ask for some seconds."""
    with _reading(root, readers, seconds, think) as answers:
        return answers()


@contextmanager
def _reading(root: DataRoot, readers: int, seconds: float, think: float) -> Generator[Any]:
    """Start readers, let them go when all are ready; gives the function that waits for what they had."""
    days = sorted(path.stem for path in (root.lake / "seals").glob("*.json"))
    months = [(days[n], days[min(n + 20, len(days) - 1)]) for n in range(0, len(days), 21)]
    given = {
        "root": str(root.path), "mix": MIX, "seconds": seconds, "think": think,
        "day": str(DAY), "days": days[-60:],
        "month": [str(end) for end in MONTH], "months": months,
    }  # fmt: skip
    command = [sys.executable, "-c", _READER]
    place = Path(__file__).parent.parent
    started = [
        subprocess.Popen(command, cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(readers)
    ]
    try:
        for number, process in enumerate(started):
            _tell(process, json.dumps(given | {"seed": number}))
        for process in started:
            if _line(process).strip() != "ready":
                raise RuntimeError("a reader could not open the year; its error is above")
        for process in started:
            _tell(process, "go")
        yield lambda: _asked([json.loads(_line(process)) for process in started], seconds)
    finally:
        for process in started:
            process.communicate()


def _tell(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def _asked(answers: Sequence[tuple[list[tuple[str, bool, float]], float]], seconds: float) -> Asked:
    took = [one for mine, _ in answers for one in mine]
    return Asked(
        readers=len(answers),
        small=[ms for _, small, ms in took if small],
        large=[ms for _, small, ms in took if not small],
        per_second=len(took) / seconds,
        mib=statistics.median(mib for _, mib in answers),
    )


def results() -> list[dict[str, Any]]:
    """Measure; see `benchmarks.__main__` for the keys."""
    return measured(built_year(), READERS, SECONDS, SNAPSHOTS)


def measured(root: DataRoot, readers: Sequence[int], seconds: float, snapshots: int) -> list[dict[str, Any]]:
    """Measure so many readers, for some seconds each, and a session of so many snapshots beside them."""
    steps: list[Asked] = []
    for number in readers:
        steps.append(ask(root, number, seconds))
        if p95(steps[-1].small) > BOUND_MS:
            break
    busy = ask(root, 4, seconds, think=0)
    alone = captured(strikes=8, interval=60, full_every=180, wanted=snapshots)[0].latencies
    beside = _beside_a_session(root, min(BESIDE, max(readers)), snapshots)
    return [_held(steps), _saturated(busy), _memory(steps[-1]), _session(alone, *beside)]


def _beside_a_session(root: DataRoot, readers: int, snapshots: int) -> tuple[Sequence[float], Asked]:
    latencies: list[float] = []

    def capture() -> None:
        latencies.extend(captured(strikes=8, interval=60, full_every=180, wanted=snapshots)[0].latencies)

    session = threading.Thread(target=capture)
    session.start()
    had: list[Asked] = []
    while session.is_alive():
        had.append(ask(root, readers, seconds=8))
    session.join()
    small = [ms for one in had for ms in one.small]
    large = [ms for one in had for ms in one.large]
    return latencies, Asked(readers, small, large, had[0].per_second, had[0].mib)


def _held(steps: Sequence[Asked]) -> dict[str, Any]:
    held = [step for step in steps if p95(step.small) <= BOUND_MS]
    mix = ", ".join(f"{weight} % {name}" for name, weight, _, _ in MIX)
    return _row(
        "concurrent_readers_held",
        held[-1].readers if held else 0,
        "readers",
        "higher",
        f"most reader processes of those tried for which p95 of the small questions stays under {BOUND_MS:.0f} ms, "
        f"each asking, then thinking {THINK_SECONDS:g} s on average; mix: {mix}. By readers: "
        + "; ".join(map(str, steps)),
    )


def _saturated(busy: Asked) -> dict[str, Any]:
    return _row(
        "reader_questions_per_second",
        round(busy.per_second, 1),
        "1/s",
        "higher",
        f"{busy.readers} readers that never think: all the machine gives. p50 {statistics.median(busy.small):.0f}, "
        f"p95 {p95(busy.small):.0f} ms",
    )


def _memory(most: Asked) -> dict[str, Any]:
    return _row(
        "reader_peak_mib",
        round(most.mib),
        "MiB",
        "lower",
        f"largest resident size of a reader, median of {most.readers}",
    )


def _session(alone: Sequence[float], beside: Sequence[float], readers: Asked) -> dict[str, Any]:
    return _row(
        "snapshot_beside_readers_ms",
        round(p95(beside) * 1000),
        "ms",
        "lower",
        f"wall, p95 of {len(beside)} snapshots of a session one after the other, with {readers.readers} readers at it: "
        f"call, derivation, files; median {statistics.median(beside) * 1000:.0f}. Without readers median "
        f"{statistics.median(alone) * 1000:.0f}, p95 {p95(alone) * 1000:.0f}. The readers' small questions then: p50 "
        f"{statistics.median(readers.small):.0f}, p95 {p95(readers.small):.0f} ms",
    )


def _row(name: str, value: float, unit: str, better: str, note: str) -> dict[str, Any]:
    return {
        "name": name, "value": value, "unit": unit, "better": better, "baseline": None, "ratio": None, "note": note,
    }  # fmt: skip


if __name__ == "__main__":
    start = time.monotonic()
    quick = "--quick" in sys.argv[1:]
    print(json.dumps(measured(built_year(), (1, 2), 3, 4) if quick else results(), indent=1))
    print(f"{time.monotonic() - start:.0f} s", file=sys.stderr)
