"""`g6 metrics`: Prometheus text on loopback, in a process of its own."""

import signal
import threading
from typing import Any

from g6.errors import CommandError
from g6.runtime import console, settings_of
from g6_market.calendar import TradingCalendar
from g6_resources.metrics import Samples, registry_of
from g6_resources.metrics_server import HOST, serve
from g6_resources.metrics_world import WorldMetrics
from g6_resources.settings import Settings
from g6_resources.world import DataRoot, WorldError, find_root


def run_metrics(*, world: str | None, port: int) -> None:
    """Serve until interrupted."""
    settings = settings_of()
    gather = metrics_of(settings, world)
    try:
        server = serve(registry_of(gather), lambda: _health(gather()), port)
    except OSError as error:
        raise CommandError(
            f"--port {port} on {HOST} cannot be had ({error.strerror}); stop what uses it, or choose another port"
        ) from error
    with server:
        console.print(f"metrics: http://{HOST}:{server.server_port}/metrics", soft_wrap=True, highlight=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            # In a thread, since `shutdown` waits for the loop that the handler interrupts.
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        server.serve_forever(poll_interval=0.5)


def metrics_of(settings: Settings, world: str | None) -> WorldMetrics:
    """Return the metrics of a world by name, or of the one that a command without a name would take."""

    def find() -> DataRoot | None:
        try:
            return find_root(settings.data_path, world)
        except WorldError:
            return None

    return WorldMetrics(
        find,
        settings.data_path,
        TradingCalendar.load(override=settings.calendar_override),
        settings.collection.interval_seconds,
    )


def _health(samples: Samples) -> dict[str, Any]:
    """Return a few words for people and for uptime monitors; what to be alarmed by is in the alert rules."""
    return {
        "status": "ok",
        "world": next((name for (name,) in samples.get("g6_world", {})), None),
        "market_open": bool(samples.get("g6_market_open", {}).get((), 0)),
        "session": next((state for (state,) in samples.get("g6_session_state", {})), None),
        "heartbeat_age_seconds": samples.get("g6_heartbeat_age_seconds", {}).get(()),
    }
