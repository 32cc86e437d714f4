"""The door for people: the `g6` command and the analyst's Python API, `g6.connect()`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from g6.connection import connect

__all__ = ["connect"]


def __getattr__(name: str) -> Any:
    # On first use, so that `g6 --help` does not wait for pandas and duckdb.
    if name == "connect":
        from g6.connection import connect

        return connect
    raise AttributeError(f"module 'g6' has no attribute {name!r}; it has {', '.join(__all__)}")
