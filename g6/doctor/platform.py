"""Checks of Dagster: does its daemon run, are our sensors and schedules on."""

from collections.abc import Iterator

from g6.doctor.patient import Finding, Patient, fail, ok, skip
from g6_resources.watchman import TICK_SECONDS


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
