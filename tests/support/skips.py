"""A pytest plugin: a skipped test fails in CI, and elsewhere the run ends with a list of them.

CI is where the environment variable ``CI`` is "true".  There every program that a test needs is
installed, so a skip means that something is no longer tested.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a test into a failure in CI."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):  # pytest reports an xfail as a skip
        _fail_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole module into a failure in CI."""
    report = yield
    if report.skipped:
        _fail_in_ci(report)
    return report


def _fail_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI") == "true":
        report.longrepr = f"Skipped, which CI does not allow: {_reason(report)}"
        report.outcome = "failed"


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one list: each reason for a skip, with the files and how many of their tests."""
    skipped: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for report in terminalreporter.stats.get("skipped", ()):
        skipped[_reason(report)][report.nodeid.partition("::")[0]] += 1
    if skipped:
        total = sum(files.total() for files in skipped.values())
        terminalreporter.section(f"tests left out: {total}")
        for reason, files in sorted(skipped.items()):
            terminalreporter.line(reason)
            for file, count in sorted(files.items()):
                terminalreporter.line(f"    {file}: {count}")
