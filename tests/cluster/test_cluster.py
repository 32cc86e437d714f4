"""The cluster profile on loopback: Postgres, Redis, two Celery workers, and the session beside its code server.

The tests of this module are one story, told in order on one cluster.
"""

import os
import signal
from functools import partial
from typing import Any

import psutil
import pytest

from g6_market.schema import QUOTES
from tests.cluster.conftest import DAEMONS, SEALED, TODAY, Cluster, descends_from
from tests.servers import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.server]

WORKERS = ("worker-1", "worker-2")
PATIENCE = 300  # of a loaded machine; on a quiet one each wait takes seconds


def launched(cluster: Cluster) -> list[dict[str, Any]]:
    """The runs of derived assets, newest first."""
    return [run for run in cluster.runs() if run["jobName"] != "session_job"]


def test_everything_is_up_and_every_daemon_is_well(cluster: Cluster) -> None:
    def well() -> bool:
        daemons = cluster.graphql(DAEMONS)["instance"]["daemonHealth"]["allDaemonStatuses"]
        required = {daemon["daemonType"]: daemon["healthy"] for daemon in daemons if daemon["required"]}
        assert {"MONITORING", "EVENT_LOG_CONSUMER", "QUEUED_RUN_COORDINATOR", "BACKFILL"} <= set(required)
        return all(required.values())

    wait_for("every required daemon", well, PATIENCE)


def test_the_session_captures_beside_the_code_server_and_under_no_worker(cluster: Cluster) -> None:
    beat = wait_for("a capturing session", cluster.capturing, PATIENCE)
    assert descends_from(beat.pid, cluster.pid("code"))
    assert not [worker for worker in WORKERS if descends_from(beat.pid, cluster.pid(worker))]
    run = next(run for run in cluster.runs() if run["id"] == beat.run_id)
    assert run["status"] == "STARTED"
    assert cluster.worker_of(run) is None
    wait_for("two snapshots", lambda: len(cluster.lake.live_names(QUOTES, TODAY)) >= 2, PATIENCE)


def test_days_derived_again_are_spread_over_both_workers_while_the_session_captures(cluster: Cluster) -> None:
    beat = wait_for("a capturing session", cluster.capturing, PATIENCE)
    before = len(cluster.lake.live_names(QUOTES, TODAY))
    backfills = [cluster.backfill("NIFTY/overview", day) for day in (*SEALED, *SEALED)]
    wait_for("the backfills", lambda: cluster.completed(backfills), PATIENCE)
    runs = launched(cluster)
    assert [run["status"] for run in runs] == ["SUCCESS"] * len(backfills)
    assert {cluster.worker_of(run) for run in runs} == set(WORKERS)
    after = wait_for("the session", cluster.capturing, 30)
    assert (after.run_id, after.pid) == (beat.run_id, beat.pid)
    assert len(cluster.lake.live_names(QUOTES, TODAY)) > before


def test_a_worker_killed_in_its_work_costs_that_run_alone_which_another_worker_repeats(cluster: Cluster) -> None:
    before = {run["id"] for run in launched(cluster)}
    backfills = [cluster.backfill("NIFTY/overview", day) for day in (*SEALED, *SEALED)]
    victim = wait_for("a run in the middle", lambda: caught(cluster, "worker-1", before), PATIENCE)
    os.killpg(cluster.pid("worker-1"), signal.SIGKILL)
    wait_for("the backfills", lambda: cluster.completed(backfills), PATIENCE)
    runs = {run["id"]: run for run in launched(cluster) if run["id"] not in before}
    lost = runs.pop(victim)
    repeated = runs[lost["tags"]["dagster/auto_retry_run_id"]]
    assert (lost["status"], cluster.worker_of(lost)) == ("FAILURE", "worker-1")
    assert (repeated["status"], cluster.worker_of(repeated)) == ("SUCCESS", "worker-2")
    assert [run["status"] for run in runs.values()] == ["SUCCESS"] * len(backfills)
    assert "worker-1 ended" in (cluster.root.path.parent / "up.log").read_text()
    assert cluster.capturing() is not None


def caught(cluster: Cluster, worker: str, before: set[str]) -> str | None:
    """Stop a worker that is in the middle of a run, and return that run; let it go on if it had just finished."""
    group = cluster.pid(worker)
    at_work = [run for run in cluster.runs("STARTED") if run["id"] not in before]
    if not [run for run in at_work if cluster.worker_of(run) == worker]:
        return None
    os.killpg(group, signal.SIGSTOP)
    for run in cluster.runs("STARTED"):
        if cluster.worker_of(run) == worker:
            return run["id"]
    os.killpg(group, signal.SIGCONT)
    return None


def test_a_run_that_is_cancelled_leaves_its_worker_and_is_not_repeated(cluster: Cluster) -> None:
    def ended(run_id: str) -> str | None:
        status = next(other["status"] for other in cluster.runs() if other["id"] == run_id)
        return status if status in ("CANCELED", "FAILURE", "SUCCESS") else None

    status, run = "SUCCESS", {"id": ""}
    for _ in range(5):  # a run of a second may be over before the word reaches it
        cluster.backfill("NIFTY/overview", SEALED[0])
        run = wait_for("a run", lambda: [run for run in cluster.runs("STARTED") if cluster.worker_of(run)], PATIENCE)[0]
        cluster.graphql("mutation($id: String!) { terminateRun(runId: $id) { __typename } }", {"id": run["id"]})
        status = wait_for("the end of the run", partial(ended, run["id"]), PATIENCE)
        if status != "SUCCESS":
            break
    assert status == "CANCELED"
    assert launched(cluster)[0]["id"] == run["id"]


def test_a_stop_ends_every_process_and_leaves_no_folder(cluster: Cluster) -> None:
    beat = wait_for("a capturing session", cluster.capturing, 60)
    names = [path.stem for path in cluster.folder.glob("*.pid")]
    assert len(names) == 7
    pids = [beat.pid, *(cluster.pid(name) for name in names)]
    cluster.process.send_signal(signal.SIGTERM)
    assert cluster.process.wait(120) == 143
    assert not cluster.folder.exists()
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
