"""The connection behind `g6.chain(...)` and its like: one a thread, opened at its first question; `g6.use` chooses."""

import functools
import inspect
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from g6.connection import G6Connection, connect

if TYPE_CHECKING:
    import pandas as pd


class _Chosen:
    """Which world is asked; the number grows with each choice, so that every thread notices."""

    def __init__(self) -> None:
        self.root: Path | str | None = None
        self.world: str | None = None
        self.number = 0


class _Open(threading.local):
    connection: "G6Connection[pd.DataFrame] | None" = None
    number = -1


_chosen = _Chosen()
_open = _Open()


def use(root: Path | str | None = None, world: str | None = None) -> "G6Connection[pd.DataFrame]":
    """Choose the world that `g6.chain(...)` and its like ask from now on, and return its connection.

    Parameters
    ----------
    root, world
        As in `g6.connect`.
    """
    opened = connect(root, world)
    _chosen.root, _chosen.world, _chosen.number = root, world, _chosen.number + 1
    return _keep(opened)


@functools.cache
def question(name: str) -> Callable[..., Any]:
    """Return a question as a function, which asks the chosen world."""
    method = getattr(G6Connection, name)

    @functools.wraps(method)
    def ask(*args: Any, **kwargs: Any) -> Any:
        return method(_connection(), *args, **kwargs)

    signature = inspect.signature(method)
    ask.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # pyright: ignore[reportAttributeAccessIssue]
    return ask


def _connection() -> "G6Connection[pd.DataFrame]":
    if _open.connection is not None and _open.number == _chosen.number:
        return _open.connection
    return _keep(connect(_chosen.root, _chosen.world))


def _keep(opened: "G6Connection[pd.DataFrame]") -> "G6Connection[pd.DataFrame]":
    if _open.connection is not None:
        _open.connection.close()
    _open.connection, _open.number = opened, _chosen.number
    return opened
