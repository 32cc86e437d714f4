"""Checks of this machine: the calendar, files and their permissions, the disk, the store and its views, the clock."""

import os
import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from g6.connection import ConnectError, connect
from g6.doctor.patient import Finding, Patient, fail, ok, skip, warn
from g6_market.calendar import Closed, Session
from g6_market.schema import OVERVIEW, SchemaError
from g6_resources.kite.instruments import InstrumentCache
from g6_resources.kite.limiter import key_mark
from g6_resources.kite.token import TokenMissing, read_token
from g6_resources.lake import Lake, LakeError
from g6_resources.lake_open import BACKLOG, check_store, open_lake
from g6_resources.metrics_world import nearest_folder
from g6_resources.spool import Spool
from g6_resources.world import PROJECT, DataRoot

AHEAD = timedelta(days=45)
LOGIN_BEFORE_OPEN = timedelta(hours=2)
BACKLOG_WARN = timedelta(minutes=5)
DISK_WARN_BYTES, DISK_FAIL_BYTES = 10e9, 2e9


def calendar(patient: Patient) -> Iterator[Finding]:
    """Whether the days ahead are known: confirmed holidays, hours of special sessions."""
    first = patient.now.date()
    days = [patient.calendar.on(first + timedelta(days=n)) for n in range(AHEAD.days)]
    unconfirmed = [day.trade_date for day in days if isinstance(day, Session) and not day.confirmed]
    unknown = [day for day in days if isinstance(day, Closed) and day.reason.startswith("hours unknown")]
    remedy = (
        "name them, and `confirmed_years`, in the YAML file of calendar.override_file (docs/operations.md, The "
        "calendar), or upgrade G6"
    )
    if unconfirmed:
        year = unconfirmed[0].year
        yield warn("calendar", f"the holidays of {year} are not confirmed; weekdays count as open", remedy)
    for day in unknown:
        yield warn("calendar", f"{day.trade_date}: a special session whose hours are not announced", remedy)
    if not unconfirmed and not unknown:
        following = patient.calendar.next_session(patient.now)
        yield ok("calendar", f"known for {AHEAD.days} days; next session {following.open:%a %Y-%m-%d %H:%M} IST")


def world(patient: Patient) -> Iterator[Finding]:
    """Whether there is a world to work on."""
    if patient.root is None:
        folder = patient.settings.data_path
        yield warn(
            "world", f"{folder} holds none yet", "`make demo` for a simulated day, `g6 login` for the live market"
        )
    else:
        yield ok("world", f"{patient.root.world.name} in {patient.root.path}")


def token(patient: Patient) -> Iterator[Finding]:
    """Whether a session token is there that will do for the session."""
    if patient.root is None:
        yield skip("token", "no world")
        return
    following = patient.calendar.next_session(patient.now)
    needed = patient.now >= following.open - LOGIN_BEFORE_OPEN
    api_key = patient.api_key
    if api_key is None and patient.is_live:
        remedy = "fill in .env, or /etc/g6/environment of the services, and load it (docs/operations.md, First day)"
        yield fail("token", "KITE_API_KEY is not set in the environment: Kite cannot be asked", remedy)
        return
    try:
        stored = read_token(patient.root.token_file)
    except TokenMissing as error:
        yield (fail if needed else warn)("token", str(error), "`g6 login`, once a day from 06:00 on")
        return
    if api_key is not None and stored.key_mark != key_mark(api_key):
        text = "the stored one was made with another API key than that of the environment"
        yield (fail if needed else warn)("token", text, "`g6 login` with the key that shall collect")
    elif patient.now < stored.expires_at:
        yield ok("token", f"of {stored.user_id}, serves until {stored.expires_at:%a %H:%M} IST")
    else:
        text = f"expired at {stored.expires_at:%a %Y-%m-%d %H:%M} IST"
        yield (fail if needed else warn)("token", text, f"`g6 login` before {following.open:%a %H:%M} IST")


