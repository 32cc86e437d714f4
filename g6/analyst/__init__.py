"""What an analyst asks, as methods: each a macro of g6.duckdb, and an error that names what is stored."""

from g6.analyst.frames import FrameKind
from g6.analyst.instants import AtAnInstant
from g6.analyst.series import ThroughTime
from g6.analyst.store import InTheStore
from g6.analyst.words import QuestionError

__all__ = ["AtAnInstant", "FrameKind", "InTheStore", "QuestionError", "ThroughTime"]
