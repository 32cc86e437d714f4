"""`g6 doctor`: examines the installation, says what to do, and ends with a code that a supervisor can use."""

import json
import sys

from rich.markup import escape

from g6.doctor.patient import Finding, Patient, Status, fail, ok
from g6.runtime import console
from g6_market.calendar import CalendarError, TradingCalendar
from g6_resources.clock import SystemTime
from g6_resources.settings import Settings, SettingsError, load_settings
from g6_resources.world import DataRoot, WorldError, find_root
from g6_resources.world_state import own_settings

FAILED = 1

_MARKS = {
    Status.OK: "[green]ok  [/green]",
    Status.WARN: "[yellow]warn[/yellow]",
    Status.FAIL: "[red]fail[/red]",
    Status.SKIP: "[dim]-   [/dim]",
}


def run_doctor(*, world: str | None, as_json: bool) -> None:
    """Print the findings; exit code 1 if one of them is a failure."""
    findings = examination(world)
    if as_json:
        lines = [
            {"check": one.check, "status": str(one.status), "text": one.text, "remedy": one.remedy} for one in findings
        ]
        sys.stdout.write(json.dumps({"failed": _failed(findings), "findings": lines}, indent=1) + "\n")
    else:
        for one in findings:
            remedy = f"  [bold]->[/bold] {escape(one.remedy)}" if one.remedy else ""
            console.print(
                f"{_MARKS[one.status]} {one.check:<14} {escape(one.text)}{remedy}", highlight=False, soft_wrap=True
            )
    if _failed(findings):
        sys.exit(FAILED)


def examination(world: str | None) -> list[Finding]:
    """Return all findings of an installation, also where its configuration is wrong or it has no world yet."""
    from g6.doctor import examine

    try:
        settings = load_settings()
        root = _world(settings, world)
        settings = load_settings(own_settings(root)) if root else settings
        calendar = TradingCalendar.load(override=settings.calendar_override)
    except (SettingsError, WorldError, CalendarError) as error:
        return [fail("configuration", str(error), "correct it; nothing else can be looked at before")]
    notes = f"; {len(settings.notes)} notes: {'; '.join(settings.notes)}" if settings.notes else ""
    first = ok("configuration", f"{settings.file}: {', '.join(settings.enabled_indices)}{notes}")
    return [first, *examine(Patient(settings, calendar, root, SystemTime()))]


def _world(settings: Settings, name: str | None) -> DataRoot | None:
    try:
        return find_root(settings.data_path, name)
    except WorldError:
        if name is not None:
            raise
        return None


def _failed(findings: list[Finding]) -> bool:
    return any(one.status is Status.FAIL for one in findings)