def private_files(patient: Patient) -> Iterator[Finding]:
    """Whether secrets and state can be read by nobody else."""
    # The services' secrets lie beside their settings; whoever may not look into that folder is not told of it.
    secret = [PROJECT / ".env", patient.settings.file.parent / "environment"]
    state: list[Path] = []
    if patient.root is not None:
        secret.append(patient.root.token_file)
        state = [patient.root.state, *(path for path in patient.root.state.iterdir() if path.is_file())]
    exposed = [path for path in secret if path.is_file() and path.stat().st_mode & 0o077]
    loose = [path for path in state if path not in exposed and path.stat().st_mode & 0o077]
    foreign = [path for path in state if path.stat().st_uid != os.getuid()]
    for path in exposed:
        yield fail("private files", f"{path} can be read by others", f"`chmod 600 {path}`, and renew what it holds")
    if loose:
        text = f"{len(loose)} files of state can be read by others, such as {loose[0]}"
        yield warn("private files", text, f"`chmod -R go= {state[0]}`")
    if foreign:
        text = f"{foreign[0]} belongs to another user"
        yield warn("private files", text, "run every g6 process as one user, and chown what it left")
    if not exposed and not loose and not foreign:
        kept = [path for path in (*secret, *state) if path.exists()]
        yield ok("private files", f"{len(kept)} files are their owner's alone" if kept else "there are none yet")


def instruments(patient: Patient) -> Iterator[Finding]:
    """Whether the day's contracts can be known: an instruments dump of this morning, once the session is near."""
    if patient.root is None:
        yield skip("instruments", "no world")
        return
    cache = InstrumentCache(patient.root.cache)
    dumps = {exchange: cache.get(exchange) for exchange in ("NFO", "BFO")}
    fetched = [dump.fetched_at for dump in dumps.values() if dump is not None]
    today = patient.now.date()
    if fetched and min(fetched).date() == today:
        yield ok("instruments", f"fetched at {min(fetched):%H:%M} today")
    elif patient.in_session:
        age = f"the newest is of {max(fetched):%Y-%m-%d %H:%M}" if fetched else "there is none"
        yield fail(
            "instruments", f"no dump of today: {age}", "re-materialise `instruments` in the UI; is the token alive?"
        )
    else:
        age = f"last fetched {max(fetched):%a %Y-%m-%d %H:%M}" if fetched else "never fetched"
        yield ok("instruments", f"{age}; the session fetches them before the open")


def disk(patient: Patient) -> Iterator[Finding]:
    """Whether there is room."""
    free = shutil.disk_usage(nearest_folder(patient.settings.data_path)).free
    text, remedy = f"{free / 1e9:.1f} GB free for {patient.settings.data_path}", "make room, or move data_dir"
    if (place := _not_writable(patient)) is not None:
        yield fail("disk", f"{place} cannot be written by this user", "mount it writable, or chown it to who runs G6")
    elif free < DISK_FAIL_BYTES:
        yield fail("disk", text, remedy)
    elif free < DISK_WARN_BYTES:
        yield warn("disk", text, remedy)
    else:
        yield ok("disk", text)


def store(patient: Patient) -> Iterator[Finding]:
    """Whether the newest day of the lake can be read."""
    if patient.root is None:
        yield skip("store", "no world")
        return
    lake = open_lake(patient.root)
    address = patient.root.lake_address()
    where, remedy = f"{patient.root.lake}: ", "restore the file from a backup (docs/operations.md)"
    if address is not None:
        where, remedy = "", f"mend that, or look at {address['url']} with the store's own tools (docs/scaling.md)"
    yield from _backlog(patient.root, patient.system.now())
    try:
        if address is not None:
            check_store(address, patient.root.world.folder)
        days = lake.days()
        rows = len(lake.read(OVERVIEW, days[-1])) if days else 0
    except (LakeError, SchemaError, OSError, pa.ArrowException, ValueError, KeyError) as error:
        yield fail("store", f"{where}{error}", remedy)
        return
    if not days:
        yield ok("store", "nothing is stored yet")
        return
    unsealed = [day for day in lake.unsealed_days() if day < patient.now.date()]
    yield ok("store", f"{len(days)} days, the last is {days[-1]} with {rows} overview rows")
    if unsealed:
        listed = ", ".join(map(str, unsealed[:5]))
        yield warn("store", f"not sealed: {listed}", f"the page of seal_job says why; then `g6 seal {unsealed[0]}`")


