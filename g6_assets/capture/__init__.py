"""The session loop itself: plain Python without Dagster, called by the session asset and by tests.

`opening` makes the day's files (instruments, expiries, conventions, reference), `snapshot` captures one snapshot,
`outcomes` makes the rows that tell what became of it, `session` is the loop of due instants, `report` what it tells,
`state` is what a relaunched session must remember, `interrupted` completes what a killed one left half done,
`interrupts` lets the snapshot in hand be finished before a session ends.
"""

from g6_assets.capture.opening import DayPlan, open_day, reference_sweep
from g6_assets.capture.report import SessionEvents, SessionReport
from g6_assets.capture.session import CaptureSession

__all__ = ["CaptureSession", "DayPlan", "SessionEvents", "SessionReport", "open_day", "reference_sweep"]
