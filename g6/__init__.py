"""The door for people: the `g6` command and the analyst's Python API.

`g6.connect()` opens a world; `g6.chain("NIFTY")` and its like ask the one that `g6.use` chose, else the one that
`g6.connect()` opens.
"""

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pandas as pd

    from g6.analyst.words import QuestionError
    from g6.connection import G6Connection, connect
    from g6.shared import use

    _world = cast("G6Connection[pd.DataFrame]", None)
    build_up = _world.build_up
    catalog = _world.catalog
    chain = _world.chain
    daily_summary = _world.daily_summary
    days = _world.days
    expiries = _world.expiries
    gaps = _world.gaps
    max_pain = _world.max_pain
    offset_series = _world.offset_series
    oi_by_strike = _world.oi_by_strike
    overview = _world.overview
    pcr = _world.pcr
    smile = _world.smile
    sql = _world.sql
    straddle = _world.straddle
    straddle_at = _world.straddle_at
    surface = _world.surface
    term_structure = _world.term_structure
    weekday_overlay = _world.weekday_overlay

__all__ = [
    "QuestionError",
    "build_up",
    "catalog",
    "chain",
    "connect",
    "daily_summary",
    "days",
    "expiries",
    "gaps",
    "max_pain",
    "offset_series",
    "oi_by_strike",
    "overview",
    "pcr",
    "smile",
    "sql",
    "straddle",
    "straddle_at",
    "surface",
    "term_structure",
    "use",
    "weekday_overlay",
]


def __getattr__(name: str) -> Any:
    # On first use, so that `g6 --help` does not wait for pandas and duckdb.
    if name == "connect":
        from g6.connection import connect

        return connect
    if name == "QuestionError":
        from g6.analyst.words import QuestionError

        return QuestionError
    if name in __all__:
        from g6 import shared

        return shared.use if name == "use" else shared.question(name)
    raise AttributeError(f"module 'g6' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
