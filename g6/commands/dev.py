"""`g6 dev` and `g6 ui`: Dagster's pages for one world, with or without a running market."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from datetime import date, datetime, timedelta
from pathlib import Path

from g6.commands.demo import simulator
from g6.errors import CommandError
from g6.instance import prepare_instance
from g6.runtime import PROJECT, console, environment, open_world, settings_of
from g6_market.calendar import IST
from g6_resources.clock import SystemTime, clock_from, write_clock
from g6_resources.kite.token import credentials_from
from g6_resources.resources import load_calendar
from g6_resources.settings import Settings
from g6_resources.world import DataRoot, World, make_root
from g6_sim.server import SimConfig

# A session that is interrupted stores its last snapshot and gives its lock back; Dagster's own exit takes longer.
GRACE_SECONDS = 20.0


def run_dev(*, world: str | None, port: int, seed: int | None, at: str) -> None:
    """Run UI, daemon and code server in this terminal, with a market that is open now."""
    _require_free(port)
    settings = settings_of()
    if world == "live" or (world is None and settings.secrets.kite_api_key):
        credentials_from(settings.secrets)
        root = make_root(settings.data_path, World("live"), **settings.world_facts)
        console.print(
            "Kite is the source: `g6 login` once a day, before the open or at any time after", highlight=False
        )
        _serve(root, port)
        return
    now = SystemTime().now()
    # A world of its own at each start: the market's clock could not go back in one that has captured its day.
    name = World(world or f"sim:{seed if seed is not None else int(now.timestamp())}")
    root, day, shift = make_shifted_world(settings, name, at)
    with ExitStack() as stack:
        config = SimConfig(seed=_seed_of(name), trade_date=day, mode="shifted", shift_seconds=shift.total_seconds())
        stack.enter_context(simulator(root, config))
        console.print(
            f"simulated market of {day:%A %Y-%m-%d} at {at} IST and running, world {name.name}", highlight=False
        )
        _serve(root, port)


def make_shifted_world(settings: Settings, world: World, at: str) -> tuple[DataRoot, date, timedelta]:
    """Make a world whose market clock stands at `at` of the latest regular day now, and runs at real speed.

    A world that is there already and within that day goes on where its clock stands, since a market does not go back.
    """
    session = load_calendar(settings).latest_completed(SystemTime().now())
    day = session.trade_date
    try:
        start = datetime.combine(day, datetime.strptime(at, "%H:%M:%S").time(), IST)  # noqa: DTZ007
    except ValueError:
        raise CommandError(f"--at {at!r} is no time of day; write it as HH:MM:SS, e.g. 09:13:30") from None
    root = make_root(settings.data_path, world, first_date=day.replace(day=1).isoformat(), **settings.world_facts)
    now = SystemTime().now()
    if root.clock_file.exists():
        stands = clock_from(root).now()
        if stands >= session.close:
            raise CommandError(
                f"--world {world.name}: its market has got to {stands:%Y-%m-%d %H:%M} and closed; leave --world away "
                "for a fresh one"
            )
        start = max(start, stands)
    write_clock(root.clock_file, "shifted", offset=start - now)
    return root, day, start - now


def run_ui(*, world: str | None, port: int) -> None:
    """Serve the pages of a world without its daemon: nothing starts by itself."""
    _require_free(port)
    root, _ = open_world(world)
    console.print(f"Dagster UI of {root.world.name}: http://127.0.0.1:{port}", highlight=False)
    _run(
        [program("dagster-webserver"), "-w", str(PROJECT / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)], root
    )


def _serve(root: DataRoot, port: int) -> None:
    console.print(f"Dagster UI: http://127.0.0.1:{port} (Ctrl+C ends everything)", highlight=False)
    _run([program("dg"), "dev", "--host", "127.0.0.1", "--port", str(port)], root)


def _run(command: Sequence[str], root: DataRoot) -> None:
    prepare_instance(root)
    # In a group of its own, so that Ctrl+C reaches every process below once, whether it comes from a terminal or not.
    process = subprocess.Popen(command, env=environment(root), cwd=PROJECT, start_new_session=True)  # noqa: S603
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        console.print("ending ...")
        _end(process)
        return
    raise CommandError(f"{Path(command[0]).name} ended by itself with code {code}; its last lines above say why")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt the group, then end what is left of it: sessions, whose state is on disk, and their code servers."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(GRACE_SECONDS)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def program(name: str) -> str:
    """Return the path of an installed program: the one beside this Python, else that of the path."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise CommandError(f"the program {name} is missing beside {sys.executable}; `make dev` installs it")
    return found


def _require_free(port: int) -> None:
    # A second `dg dev` on a taken port does not complain, it serves beside the first.
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            raise CommandError(f"--port {port} is taken by another program; stop it or choose another port")


def _seed_of(world: World) -> int:
    text = world.name.partition(":")[2]
    if not text.isdigit():
        raise CommandError(f"--world {world.name}: a simulated world is named by its seed, a whole number, e.g. sim:42")
    return int(text)
