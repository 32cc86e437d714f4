"""The errors that people cause or can mend: the command prints their message without a trace."""

from duckdb import Error as DuckDBError

from g6_market.calendar import CalendarError
from g6_market.expiries import ExpiryError
from g6_market.instruments import DumpError
from g6_resources.clock import ClockError
from g6_resources.lake import LakeError
from g6_resources.lock import FencedOut, LockUnreadable
from g6_resources.seams import SourceError
from g6_resources.settings import SettingsError
from g6_resources.world import WorldError
from g6_sim.config import ConfigError
from g6_sim.recording import RecordingError
from g6_sim.server import SimServerError


class CommandError(Exception):
    """A command cannot do what was asked; the message says why and what to do."""


KNOWN_ERRORS = (
    CalendarError,
    ClockError,
    CommandError,
    ConfigError,
    DuckDBError,
    DumpError,
    ExpiryError,
    FencedOut,
    LakeError,
    LockUnreadable,
    RecordingError,
    SettingsError,
    SimServerError,
    SourceError,
    WorldError,
)
