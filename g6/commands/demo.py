"""`g6 demo`: one whole trading day against the simulator, on the driven clock, through Dagster into DuckDB."""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from g6.errors import CommandError, Interrupted
from g6.runtime import console, run_job, settings_of
from g6_assets.jobs import SEAL_JOB, SESSION_JOB
from g6_assets.session import SESSION_TAG
from g6_market.calendar import Closed, Session
from g6_market.indices import INDICES
from g6_resources.clock import SystemTime, clock_from, read_clock, tell_simulator, write_clock
from g6_resources.files import write_json
from g6_resources.kite.token import write_token
from g6_resources.lake_open import open_lake
from g6_resources.resources import load_calendar
from g6_resources.settings import ConfigFile, Settings, load_settings
from g6_resources.world import DataRoot, World, make_root
from g6_resources.world_state import Simulator, write_simulator
from g6_sim.server import SimConfig, SimServer

OPENS_BEFORE = timedelta(minutes=20)
SEALED_AFTER = timedelta(minutes=6)
_LAYOUTS = "name one of <INDEX>_<YYYYMMDD>.parquet files, or the lake folder of a G6 world"


def latest_day() -> date:
    """Return the latest regular trading day that is over."""
    return load_calendar(load_settings()).latest_completed(SystemTime().now()).trade_date


def run_demo(*, seed: int, replay: Path | None, day: date | None) -> None:
    """Run the day and print what landed."""
    settings = settings_of()
    calendar = load_calendar(settings)
    if replay is not None:
        day = _replay_day(replay, day)
    day = day or latest_day()
    today = calendar.on(day)
    if isinstance(today, Closed):
        console.print(f"{day}: market closed: {today.reason}. Nothing was stored.", soft_wrap=True)
        return
    if today.close >= SystemTime().now():
        raise CommandError(f"--date {day}: that session is not over; the latest that is over is {latest_day()}")
    world = World(f"replay:{_dataset(replay)}" if replay is not None else f"sim:{seed}")
    root = make_world(settings, world, today, recorded_indices(replay, day) if replay is not None else None)
    settings = settings_of(root)
    console.print(f"A whole session of [bold]{day:%A %Y-%m-%d}[/bold] in the world {world.name}", soft_wrap=True)
    config = SimConfig(seed=seed, trade_date=day, replay=replay, enforce_limits=replay is None)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        said = _run_day(root, settings, today, config)
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted at {_instant(root):%H:%M} of {day}; what was captured is kept, and the same command goes on"
        ) from None
    console.print(f"session: {said}")
    summary(root, day)


def _run_day(root: DataRoot, settings: Settings, today: Session, config: SimConfig) -> str:
    """Run session and seal, and return what the session says it did."""
    day = today.trade_date
    with _progress(root, today) as show, simulator(root, config):
        show("session")
        session = run_job(root, settings, SESSION_JOB, day, {SESSION_TAG: day.isoformat()})
        _advance(root, today.close + SEALED_AFTER)
        if not _is_sealed(root, day):
            show("seal")
            run_job(root, settings, SEAL_JOB, day)
    return str(session.asset_materializations_for_node("quotes")[-1].metadata["result"].value)


def make_world(settings: Settings, world: World, session: Session, indices: list[str] | None) -> DataRoot:
    """Make or open the demo's world, with its clock at the morning of the session unless it stands later."""
    first = session.trade_date.replace(day=1)
    root = make_root(settings.data_path, world, first_date=first.isoformat(), **settings.world_facts)
    start = session.open - OPENS_BEFORE
    if not root.clock_file.exists() or _instant(root) < start:
        write_clock(root.clock_file, "driven", now=start)
    elif _instant(root).date() > session.trade_date and not _is_sealed(root, session.trade_date):
        raise CommandError(
            f"--date {session.trade_date}: the world {world.name} has got to {_instant(root):%Y-%m-%d} already, and "
            "a market does not go back; choose another --seed, or move its folder away: " + str(root.path)
        )
    if indices is not None:
        write_json(root.path / "g6_config.json", _replay_settings(settings, indices), mode=0o644)
    return root


def _replay_settings(settings: Settings, indices: list[str]) -> dict[str, Any]:
    content = settings.model_dump(mode="json", include=set(ConfigFile.model_fields), exclude={"schema_file"})
    content["data_dir"] = str(settings.data_path)
    for name, index in content["indices"].items():
        index["enable"] = name in indices
    # A recording holds every strike of an instant at once, so each snapshot takes them all, and all its calls fall into
    # the second of that instant: a snapshot is one state of the recording, never two.
    content["collection"]["full_chain_every_seconds"] = content["collection"]["interval_seconds"]
    content["kite"]["limits"] = {"quote": 20, "historical": 20, "other": 20}
    return content


@contextmanager
def simulator(root: DataRoot, config: SimConfig) -> Generator[SimServer]:
    """Serve the world's market while the context lasts, with a session token that it accepts."""
    with SimServer(config, own_process=True) as server:
        if config.mode == "driven":
            # It starts in the morning; a world that was interrupted stands later.
            tell_simulator(server.url)(clock_from(root).now())
        write_simulator(root, Simulator(url=server.url, api_key="simkey"))
        write_token(
            root.token_file,
            access_token=config.access_token,
            user_id="SIM",
            api_key="simkey",
            made_at=clock_from(root).now(),
        )
        yield server


