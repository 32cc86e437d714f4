"""What Dagster itself costs on a trading day, beside the work it runs.

On one simulated day of the shipped configuration, see `worlds.day_through_dagster`.
"""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from benchmarks.worlds import DAY, DayThroughDagster, day_through_dagster
from g6.runtime import PROJECT, environment
from g6_resources.clock import SystemTime

RUN_A_MINUTE_CPU_SECONDS = 790
IDLE_SECONDS = 60.0
SETTLE_SECONDS = 120.0  # at most, until a slice of 5 s costs less than a tenth of it twice running
HOURS_A_DAY = 7.0  # from the morning schedule to the seal
_TICKS = os.sysconf("SC_CLK_TCK")


def results() -> list[dict[str, Any]]:
    """Measure; see `benchmarks.__main__` for the keys."""
    day = day_through_dagster()
    session = day.session_cpu - day.capture_cpu
    seal = day.seal_cpu - day.seal_own_cpu
    total = session + seal
    idle = idle_cpu_per_second(day)
    return [
        {
            "name": "dagster_cpu_seconds_per_day",
            "value": round(total, 1),
            "unit": "s",
            "better": "lower",
            "baseline": RUN_A_MINUTE_CPU_SECONDS,
            "ratio": round(RUN_A_MINUTE_CPU_SECONDS / total, 1),
            "note": f"{DAY}, six indices: CPU of the processes of the session run ({day.session_cpu:.0f} s) and the "
            f"seal run ({day.seal_cpu:.0f} s), from start and imports to exit, less what the capture loop "
            f"({day.capture_cpu:.0f} s) and seal_day ({day.seal_own_cpu:.0f} s) took; CSV and checks count as "
            f"Dagster's. Session {session:.1f} s, {day.events_cpu:.1f} s of it for what the loop reports, {day.events} "
            f"events; seal {seal:.1f} s. Beside it daemon, code server and webserver idle on {idle:.3f} CPU s a second "
            f"(over {IDLE_SECONDS:.0f} s): {idle * HOURS_A_DAY * 3600:,.0f} s in {HOURS_A_DAY:.0f} hours. "
            "Predecessor's way, a run a minute: 790-1,900 s",
        }
    ]


def idle_cpu_per_second(day: DayThroughDagster) -> float:
    """Return the CPU of daemon, code server and webserver a second of wall time, sensors ticking, nothing due."""
    programs, port = Path(sys.executable).parent, free_port()
    # With the module itself in the workspace, the daemon would start a new code server every minute, 3 CPU s each.
    workspace = day.root.path / "workspace.yaml"
    server = {"grpc_server": {"host": "127.0.0.1", "port": port, "location_name": "g6"}}
    workspace.write_text(json.dumps({"load_from": [server]}), encoding="utf-8")
    here = ("-h", "127.0.0.1", "-p")
    commands = (
        [str(programs / "dagster"), "api", "grpc", "-m", "g6_assets.definitions", *here, str(port)],
        [str(programs / "dagster-daemon"), "run", "-w", str(workspace)],
        [str(programs / "dagster-webserver"), "-w", str(workspace), *here, str(free_port())],
    )
    log = (day.root.path / "idle.log").open("ab")
    processes = [
        subprocess.Popen(
            command, cwd=PROJECT, env=environment(day.root), stdout=log, stderr=log, start_new_session=True
        )
        for command in commands
    ]
    clock, pause = SystemTime(), threading.Event()
    try:
        _settle(processes, pause)
        before, start = _cpu_of_sessions(processes), clock.monotonic()
        pause.wait(IDLE_SECONDS)
        spent, seconds = _cpu_of_sessions(processes) - before, clock.monotonic() - start
        if any(process.poll() is not None for process in processes):
            raise RuntimeError(f"an idle service ended by itself; {log.name} says why")
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)
        log.close()
    return spent / seconds


def free_port() -> int:
    """Return a port of loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _settle(processes: list[subprocess.Popen[bytes]], pause: threading.Event) -> None:
    before, quiet = _cpu_of_sessions(processes), 0
    for _ in range(round(SETTLE_SECONDS / 5)):
        pause.wait(5.0)
        now = _cpu_of_sessions(processes)
        quiet = quiet + 1 if now - before < 0.5 else 0
        before = now
        if quiet == 2:
            return


def _cpu_of_sessions(processes: list[subprocess.Popen[bytes]]) -> float:
    """Return CPU seconds of the processes and all below them, ended ones included."""
    sessions = {process.pid for process in processes}
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:  # it ended meanwhile, and its parent counts it
            continue
        if int(fields[3]) in sessions:
            ticks += sum(int(number) for number in fields[11:15])
    return ticks / _TICKS
