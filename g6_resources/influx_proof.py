"""Proof that a server has every point of a day, by counts, and redelivery of what it lacks.

Pure of Dagster and of the lake: it is given frames, a counter and a way to write. Counts are compared per field and a
few snapshots at a time, and halved down to the snapshots that lack something; a redelivered point changes nothing where
it was there.
"""

from collections.abc import Callable, Mapping, Sequence
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
    found = [_count(block, measurement, counter) for block in blocks]
    lacking = [
        at for block, has in zip(blocks, found, strict=True) for at in _lacking(block, has, measurement, counter)
    ]
    points = lines(frame[np.isin(epoch_seconds(frame), lacking)], measurement, world)
    if points:
        write(points)
        found = [_count(block, measurement, counter) for block in blocks]
        still = [
            at for block, has in zip(blocks, found, strict=True) for at in _lacking(block, has, measurement, counter)
        ]
        if still:
            raise SinkError(
                f"influx: {measurement.name}: of {len(lacking)} snapshots written again the server still lacks points "
                f"of {len(still)}; does the bucket keep data for long enough (its retention), and is the disk full?"
            )
    return Delivery(
        points=len(lines(frame, measurement)),
        values=int(stored.to_numpy().sum()),
        on_server=sum(sum(has.values()) for has in found),
        redelivered=len(points),
        snapshots_lacking=len(lacking),
    )


def _lacking(
    stored: pd.DataFrame, found: Mapping[str, int], measurement: Measurement, counter: PointCounter
) -> list[int]:
    """Return the instants of which the server lacks a value."""
    wanted = {str(field): int(values) for field, values in stored.sum().items()}
    if all(found.get(field, 0) >= values for field, values in wanted.items()):
        return []
    if len(stored) == 1 or not any(found.values()):
        return [int(instant) for instant in stored.index]
    half = len(stored) // 2
    return [
        at
        for part in (stored.iloc[:half], stored.iloc[half:])
        for at in _lacking(part, _count(part, measurement, counter), measurement, counter)
    ]


def _count(stored: pd.DataFrame, measurement: Measurement, counter: PointCounter) -> Mapping[str, int]:
    return counter.count(measurement.name, int(stored.index[0]), int(stored.index[-1]))
