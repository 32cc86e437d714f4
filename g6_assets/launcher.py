"""Where a run runs in an instance with Celery workers; only the `dagster.yaml` of such an instance names this.

Runs of the assets that the configuration names go to whichever worker is free. All others stay beside the code server,
as they do on one machine: the session holds the broker's lock and token and lasts longer than any queue should wait for
its acknowledgement.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from dagster import DagsterInstance, DagsterRun, DefaultRunLauncher, Field
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._serdes import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from g6_resources.clock import SystemTime

ASK_SECONDS = 2.0
DONE = {"SUCCESS": WorkerStatus.SUCCESS, "FAILURE": WorkerStatus.FAILED, "REVOKED": WorkerStatus.FAILED}


class RunLauncher(CeleryRunLauncher):
    """Launches runs of some assets as Celery tasks and all other runs beside the code server.

    Parameters
    ----------
    assets
        Last parts of asset keys, such as `option_chain`. A run goes to the workers if it selects only such assets.
    jobs
        Jobs that go there too.
    lost_after_seconds
        How long no worker may know of a started run before it counts as lost with its worker. Celery itself never
        learns of a worker that was killed: its last word on the run stays "started".
    options
        Those of the Celery launcher: `broker`, `backend`, `default_queue`, `config_source`.
    """

    def __init__(
        self,
        *,
        assets: Sequence[str],
        jobs: Sequence[str] = (),
        lost_after_seconds: int = 20,
        inst_data: ConfigurableClassData | None = None,
        **options: Any,
    ) -> None:
        super().__init__(inst_data=inst_data, **options)
        self._assets, self._jobs = frozenset(assets), frozenset(jobs)
        self._lost_after_seconds = lost_after_seconds
        self._here = DefaultRunLauncher()
        self._unknown_since: dict[str, float] = {}
        self._clock = SystemTime()

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Return the configuration's shape."""
        celery: Any = super().config_type()
        return {
            **celery,
            "assets": Field([str], description="Last parts of the keys of assets that run on the workers."),
            "jobs": Field([str], is_required=False, description="Jobs that run on the workers."),
            "lost_after_seconds": Field(
                int, is_required=False, description="How long a started run may be unknown to every worker."
            ),
        }

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Make it from its configuration."""
        return cls(inst_data=inst_data, **config_value)

    def register_instance(self, instance: DagsterInstance) -> None:
        """Learn the instance whose runs are launched."""
        super().register_instance(instance)
        self._here.register_instance(instance)

    @property
    def supports_resume_run(self) -> bool:
        """Never: a run that was lost is run again, whole."""
        return False

    def goes_to_workers(self, run: DagsterRun) -> bool:
        """Tell whether a run may run on any worker."""
        if run.asset_selection:
            return all(key.path[-1] in self._assets for key in run.asset_selection)
        return run.job_name in self._jobs

    def launch_run(self, context: LaunchRunContext) -> None:
        """Send a run where it belongs."""
        run = context.dagster_run
        if not self.goes_to_workers(run):
            self._here.launch_run(context)
            return
        if run.tags.get(DAGSTER_CELERY_TASK_ID_TAG):
            # A retry has its parent's tags, and the parent's failed task says nothing about it.
            self._instance.add_run_tags(run.run_id, {DAGSTER_CELERY_TASK_ID_TAG: ""})
        super().launch_run(context)

    def terminate(self, run_id: str) -> bool:
        """Interrupt a run where it runs."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        if not self.goes_to_workers(run):
            return self._here.terminate(run_id)
        if not run.tags.get(DAGSTER_CELERY_TASK_ID_TAG):
            return False
        # Without it the interrupted run would report a failure, and be run again.
        self._instance.report_run_canceling(run)
        return super().terminate(run_id)

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Tell whether a started run is still worked on."""
        task_id = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        if not self.goes_to_workers(run) or not task_id:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "not judged here")
        known = self._known(task_id)
        if known.status is not WorkerStatus.NOT_FOUND:
            self._unknown_since.pop(run.run_id, None)
            return known
        now = self._clock.monotonic()
        seconds = now - self._unknown_since.setdefault(run.run_id, now)
        if seconds < self._lost_after_seconds:
            return CheckRunHealthResult(WorkerStatus.RUNNING, known.msg)
        del self._unknown_since[run.run_id]
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"{known.msg} for {seconds:.0f} s: its worker is gone")

    def _known(self, task_id: str) -> CheckRunHealthResult:
        """Ask the result store, and the worker that said last that it had begun."""
        result = self.celery.AsyncResult(task_id)
        if (state := result.state) in DONE:
            return CheckRunHealthResult(DONE[state], f"the Celery task ended: {state}")
        begun: Any = result.info
        worker = begun.get("hostname") if isinstance(begun, dict) else None
        asked = self.celery.control.inspect(destination=[worker] if worker else None, timeout=ASK_SECONDS)
        if any(task_id in tasks for tasks in (asked.query_task([task_id]) or {}).values()):
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"at work on {worker}")
        if (state := result.state) in DONE:  # it ended meanwhile
            return CheckRunHealthResult(DONE[state], f"the Celery task ended: {state}")
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"{worker or 'no worker'} does not know this run")
