"""Checks of what runs: the session while the market is open, Dagster's daemon, our sensors and schedules."""

from collections.abc import Iterator

from g6.doctor.patient import Finding, Patient, fail, ok, skip, warn
from g6_resources.heartbeat import HeartbeatFile, HeartbeatUnreadable
from g6_resources.watchman import SILENT_SECONDS, TICK_SECONDS

# What a session in good health says of itself; any other state comes with its reason and what to do.
_WELL = frozenset({"opening", "waiting", "capturing", "ended"})


def session(patient: Patient) -> Iterator[Finding]:
    """Whether the session of today lives while the market is open, and what it says of itself."""
    if patient.root is None or patient.is_demo:
        yield skip("session", "no world" if patient.root is None else "in this world nothing starts by itself")
        return
    if not patient.in_session:
        following = patient.calendar.next_session(patient.now)
        yield ok("session", f"none is due before {following.open:%a %Y-%m-%d %H:%M} IST")
        return
    remedy = "what the sensor `market_hours` says in the UI, under Automation; `g6 session resume` after a cancel"
    try:
        beat = HeartbeatFile(patient.root.heartbeat_file, patient.system).read()
    except HeartbeatUnreadable as error:
        yield fail("session", str(error), remedy)
        return
    if beat is None or beat.trade_date != patient.now.date():
        yield fail("session", "the market is open and none has run today: nothing is captured", remedy)
        return
    age = beat.age_seconds(patient.system)
    said = f"attempt {beat.attempt}, {beat.state}" + (f": {beat.detail}" if beat.detail else "")
    if beat.state != "ended" and age > SILENT_SECONDS:
        yield fail("session", f"the market is open and its last sign of life is {age:.0f} s old ({said})", remedy)
    elif beat.state in _WELL:
        yield ok("session", said)
    else:
        yield (fail if beat.state == "token dead" else warn)("session", said, "docs/operations.md, What to do when")


def daemon(patient: Patient) -> Iterator[Finding]:
    """Whether the daemon runs the session sensor."""
    if patient.root is None or patient.is_demo:
        yield skip("daemon", "no world" if patient.root is None else "in this world nothing starts by itself")
        return
    remedy = "`systemctl start g6-daemon`, or `make dev` in a terminal"
    tick = patient.root.tick_file
    if not tick.exists():
        yield fail("daemon", "it never ran here: no session starts by itself", remedy)
        return
    age = max(patient.system.now().timestamp() - tick.stat().st_mtime, 0.0)
    if age > TICK_SECONDS:
        yield fail("daemon", f"it has run no sensor for {age:.0f} s", remedy)
    else:
        yield ok("daemon", f"ran the session sensor {age:.0f} s ago")


def sensors(patient: Patient) -> Iterator[Finding]:
    """Whether somebody turned one of our sensors or schedules off; they are on unless they were."""
    if patient.root is None or not (patient.root.dagster_home / "history").exists():
        yield skip("sensors", "Dagster has not run here yet")
        return
    import dagster as dg  # costs a second

    with dg.DagsterInstance.from_config(str(patient.root.dagster_home)) as instance:
        states = instance.all_instigator_state()
    stopped = sorted(state.instigator_name for state in states if state.status.value == "STOPPED")
    if stopped:
        yield fail("sensors", f"turned off: {', '.join(stopped)}", "turn them on in the UI, under Automation")
    else:
        yield ok("sensors", "none is turned off")
