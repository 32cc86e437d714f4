"""The logs of all our processes, set up in one place: people's lines on a terminal, JSON lines anywhere else.

What other modules log through the standard library comes out the same way. Everything carries what was bound to its
run (`run_id`, `attempt`, `trade_date`), in Indian time, and passes the redaction last.
"""

import logging
import os
import sys
from collections.abc import Generator, MutableMapping
from contextlib import contextmanager
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any, TextIO, cast

import orjson
import structlog
from structlog.stdlib import BoundLogger, ProcessorFormatter

from g6_resources.clock import SystemTime
from g6_resources.redaction import Redactor
from g6_resources.settings.models import LoggingSettings

FAMILY = ("g6", "g6_assets", "g6_market", "g6_resources")
"""The loggers that are ours; nobody else's level or handlers are touched."""

FILE_NAME = "g6.jsonl"

Event = MutableMapping[str, Any]


def get_logger(name: str) -> BoundLogger:
    """Return a logger whose events have fields: `log.info("snapshot", due=.., legs=..)`."""
    return cast(
        BoundLogger,
        structlog.wrap_logger(
            logging.getLogger(name),
            wrapper_class=BoundLogger,
            processors=[structlog.stdlib.filter_by_level, ProcessorFormatter.wrap_for_formatter],
        ),
    )


@contextmanager
def logging_to_terminal(
    settings: LoggingSettings,
    *,
    stream: TextIO | None = None,
    level: str | None = None,
    redactor: Redactor | None = None,
) -> Generator[None]:
    """Write events to a stream while the context lasts.

    Parameters
    ----------
    stream
        Standard error by default.
    level
        Instead of the settings': a command that talks to a person itself shows only warnings.
    """
    output: TextIO = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(output)
    human = settings.format == "human" or (settings.format == "auto" and output.isatty())
    handler.setFormatter(_human(redactor or Redactor(), output) if human else _json(redactor or Redactor()))
    with _handled(handler, level or settings.level):
        yield


@contextmanager
def logging_of_run(
    settings: LoggingSettings, folder: Path, token_file: Path | None = None, **bound: object
) -> Generator[None]:
    """Write the events of a Dagster run as JSON lines into a folder, each with what is bound to it.

    They go to standard error too, unless the command that runs it in its own process has set that up.

    Parameters
    ----------
    folder
        `DataRoot.logs`.
    token_file
        The world's session token, which no line may show.
    bound
        `run_id`, `attempt`, `trade_date`.
    """
    redactor = Redactor(token_file=token_file)
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / FILE_NAME
    # Private from the start; logrotate may move it away at any time, and the next line makes it anew.
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    handler = WatchedFileHandler(path, encoding="utf-8")
    handler.setFormatter(_json(redactor))
    alone = not any(isinstance(one, logging.StreamHandler) for one in logging.getLogger(FAMILY[0]).handlers)
    with structlog.contextvars.bound_contextvars(**bound), _handled(handler, settings.level):
        if alone:
            with logging_to_terminal(settings, redactor=redactor):
                yield
        else:
            yield


@contextmanager
def _handled(handler: logging.Handler, level: str) -> Generator[None]:
    handler.setLevel(level.upper())
    loggers = [logging.getLogger(name) for name in FAMILY]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(min(handler.level, logger.level or logging.CRITICAL))
    try:
        yield
    finally:
        for logger, was in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(was)
        handler.close()


def _json(redactor: Redactor) -> logging.Formatter:
    return _formatter(
        structlog.processors.format_exc_info,
        _redacted(redactor),
        structlog.processors.JSONRenderer(serializer=lambda event, **_: orjson.dumps(event).decode()),
    )


def _human(redactor: Redactor, stream: TextIO) -> logging.Formatter:
    renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0, pad_level=False)
    return _formatter(structlog.processors.format_exc_info, _redacted(redactor), renderer)


def _formatter(*last: Any) -> logging.Formatter:
    shared = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        _stamped,
    ]
    # Events of ours come unprocessed too, so that the two kinds cannot differ.
    return ProcessorFormatter(processors=[*shared, ProcessorFormatter.remove_processors_meta, *last])


def _stamped(_logger: object, _method: str, event: Event) -> Event:
    now = SystemTime().now().isoformat(timespec="milliseconds")
    return {"timestamp": now, "level": event.pop("level"), "event": event.pop("event"), **event}


def _redacted(redactor: Redactor) -> Any:
    def redacted(_logger: object, _method: str, event: Event) -> Event:
        return {name: redactor.value(value, name) for name, value in event.items()}

    return redacted
