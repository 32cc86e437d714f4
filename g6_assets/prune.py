"""Old runs are deleted, and the partitions they made stay what they are.

Deleting a Dagster run deletes its materialisations too, so that its partitions would look never made. So the latest
materialisation of each partition is taken out of its run first: it stays where it is in the asset's history, with its
time, its numbers and its checks. Check results are not deleted with a run at all.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from sqlalchemy import bindparam, text

from g6_resources.sqlite_files import delete_run_files, shrink, stored_bytes
from g6_resources.world import DataRoot

_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
# SQLite takes some thousands of variables in one statement.
_CHUNK = 500
_LATEST = text(
    "SELECT id, run_id FROM event_logs WHERE id IN (SELECT max(id) FROM event_logs "
    "WHERE dagster_event_type = 'ASSET_MATERIALIZATION' GROUP BY asset_key, partition)"
)
# Telling it anew instead (`report_runless_asset_event`) would make an old partition the asset's latest event, and part
# the newest one from its checks. Only the column by which runs are deleted changes; the event still names its run.
_TAKE_OUT = text("UPDATE event_logs SET run_id = '' WHERE id IN :ids").bindparams(bindparam("ids", expanding=True))


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What was pruned, or in a dry run would be.

    Parameters
    ----------
    before
        Finished runs made before this instant (aware) are old.
    runs, kept
        Old runs, and the materialisations taken out of them.
    bytes_before, bytes_after
        Size of Dagster's storage on this disk; equal in a dry run.
    """

    before: datetime
    runs: int
    kept: int
    bytes_before: int
    bytes_after: int


def prune(
    instance: dg.DagsterInstance, root: DataRoot, *, before: datetime, dry_run: bool = False, compact: bool = True
) -> PruneReport:
    """Delete the finished runs made before an instant, with their events, logs and files.

    Interrupted anywhere it may be repeated: an event is taken out before its run goes.

    Parameters
    ----------
    before
        Aware.
    dry_run
        Change nothing, and say what would be.
    compact
        Also give the freed space of the shared databases back, for which writers wait.
    """
    size = stored_bytes(root.dagster_home)
    old = [
        record.dagster_run.run_id
        for record in instance.get_run_records(
            dg.RunsFilter(statuses=_FINISHED, created_before=before.astimezone(UTC)), ascending=True
        )
    ]
    outliving = _outliving(instance, set(old))
    if dry_run or not old:
        return PruneReport(before, len(old), len(outliving), size, size)
    _take_out(instance, outliving)
    for run_id in old:
        instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    delete_run_files(root.dagster_home, old)
    if compact:
        shrink(root.dagster_home)
    return PruneReport(before, len(old), len(outliving), size, stored_bytes(root.dagster_home))


def _outliving(instance: dg.DagsterInstance, runs: Collection[str]) -> list[int]:
    """Return the ids of the events that are the latest of their partition, of those that belong to the runs."""
    with _index(instance) as connection:
        return [event_id for event_id, run_id in connection.execute(_LATEST) if run_id in runs]


def _take_out(instance: dg.DagsterInstance, events: list[int]) -> None:
    with _index(instance) as connection:
        for start in range(0, len(events), _CHUNK):
            connection.execute(_TAKE_OUT, {"ids": events[start : start + _CHUNK]})


def _index(instance: dg.DagsterInstance) -> Any:
    """Return a transaction on the events of all runs, which SQLite and PostgreSQL storages have alike."""
    storage: Any = instance.event_log_storage
    return storage.index_transaction()
