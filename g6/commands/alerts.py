"""`g6 alerts`: sends the alerts of a world on, and notices what nobody inside Dagster can."""

import signal
from datetime import timedelta

from g6.commands.metrics import metrics_of
from g6.errors import CommandError
from g6.runtime import console, settings_of
from g6_market.calendar import IST
from g6_resources.alerts import Alert, AlertLog
from g6_resources.clock import SystemTime, clock_from
from g6_resources.logs import get_logger, logging_to_terminal
from g6_resources.metrics_world import WorldMetrics
from g6_resources.notify import Dispatcher, Notifier
from g6_resources.redaction import Redactor
from g6_resources.settings import Settings
from g6_resources.watchman import concerns
from g6_resources.world import DataRoot, WorldError, find_root

EVERY_SECONDS = 10.0

log = get_logger(__name__)


def run_alerts(*, world: str | None, once: bool, test: bool) -> None:
    """Watch and send until interrupted, or one round of it, or one message to see that it arrives."""
    settings = settings_of()
    notifier = Notifier.from_secrets(settings.secrets)
    if test:
        if not notifier.send("G6: test", "Messages of G6 arrive."):
            raise CommandError(
                "at least one address of G6_ALERT_URLS did not take the message; check it and the network"
            )
        console.print("sent")
        return
    watch = _Watch(settings, notifier, world)
    if once:
        console.print(f"sent {watch.round()}")
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with logging_to_terminal(settings.logging):
        log.info("watching", addresses=repr(notifier), every_seconds=EVERY_SECONDS)
        try:
            while True:
                watch.round()
                SystemTime().sleep(EVERY_SECONDS)
        except KeyboardInterrupt:
            log.info("ended")


class _Watch:
    """One world, found as soon as it is made."""

    def __init__(self, settings: Settings, notifier: Notifier, world: str | None) -> None:
        self._settings = settings
        self._notifier = notifier
        self._world = world
        self._metrics: WorldMetrics = metrics_of(settings, world)
        self._dispatcher: Dispatcher | None = None
        self._concerned: set[str] = set()

    def round(self) -> int:
        """Tell new concerns, send what waits, and return the number of messages."""
        try:
            root = find_root(self._settings.data_path, self._world)
        except WorldError:
            return 0
        alerts = AlertLog(root.alerts_file)
        dispatcher = self._dispatcher = self._dispatcher or self._dispatcher_of(root, alerts)
        found = concerns(self._metrics())
        for concern in found:
            # Told when it begins; an open one is not told again at each round.
            if concern.kind not in self._concerned:
                day = clock_from(root).now().astimezone(IST).date()
                alerts.tell(Alert(SystemTime().now(), concern.kind, day, concern.text), once=False)
                log.warning("concern", kind=concern.kind, text=concern.text)
        self._concerned = {concern.kind for concern in found}
        return dispatcher.deliver()

    def _dispatcher_of(self, root: DataRoot, alerts: AlertLog) -> Dispatcher:
        return Dispatcher(
            alerts,
            root.notified_file,
            self._notifier,
            world=root.world.name,
            repeat=timedelta(minutes=self._settings.alerts.repeat_minutes),
            redactor=Redactor(token_file=root.token_file),
        )
