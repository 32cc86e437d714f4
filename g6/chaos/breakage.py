"""Breaking disk and process from the inside: kill -9 at any system call, power cuts, a full, a slow, a broken disk.

It lives in the process that captures. Python reports each file it opens, renames or removes before it does so (audit
events); writes and flushes pass through a layer over `os`. Both are counted, so that "the 713th call" is the same
instant each time the day is played.
"""

import errno
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from g6.chaos.script import Death, Script
from g6.chaos.world import ChaosWorld, TroubledClock

_COUNTED = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.scandir", "os.truncate"})
_WRITES = os.O_WRONLY | os.O_RDWR

Note = Callable[[dict[str, Any]], None]


class Breakage:
    """What breaks around one attempt.

    Parameters
    ----------
    world, clock
        Whose files, and the market time by which windows are judged.
    death
        How the process ends; None lets it live.
    note
        Told what struck, before it does.
    """

    def __init__(self, world: ChaosWorld, clock: TroubledClock, death: Death | None, note: Note) -> None:
        script: Script = world.script
        self.calls = 0
        self.struck: Counter[str] = Counter()
        self._root = str(world.root.path)
        self._clock_name = world.root.clock_file.name
        self._csv = str(world.root.csv)
        self._layered = (str(world.root.lake), str(world.root.csv))
        self._clock = clock
        self._script = script
        self._death = death
        self._point = _point(world, death)
        self._note = note
        self._inside = False
        self._disk = _Disk(random.Random(f"{script.seed}/{script.number}/disk"))
        self._write, self._fsync = os.write, os.fsync

    def install(self) -> None:
        """Begin; there is no way back, the process is meant to end."""
        sys.addaudithook(self._audit)
        os.write = self._slow_write
        os.fsync = self._slow_fsync

    # ---------------------------------------------------------------- what Python reports
    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _COUNTED or self._inside:
            return
        target = arguments[1] if event == "os.rename" else arguments[0]
        path = _text(target)
        if not path.startswith(self._root) or self._clock_name in path:
            return
        self._inside = True
        try:
            self._call(event, path)
            if event == "os.rename":
                if self._point is not None and path.endswith(self._point):
                    self._die(event, path)
                self._disk.renamed(_text(arguments[0]), path)
            elif event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
                self._refuse(path, creating=bool(arguments[2] & os.O_CREAT))
                self._disk.opened(path)
            elif event == "os.mkdir":
                self._refuse(path, creating=True)
        finally:
            self._inside = False

    def _refuse(self, path: str, *, creating: bool) -> None:
        now = self._clock.now()
        if path.startswith(self._csv) and any(window.holds(now) for window in self._script.dead_sink):
            self.struck["dead sink"] += 1
            raise OSError(errno.EIO, "simulated broken disk", path)
        # A full disk shows when a file grows. Of state files, written past the layer below, when they are made.
        if creating and not path.startswith(self._layered) and not Path(path).exists() and self._is_full():
            raise OSError(errno.ENOSPC, "simulated full disk", path)

    def _is_full(self) -> bool:
        now = self._clock.now()
        full = any(window.holds(now) for window in self._script.disk_full)
        self.struck["disk full"] += full
        return full

    # ---------------------------------------------------------------- the layer over os
    def _slow_write(self, descriptor: int, data: Any) -> int:
        path = self._mine(descriptor)
        if path is None:
            return self._write(descriptor, data)
        self._inside = True
        try:
            half = len(data) // 2
            # A file that is written where it belongs has no moment at which it appears: it dies within.
            at_point = self._point is not None and path.endswith(self._point)
            if self._death is not None and (at_point or self.calls + 1 == self._death.at_call):
                self._write(descriptor, data[:half])
            if at_point:
                self._die("write", path)
            self._call("write", path)
            if self._is_full():
                self._write(descriptor, data[:half])
                raise OSError(errno.ENOSPC, "simulated full disk", path)
            return self._write(descriptor, data)
        finally:
            self._inside = False

    def _slow_fsync(self, descriptor: Any) -> None:
        number = descriptor if isinstance(descriptor, int) else int(descriptor.fileno())
        path = self._mine(number)
        if path is None:
            self._fsync(number)
            return
        self._inside = True
        try:
            self._call("fsync", path)
            now = self._clock.now()
            for slow in self._script.slow_disk:
                if slow.window.holds(now):
                    self.struck["slow disk"] += 1
                    self._clock.move(slow.seconds)
            # The simulated disk is what counts here; the real one need not be waited for.
            self._disk.flushed(path)
        finally:
            self._inside = False

    def _mine(self, descriptor: int) -> str | None:
        if self._inside:
            return None
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - called thousands of times a day
        except OSError:
            return None
        return target if target.startswith(self._root) and self._clock_name not in target else None

    def _call(self, event: str, path: str) -> None:
        self.calls += 1
        if self._death is not None and self.calls == self._death.at_call:
            self._die(event, path)

    def _die(self, event: str, path: str) -> None:
        assert self._death is not None  # noqa: S101 - only a death gets here
        name = os.path.relpath(path, self._root)
        lost = self._disk.lose_power() if self._death.power_cut else 0
        self._note({"died": event, "file": name, "calls": self.calls, "lost": lost, "struck": dict(self.struck)})
        os.kill(os.getpid(), signal.SIGKILL)


class _Disk:
    """What would outlive a power cut: contents that were flushed, names whose folder was flushed."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._dirty: set[str] = set()
        self._unnamed: set[str] = set()

    def opened(self, path: str) -> None:
        self._dirty.add(path)

    def flushed(self, path: str) -> None:
        if Path(path).is_dir():
            self._unnamed = {name for name in self._unnamed if str(Path(name).parent) != path}
        else:
            self._dirty.discard(path)

    def renamed(self, source: str, target: str) -> None:
        # A file that replaces another keeps the older content or the newer after a cut; either is whole.
        if not Path(target).exists():
            self._unnamed.add(target)
        self._dirty.discard(target)
        if source in self._dirty:
            self._dirty.remove(source)
            self._dirty.add(target)

    def lose_power(self) -> int:
        """Lose what was not flushed; return how many files that concerned."""
        lost = 0
        for path in sorted(self._unnamed | self._dirty):
            file = Path(path)
            if not file.is_file():
                continue
            lost += 1
            if path in self._unnamed and self._rng.random() < 0.5:
                file.unlink()
            elif path in self._dirty:
                os.truncate(path, int(file.stat().st_size * self._rng.random()))
        return lost


def _point(world: ChaosWorld, death: Death | None) -> str | None:
    """Return how the path ends whose appearance a death prevents."""
    if death is None or not death.point:
        return None
    if death.point == "current":
        return "/current/option_chain.parquet"
    if death.point == "state":
        return f"/{world.root.session_state_file.name}"
    if death.point == "instruments":
        return f"/instruments/live/trade_date={world.script.trade_date}/dump.parquet"
    if death.point == "csv":
        return f"/overview/NIFTY/{world.script.trade_date}.csv"
    step, opened = timedelta(seconds=world.size.interval_seconds), world.script.session.open
    first = max(world.script.first_launch - opened, timedelta())
    due = opened + (first // step + 1 + death.at_due) * step
    return f"/{death.point}/live/trade_date={world.script.trade_date}/s{due:%H%M%S}.parquet"


def _text(path: Any) -> str:
    if isinstance(path, int):
        return ""
    found = os.fspath(path) if path is not None else ""
    return found.decode() if isinstance(found, bytes) else str(found)
