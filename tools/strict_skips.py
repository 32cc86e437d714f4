"""A pytest plugin for CI: a skipped test is a failure, unless it waits for reference data or somebody's consent.

On a developer's machine a missing server or browser skips its tests; CI installs them all, so a skip there means that a
test no longer runs anywhere. Loaded with `-p tools.strict_skips`. Allowed reasons begin with one of `ALLOWED`.
"""

import pytest

ALLOWED = ("reference data:", "opt-in:")

_unwanted: list[str] = []


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str | None:
    """Return why a test or module was skipped; None for anything else, also for an expected failure."""
    if not report.skipped or hasattr(report, "wasxfail"):
        return None
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    return reason.removeprefix("Skipped: ")


def _judge(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = skip_reason(report)
    if reason is not None and not reason.startswith(ALLOWED):
        _unwanted.append(f"{report.nodeid}: {reason}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note the skip of a test."""
    _judge(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Note the skip of a whole module."""
    _judge(report)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a session that is otherwise fine."""
    if _unwanted and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the skips that made the session fail."""
    if _unwanted:
        terminalreporter.section("skips that are failures here", red=True)
        for line in sorted(set(_unwanted)):
            terminalreporter.line(line)
