"""The errors that people cause or can mend: the command prints their message without a trace."""


class CommandError(Exception):
    """A command cannot do what was asked; the message says why and what to do."""

    exit_code = 2


class Interrupted(CommandError):
    """Somebody ended a command with Ctrl+C; the message says how to go on."""

    exit_code = 130


def message_of(error: Exception) -> str | None:
    """Return what to print of an error that people cause or can mend, None for a defect of ours."""
    # Here, since together these modules take seconds to import, and most commands never fail.
    import duckdb

    from g6.analyst.words import QuestionError
    from g6.connection import ConnectError
    from g6.export.plan import ExportError
    from g6_market.calendar import CalendarError
    from g6_market.expiries import ExpiryError
    from g6_market.instruments import DumpError
    from g6_resources.backup import BackupError
    from g6_resources.clock import ClockError
    from g6_resources.disk import DiskError
    from g6_resources.files import NotPrivate
    from g6_resources.lake import LakeError
    from g6_resources.lock import FencedOut, LockUnreadable
    from g6_resources.seams import SourceError
    from g6_resources.settings import SettingsError
    from g6_resources.world import WorldError
    from g6_sim.config import ConfigError
    from g6_sim.recording import RecordingError
    from g6_sim.server import SimServerError

    if isinstance(error, duckdb.Error):
        # Without the line of carets, which point nowhere once the message is one line.
        return " ".join(line.strip() for line in str(error).splitlines() if line.strip(" ^"))
    ours = (
        BackupError,
        CalendarError,
        ClockError,
        CommandError,
        ConfigError,
        ConnectError,
        DiskError,
        DumpError,
        ExpiryError,
        ExportError,
        FencedOut,
        LakeError,
        LockUnreadable,
        NotPrivate,
        QuestionError,
        RecordingError,
        SettingsError,
        SimServerError,
        SourceError,
        WorldError,
    )
    return str(error) if isinstance(error, ours) else None
