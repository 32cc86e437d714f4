"""Proof that a server has every point of a day, by counts, and redelivery of what it lacks.

Pure of Dagster and of the lake: it is given frames, a counter and a way to write. Counts are compared per field and a
few snapshots at a time, and halved down to the snapshots that lack something; a redelivered point changes nothing where
it was there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from g6_resources.influx_counters import PointCounter
from g6_resources.influx_points import Measurement, counts, epoch_seconds, lines
from g6_resources.seams import SinkError

BLOCK = 32
"""Snapshots compared at once: a surplus in one cannot hide what another of a distant hour lacks."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was found, and done, for one table of a day.

    Parameters
    ----------
    points, values
        Points of the store, and the values in their fields.
    on_server
        Values that the server has for these instants, after redelivery.
    redelivered
        Points written again, of `snapshots_lacking` snapshots.
    """

    points: int
    values: int
    on_server: int
    redelivered: int
    snapshots_lacking: int


def deliver_lacking(
    frame: pd.DataFrame,
    measurement: Measurement,
    counter: PointCounter,
    write: Callable[[Sequence[str]], None],
    world: str = "",
) -> Delivery:
    """Bring a server up to a day's table and prove that it has it.

    Parameters
    ----------
    frame
        Rows of the measurement's table, of one day.
    world
        Folder name of the world, empty for the live one.

    Raises
    ------
    SinkError
        The server does not answer, refuses, or lacks points after they were written again.
    """
    if frame.empty:
        return Delivery(0, 0, 0, 0, 0)
    stored = counts(frame, measurement)
    blocks = [stored.iloc[start : start + BLOCK] for start in range(0, len(stored), BLOCK)]
    first = [_compared(block, measurement, counter) for block in blocks]
    lacking = [at for compared in first for at in compared.lacking]
    points = lines(frame[np.isin(epoch_seconds(frame), lacking)], measurement, world)
    last = first
    if points:
        write(points)
        last = [_compared(block, measurement, counter) for block in blocks]
        still = sum(len(compared.lacking) for compared in last)
        if still:
            raise SinkError(
                f"influx: {measurement.name}: of {len(lacking)} snapshots written again the server still lacks points "
                f"of {still}; does the bucket keep data for long enough (its retention), and is the disk full?"
            )
    return Delivery(
        points=len(lines(frame, measurement)),
        values=int(stored.to_numpy().sum()),
        on_server=sum(compared.on_server for compared in last),
        redelivered=len(points),
        snapshots_lacking=len(lacking),
    )


@dataclass(frozen=True, slots=True)
class _Compared:
    """The instants of which a server lacks a value, and how many values it has, by the counts that showed it."""

    lacking: list[int]
    on_server: int


def _compared(stored: pd.DataFrame, measurement: Measurement, counter: PointCounter) -> _Compared:
    found = counter.count(measurement.name, int(stored.index[0]), int(stored.index[-1]))
    wanted = {str(field): int(values) for field, values in stored.sum().items()}
    on_server = sum(found.values())
    if all(found.get(field, 0) >= values for field, values in wanted.items()):
        return _Compared([], on_server)
    if len(stored) == 1 or not any(found.values()):
        return _Compared([int(instant) for instant in stored.index], on_server)
    # The halves' counts are taken later and may show more: a server may tell what it took with a delay.
    half = len(stored) // 2
    a, b = (_compared(part, measurement, counter) for part in (stored.iloc[:half], stored.iloc[half:]))
    return _Compared(a.lacking + b.lacking, a.on_server + b.on_server)
