"""Scenes for tests, and the logs of a scene in the report of a failed test."""

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
    """Return a scene in which nothing has been started."""
    need(sipp.SIPP, sipp.MISSING)
    with Scene(tmp_path) as scene:
        yield from _lend(request, scene)


@pytest.fixture(scope="session")
def _shared_scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    need(sipp.SIPP, sipp.MISSING)
    with Scene(tmp_path_factory.mktemp("shared")) as scene:
        scene.start(upstream_transport=getattr(request, "param", "udp"))
        yield scene


@pytest.fixture
def shared_scene(request: pytest.FixtureRequest, _shared_scene: Scene) -> Iterator[Scene]:
    """Return a running scene with default settings, which many tests share.

    The transport to the upstream is UDP, or the parameter of ``_shared_scene``.
    """
    yield from _lend_shared(request, _shared_scene)


@pytest.fixture(scope="module")
def _module_scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    need(sipp.SIPP, sipp.MISSING)
    with Scene(tmp_path_factory.mktemp("module")) as scene:
        request.module.start(scene)
        yield scene


@pytest.fixture
def module_scene(request: pytest.FixtureRequest, _module_scene: Scene) -> Iterator[Scene]:
    """Return a scene started by the module's ``start``, which all its tests share."""
    yield from _lend_shared(request, _module_scene)


@pytest.fixture
def with_kamailio() -> None:
    """Skip the test if Kamailio is not installed."""
    need(kamailio.KAMAILIO, kamailio.MISSING)


@pytest.fixture(scope="session", params=["direct", "kamailio behind", "kamailio ahead"])
def _any_route(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    need(sipp.SIPP, sipp.MISSING)
    if request.param != "direct":
        need(kamailio.KAMAILIO, kamailio.MISSING)
    with Scene(tmp_path_factory.mktemp("route")) as scene:
        if request.param == "kamailio behind":
            scene.put_kamailio_behind()
        scene.start()
        if request.param == "kamailio ahead":
            scene.put_kamailio_ahead()
        yield scene


@pytest.fixture
def any_route(request: pytest.FixtureRequest, _any_route: Scene) -> Iterator[Scene]:
    """Return a running scene, with or without Kamailio next to us, which many tests share."""
    yield from _lend_shared(request, _any_route)


def _lend_shared(request: pytest.FixtureRequest, scene: Scene) -> Iterator[Scene]:
    """Lend a shared scene to a test, and stop the callers and callees that it leaves."""
    try:
        yield from _lend(request, scene)
    finally:
        scene.end_peers()


def _lend(request: pytest.FixtureRequest, scene: Scene) -> Iterator[Scene]:
    """Lend a scene to a test, which fails if the program has logged an internal error."""
    request.node.stash[_SCENE] = scene
    yield scene
    assert scene.program.errors() == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the logs of all processes and SIPp's message traces to the report of a failure."""
    report = yield
    if report.failed and _SCENE in item.stash:
        report.sections += list(item.stash[_SCENE].evidence())
    return report
