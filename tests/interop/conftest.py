"""The scene of each test, and its evidence in the report of a failed one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop import kamailio, sipp
from tests.interop.scene import Scene
from tests.support.needed import need

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

_SCENE = pytest.StashKey[Scene]()


@pytest.fixture
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    """Give an empty stage."""
    need(sipp.SIPP, sipp.MISSING)
    with Scene(tmp_path) as stage:
        yield from _lent(request, stage)


@pytest.fixture(scope="session")
def _usual(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    need(sipp.SIPP, sipp.MISSING)
    with Scene(tmp_path_factory.mktemp("usual")) as stage:
        stage.start(upstream_transport=getattr(request, "param", "udp"))
        yield stage


@pytest.fixture
def usual(request: pytest.FixtureRequest, _usual: Scene) -> Iterator[Scene]:
    """Give a stage that has begun with the usual settings, which many tests share.

    The upstream's transport is UDP, or what ``_usual`` is parametrized with.
    """
    yield from _shared(request, _usual)


@pytest.fixture(scope="module")
def _started(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    need(sipp.SIPP, sipp.MISSING)
    with Scene(tmp_path_factory.mktemp("started")) as stage:
        request.module.start(stage)
        yield stage


@pytest.fixture
def started(request: pytest.FixtureRequest, _started: Scene) -> Iterator[Scene]:
    """Give a stage on which the module's ``start`` has begun; all its tests share it."""
    yield from _shared(request, _started)


@pytest.fixture
def with_kamailio() -> None:
    """Leave the test out where Kamailio is missing."""
    need(kamailio.KAMAILIO, kamailio.MISSING)


@pytest.fixture(scope="session", params=["direct", "kamailio behind", "kamailio ahead"])
def _road(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    need(sipp.SIPP, sipp.MISSING)
    if request.param != "direct":
        need(kamailio.KAMAILIO, kamailio.MISSING)
    with Scene(tmp_path_factory.mktemp("road")) as stage:
        if request.param == "kamailio behind":
            stage.put_kamailio_behind()
        stage.start()
        if request.param == "kamailio ahead":
            stage.put_kamailio_ahead()
        yield stage


@pytest.fixture
def road(request: pytest.FixtureRequest, _road: Scene) -> Iterator[Scene]:
    """Give a stage that has begun, with or without a proxy beside us; many tests share it."""
    yield from _shared(request, _road)


def _shared(request: pytest.FixtureRequest, stage: Scene) -> Iterator[Scene]:
    """Lend a stage to a test, and clear away what the test leaves on it."""
    try:
        yield from _lent(request, stage)
    finally:
        stage.end_peers()


def _lent(request: pytest.FixtureRequest, stage: Scene) -> Iterator[Scene]:
    """Lend a stage; a fault that the program told of itself fails the test, whatever it saw."""
    request.node.stash[_SCENE] = stage
    yield stage
    assert stage.program.mistakes() == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add every process's log, SIPp's message traces among them, to a failure's report."""
    report = yield
    if report.failed and _SCENE in item.stash:
        report.sections += list(item.stash[_SCENE].evidence())
    return report
