"""The scene of each test, and its evidence in the report of a failed one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.interop.scene import Scene
from tests.interop.sipp import MISSING, SIPP

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

_SCENE = pytest.StashKey[Scene]()


@pytest.fixture
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """Give an empty stage; leave the test out where SIPp is missing, but never in CI."""
    if SIPP is None:
        if os.environ.get("CI") == "true":
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with Scene(tmp_path) as stage:
        request.node.stash[_SCENE] = stage
        yield stage


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add every process's log, SIPp's message traces among them, to a failure's report."""
    report = yield
    if report.failed and _SCENE in item.stash:
        report.sections += list(item.stash[_SCENE].evidence())
    return report