def _backlog(root: DataRoot, now: datetime) -> Iterator[Finding]:
    waiting = Spool(root.spool / BACKLOG, limit_bytes=0).backlog()
    if waiting.oldest is not None and now - waiting.oldest > BACKLOG_WARN:
        yield warn(
            "store",
            f"{waiting.files} live files wait on this disk for the object store, the oldest since "
            f"{waiting.oldest:%Y-%m-%d %H:%M}",
            "keep this disk; they go up by themselves with the next snapshot or seal that finds the store answering",
        )


def views(patient: Patient) -> Iterator[Finding]:
    """Whether `g6.duckdb` opens and shows the newest day that is stored."""
    if patient.root is None:
        yield skip("views", "no world")
        return
    remedy = "`g6 warehouse rebuild`"
    lake = open_lake(patient.root)
    try:
        stored = max((day for day in lake.days() if _has_overview(lake, day)), default=None)
        if stored is None:
            yield ok("views", "nothing to show yet")
            return
        with connect(patient.root.path) as db:
            shown = db.rows("select max(trade_date) from overview")[0][0]
            generation = db.generation
    except LakeError as error:
        yield fail("views", str(error), "see store above")
        return
    except (ConnectError, duckdb.Error) as error:
        yield fail("views", f"{patient.root.warehouse}: {str(error).splitlines()[0]}", remedy)
        return
    if shown == stored:
        yield ok("views", f"generation {generation} shows up to {shown}")
    else:
        yield fail("views", f"{patient.root.warehouse} shows up to {shown}, {stored} is stored", remedy)


def partitions(patient: Patient) -> Iterator[Finding]:
    """Whether the partition keys stay within what Dagster's pages carry."""
    from g6_assets.definitions import first_partition  # costs a second
    from g6_assets.partitions import budget_warnings

    if patient.root is None:
        yield skip("partitions", "no world")
        return
    indices = {
        name: (index.expiries, index.strikes_each_side) for name, index in patient.settings.enabled_indices.items()
    }
    first = first_partition(patient.settings, patient.root)
    full = budget_warnings(patient.calendar, first, patient.now.date(), indices)
    for sentence in full:
        yield warn("partitions", sentence, "an earlier partition stays on disk and in the views")
    if not full:
        yield ok("partitions", f"since {first}, below 80 % of what stays quick")


def time_zone(patient: Patient) -> Iterator[Finding]:
    """What the machine's own time zone is: G6 lives in Indian time whatever it says."""
    machine = patient.system.now().astimezone(None)
    yield ok("time zone", f"{patient.system.now():%Y-%m-%d %H:%M:%S} IST (this machine's zone is {machine:%Z}, unused)")


def _not_writable(patient: Patient) -> Path | None:
    """Return the first folder that a session writes to and may not."""
    root, csv = patient.root, patient.settings.storage.csv
    written = [patient.settings.data_path] if root is None else [root.path, root.lake, root.state]
    if root is not None and csv.enabled:
        written.append(patient.settings.csv_base(root))
    # A read-only disk refuses also who owns the folder, and root.
    return next((found for found in map(nearest_folder, written) if not os.access(found, os.W_OK | os.X_OK)), None)


def _has_overview(lake: Lake, day: date) -> bool:
    record = lake.seal_record(day)
    if record is not None:
        return bool(record.files.get(OVERVIEW.name))
    return bool(lake.live_names(OVERVIEW, day))
