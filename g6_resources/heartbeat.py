"""The session's heartbeat: proof of life, and the process to kill when there is none.

Dagster's run status is not proof of life. Who may write into the lake is decided by the fence in `lock`; what to do
about an old heartbeat is decided by the session sensor.
"""

import os
import signal
import socket
from dataclasses import MISSING, asdict, dataclass, fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

from g6_resources.clock import SystemTime
from g6_resources.files import read_json, write_json


class HeartbeatUnreadable(Exception):
    """The heartbeat file is there but holds no heartbeat."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A sign of life of one session attempt.

    Parameters
    ----------
    market_time, system_time
        When it was written by either clock, aware IST.
    pid, pid_started, host
        The process. `pid_started` tells it from a later one with the same pid; None where the system does not say.
    run_id, trade_date, attempt
        Which run of which day.
    state, detail
        What it is doing: a word ("collecting", "waiting for token"), and a sentence.
    boot, uptime_seconds
        Which boot of which machine, and the seconds of it so far: they pass neither when the clock is set nor while
        the machine sleeps. No boot where the system does not say.
    """

    market_time: datetime
    system_time: datetime
    pid: int
    pid_started: str | None
    host: str
    run_id: str
    trade_date: date
    attempt: int
    state: str
    detail: str
    boot: str | None = None
    uptime_seconds: float = 0.0

    def age_seconds(self, system: SystemTime) -> float:
        """Return for how many seconds there was no sign of life.

        Within one boot of one machine the clock has no say: setting it, or a night with the lid closed, makes no living
        session look dead. Elsewhere the two times are compared, and a heartbeat from the future counts as old by as
        much, else a dead session would look alive until the time has caught up.
        """
        if self.boot is not None and self.boot == boot_id():
            return max(system.monotonic() - self.uptime_seconds, 0.0)
        return abs((system.now() - self.system_time).total_seconds())


class HeartbeatFile:
    """Where a world's session writes its heartbeat.

    Parameters
    ----------
    path
        `DataRoot.heartbeat_file`.
    system_time
        The system's clock, which stamps each heartbeat.
    """

    def __init__(self, path: Path, system_time: SystemTime) -> None:
        self.path = path
        self._system_time = system_time

    def write(
        self, *, market_time: datetime, run_id: str, trade_date: date, attempt: int, state: str, detail: str = ""
    ) -> Heartbeat:
        """Replace the heartbeat with one of this process, now. It is not forced to disk: it dies with the machine."""
        pid = os.getpid()
        heartbeat = Heartbeat(
            market_time=market_time,
            system_time=self._system_time.now(),
            pid=pid,
            pid_started=process_started(pid),
            host=socket.gethostname(),
            run_id=run_id,
            trade_date=trade_date,
            attempt=attempt,
            state=state,
            detail=detail,
            boot=boot_id(),
            uptime_seconds=self._system_time.monotonic(),
        )
        write_json(self.path, {k: v.isoformat() if isinstance(v, date) else v for k, v in asdict(heartbeat).items()})
        return heartbeat

    def read(self) -> Heartbeat | None:
        """Return the last heartbeat, or None if there never was one.

        Raises
        ------
        HeartbeatUnreadable
            If the file is torn or holds something else.
        """
        try:
            content = read_json(self.path)
            return _heartbeat_of(content)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise HeartbeatUnreadable(
                f"heartbeat {self.path} cannot be read ({error!r}); remove it, and the session sensor judges by the "
                "run alone until the session writes the next one"
            ) from error


def process_started(pid: int) -> str | None:
    """Return what tells a process from others that had or will have its pid; None if it is gone or cannot be told.

    It is the boot's id and the start in clock ticks since the boot, from Linux' /proc; other systems give None.
    """
    try:
        # The name (second field, in parentheses) may hold spaces and parentheses of its own.
        state, *rest = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except (OSError, ValueError):
        return None
    boot = boot_id()
    # A zombie is dead: it runs nothing and only waits to be collected.
    return None if state in "ZX" or boot is None else f"{boot}/{rest[18]}"


def boot_id() -> str | None:
    """Return what tells this boot of this machine from every other, from Linux' /proc; other systems give None."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def process_matches(heartbeat: Heartbeat) -> bool:
    """Tell whether the very process that wrote the heartbeat is alive on this host."""
    if heartbeat.host != socket.gethostname() or heartbeat.pid_started is None:
        return False
    return process_started(heartbeat.pid) == heartbeat.pid_started


def kill_process(heartbeat: Heartbeat) -> bool:
    """Kill the process that wrote the heartbeat, if it is alive on this host and is not the one asking.

    Returns
    -------
    bool
        Whether the signal was sent. A stopped process dies of it too.
    """
    if heartbeat.pid == os.getpid() or not process_matches(heartbeat):
        return False
    try:
        os.kill(heartbeat.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _heartbeat_of(content: dict[str, Any]) -> Heartbeat:
    # A heartbeat of before an upgrade may lack what has a default.
    values = {
        field.name: content[field.name]
        for field in fields(Heartbeat)
        if field.default is MISSING or field.name in content
    }
    for name in ("market_time", "system_time"):
        values[name] = datetime.fromisoformat(values[name])
    values["trade_date"] = date.fromisoformat(values["trade_date"])
    for name, kind in (("pid", int), ("attempt", int), ("state", str)):
        if not isinstance(values[name], kind):
            raise TypeError(f"{name} is {values[name]!r}")
    return Heartbeat(**values)
