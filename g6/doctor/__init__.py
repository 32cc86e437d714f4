"""The examination of an installation: what is there, what is not, and what to do about it.

`patient` is what is examined, `here` looks at this machine's files, `outside` at what is reached over the network,
`platform` at what runs. Each check is one function that returns findings; the list is `CHECKS`.
"""

from collections.abc import Callable, Iterator

from g6.doctor import here, outside, platform
from g6.doctor.patient import Finding, Patient, Status

Check = Callable[[Patient], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    here.calendar,
    here.world,
    here.token,
    here.private_files,
    outside.kite,
    here.instruments,
    here.disk,
    here.store,
    here.views,
    here.partitions,
    outside.influx,
    outside.redis,
    outside.notifications,
    platform.session,
    platform.daemon,
    platform.sensors,
    here.time_zone,
)


def examine(patient: Patient) -> Iterator[Finding]:
    """Yield the findings of every check, in the order of `CHECKS`."""
    for check in CHECKS:
        yield from check(patient)


__all__ = ["CHECKS", "Finding", "Patient", "Status", "examine"]
