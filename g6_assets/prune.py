"""Old runs are deleted, and the partitions they made stay what they are.

Deleting a Dagster run deletes its materialisations too, so that its partitions would look never made. So the latest
materialisation of each partition is first told again outside of any run, as it was and with its own time. Check results
are not tied to runs and stay as they are.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from g6_resources.sqlite_files import delete_run_files, shrink, stored_bytes
from g6_resources.world import DataRoot

_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_MATERIALISED = dg.DagsterEventType.ASSET_MATERIALIZATION
# SQLite takes some thousands of variables in one query.
_CHUNK = 500
_RUNLESS = ""


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What was pruned, or in a dry run would be.

    Parameters
    ----------
    before
        Finished runs made before this instant (aware) are old.
    runs, kept
        Old runs, and the materialisations that outlive them.
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

    Interrupted anywhere it may be repeated: a partition is told again before its run goes.

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
    outliving = list(_outliving(instance, set(old)))
    if dry_run or not old:
        return PruneReport(before, len(old), len(outliving), size, size)
    for record in outliving:
        event = record.event_log_entry.dagster_event
        assert event is not None  # noqa: S101 - a materialisation is one
        # Like `report_runless_asset_event`, but with the time at which it was made.
        instance.report_dagster_event(event, _RUNLESS, timestamp=record.timestamp)
    for run_id in old:
        instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    delete_run_files(root.dagster_home, old)
    if compact:
        shrink(root.dagster_home)
    return PruneReport(before, len(old), len(outliving), size, stored_bytes(root.dagster_home))


def _outliving(instance: dg.DagsterInstance, old: Collection[str]) -> Iterator[dg.EventLogRecord]:
    """Yield what must be told again, in the order of each asset's history, the asset's latest last.

    The latest event of an asset stays its latest: where it belongs to a run that stays, it is told again after the old.
    """
    for key, partitions in _made_by(instance, old).items():
        last = instance.fetch_materializations(key, limit=1).records
        latest = {record.storage_id: record for record in _latest(instance, key, partitions)} | {
            record.storage_id: record for record in last
        }
        records = [latest[storage_id] for storage_id in sorted(latest)]
        orphans = [record for record in records if record.run_id in old]
        if orphans:
            yield from orphans
            yield from (record for record in last if record.run_id not in old)


def _made_by(instance: dg.DagsterInstance, runs: Collection[str]) -> dict[dg.AssetKey, set[str]]:
    """Return the assets that runs materialised, and which partitions of them."""
    made: dict[dg.AssetKey, set[str]] = {}
    for run_id in runs:
        for record in instance.get_records_for_run(run_id, of_type=_MATERIALISED).records:
            event = record.event_log_entry.dagster_event
            if event is None or event.asset_key is None:
                continue
            partitions = made.setdefault(event.asset_key, set())
            if event.partition is not None:
                partitions.add(event.partition)
    return made


def _latest(instance: dg.DagsterInstance, key: dg.AssetKey, partitions: Collection[str]) -> Iterator[dg.EventLogRecord]:
    """Yield the latest materialisation of each partition."""
    wanted = sorted(partitions)
    for start in range(0, len(wanted), _CHUNK):
        ids = instance.event_log_storage.get_latest_storage_id_by_partition(
            key, _MATERIALISED, set(wanted[start : start + _CHUNK])
        )
        chosen: Sequence[int] = sorted(ids.values())
        yield from instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, storage_ids=chosen), limit=_CHUNK
        ).records