def recorded_days(replay: Path) -> list[str]:
    """Return the dates of which a replay folder holds files: NSE chains, or quotes of a G6 lake."""
    stamps = {path.stem.rpartition("_")[2] for path in replay.glob("*_????????.parquet")}
    days = {f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:]}" for stamp in stamps}
    return sorted(days | {path.name.partition("=")[2] for path in replay.glob("quotes/closed/trade_date=2*")})


def recorded_indices(replay: Path, day: date) -> list[str]:
    """Return the indices that a replay folder holds for a day."""
    lake = replay / "quotes" / "closed" / f"trade_date={day}"
    return [
        name
        for name in INDICES
        if (replay / f"{name}_{day:%Y%m%d}.parquet").is_file() or (lake / f"{name}.parquet").is_file()
    ]


def _replay_day(replay: Path, day: date | None) -> date:
    """Return the day to serve, refusing a folder that has nothing of it."""
    if not replay.is_dir():
        raise CommandError(f"--replay {replay}: there is no such folder; {_LAYOUTS}")
    days = recorded_days(replay)
    if not days:
        raise CommandError(f"--replay {replay}: that folder holds no recorded day; {_LAYOUTS}")
    if day is None:
        raise CommandError(f"--replay needs the day to serve: --date with one of {', '.join(days)}")
    if day.isoformat() not in days or not recorded_indices(replay, day):
        raise CommandError(f"--date {day}: {replay} holds nothing of that day; it holds {', '.join(days)}")
    return day


def _dataset(replay: Path) -> str:
    folder = replay.resolve()
    return folder.parent.name if folder.name == "lake" else folder.name


def summary(root: DataRoot, day: date) -> None:
    """Print what landed, where it lies and what to try."""
    from g6.connection import connect

    with connect(root.path) as db:
        rows = db.sql(
            """
            select o.underlying, count(distinct o.snapshot_at) as snapshots, min(o.snapshot_at) as first,
                   max(o.snapshot_at) as last, any_value(c.legs) as legs,
                   last(o.spot order by o.snapshot_at) as spot, last(o.pcr_oi order by o.snapshot_at) as pcr
            from overview o left join (
                select underlying, count(*) as legs from option_chain where trade_date = $day group by all
            ) c using (underlying)
            where o.trade_date = $day group by o.underlying order by o.underlying
            """,
            {"day": day},
        )
        gaps = db.sql(
            "select count(distinct (underlying, snapshot_at)) as n from gaps where trade_date = $day", {"day": day}
        )
    table = Table(title=f"{day} in {root.world.name}")
    for name in ("index", "snapshots", "first", "last", "option rows", "last spot", "last PCR (OI)"):
        table.add_column(name, justify="left" if name == "index" else "right")
    for row in rows.itertuples(index=False):
        table.add_row(
            str(row.underlying), str(row.snapshots), f"{row.first:%H:%M}", f"{row.last:%H:%M}", f"{row.legs:,}",
            _or_blank(row.spot, ",.2f"), _or_blank(row.pcr, ".3f"),
        )  # fmt: skip
    console.print(table)
    console.print(f"gaps: {int(gaps['n'][0])} (index, instant) pairs; the view gaps says why")
    console.print(f"files: {root.path}", soft_wrap=True)
    flag = f" --world {root.world.name}"
    console.print("try:")
    for query in (
        "select strike, option_type, bid_price, ask_price, oi, iv, delta from latest_chain('NIFTY', 'front') "
        "where abs(strike_offset) <= 3",
        f"select snapshot_at, forward, atm_strike, straddle, atm_iv from straddle('NIFTY', 'front', '{day}')",  # noqa: S608
        "select snapshot_at, underlying, spot, pcr_oi, india_vix from overview order by 1 desc, 2 limit 12",
    ):
        console.print(f'  .venv/bin/g6 sql "{query}"{flag}', soft_wrap=True, highlight=False)
    console.print(f"look at it: .venv/bin/g6 desk{flag}", soft_wrap=True, highlight=False)
    console.print(f"look at it in Dagster: .venv/bin/g6 ui{flag}", soft_wrap=True, highlight=False)


@contextmanager
def _progress(root: DataRoot, session: Session) -> Generator[Callable[[str], None]]:
    """Show the market's time on a bar; it is read from the world's clock file."""
    total = (session.close - session.open).total_seconds()
    done = threading.Event()
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[at]}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("start", total=total, at="")

        def follow() -> None:
            while not done.wait(0.5):
                now = _instant(root)
                bar.update(task, completed=min(max((now - session.open).total_seconds(), 0), total), at=f"{now:%H:%M}")

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield lambda name: bar.update(task, description=name)
        finally:
            done.set()
            thread.join()


def _or_blank(value: Any, form: str) -> str:
    return "" if pd.isna(value) else format(value, form)


def _is_sealed(root: DataRoot, day: date) -> bool:
    return open_lake(root).seal_record(day) is not None


def _instant(root: DataRoot) -> datetime:
    """Return where a demo's clock stands; a clock that runs by itself is no demo's."""
    state = read_clock(root.clock_file)
    if state["mode"] != "driven":
        raise CommandError(
            f"the world {root.world.name} was made by `g6 dev` and its clock runs by itself; choose another --seed"
        )
    return datetime.fromisoformat(str(state["now"]))


def _advance(root: DataRoot, to: datetime) -> None:
    if _instant(root) < to:
        write_clock(root.clock_file, "driven", now=to)
