"""What a simulator is started with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

from g6_market.indices import INDICES
from g6_sim.faults import parse_faults

API_KEY = "simkey"
"""The only API key the simulator knows."""

API_SECRET = "simsecret"  # noqa: S105 - a simulator has no secrets
"""Its secret, for the checksum of the login flow."""


class ConfigError(ValueError):
    """A simulator was asked for something that does not exist."""


@dataclass(frozen=True)
class SimConfig:
    """Everything that decides what a simulator answers.

    Parameters
    ----------
    trade_date
        Day a driven clock starts on, at 09:00, and the day that is replayed.
    seed
        The world: the same seed gives the same market.
    mode
        "driven": time stands still until it is set. "shifted": the system's time plus `shift_seconds`.
    shift_seconds
        How far a shifted clock is moved.
    replay
        Folder of a recorded day to serve instead of the simulated market (see `recording`).
    indices
        Underlyings to list.
    padding_rows
        Rows of other things in the instruments dump; 83,000 make it as long as the real one.
    enforce_limits
        Whether Kite's rate limits answer with 429.
    faults
        Faults from the start, as dictionaries (see `faults.Fault`).
    access_token
        A token that is valid from the start, beside those from the login flow.
    redirect_url
        Where the login page sends the browser with its request token; empty shows the token on a page.
    long_index_form
        Whether index quotes carry a contract's keys too.
    calendar_override
        The user's calendar override file, so that both sides know the same sessions.

    Raises
    ------
    ConfigError, faults.FaultError
        Naming the field, the value and what is allowed.
    """

    trade_date: date
    seed: int = 42
    mode: Literal["driven", "shifted"] = "driven"
    shift_seconds: float = 0.0
    replay: Path | None = None
    indices: tuple[str, ...] = tuple(INDICES)
    padding_rows: int = 400
    enforce_limits: bool = True
    faults: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    access_token: str = "simtoken"  # noqa: S105 - a simulator has no secrets
    redirect_url: str = ""
    long_index_form: bool = False
    calendar_override: Path | None = None

    def __post_init__(self) -> None:
        unknown = [name for name in self.indices if name not in INDICES]
        if unknown or not self.indices:
            raise ConfigError(f"indices: {', '.join(unknown) or 'none given'}; allowed are {', '.join(INDICES)}")
        if self.mode not in ("driven", "shifted"):
            raise ConfigError(f"mode is {self.mode!r}; allowed are 'driven' and 'shifted'")
        if self.padding_rows < 0:
            raise ConfigError(f"padding_rows is {self.padding_rows}; it must be 0 or more")
        if not 0 <= self.seed < 2**31:
            raise ConfigError(f"seed is {self.seed}; it must lie between 0 and {2**31 - 1}")
        parse_faults(self.faults)
