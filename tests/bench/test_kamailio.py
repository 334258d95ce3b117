"""Kamailio does the same job as sip-stager in the benchmark."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from bench.kamailio.server import MISSING, Kamailio, api_workers, find, version
from bench.load import Load
from tests.interop import sipp
from tests.interop.fake_api import FakeApiProcess
from tests.interop.ports import free_port
from tests.interop.program import NUMBER
from tests.interop.silent_upstream import SilentUpstream
from tests.interop.sipp import SIPP, Sipp
from tests.support.needed import need

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.message_trace import TracedMessage


class Scene:
    """The fake API, Kamailio, and SIPp on both sides; all processes end with the test."""

    def __init__(self, directory: Path, kamailio: str, children: ExitStack) -> None:
        self.upstream = free_port()
        self._directory, self._kamailio, self._children = directory, kamailio, children

    def start(self, **behaviour: Any) -> None:
        """Start the API with these fields of ``Behaviour``, and Kamailio."""
        self.api = FakeApiProcess(self._directory, **behaviour)
        self._children.callback(self.api.stop)
        self.api.wait_ready()
        self.proxy = Kamailio(self._kamailio, self.api.url, self.upstream, self._directory, 1)
        self._children.callback(self.proxy.stop)
        self.proxy.wait_ready()

    def callee(self, scenario: str) -> Sipp:
        """Start SIPp upstream."""
        callee = Sipp(scenario, self._directory, port=self.upstream)
        self._children.callback(callee.stop)
        callee.wait_bound()
        return callee

    def caller(self, scenario: str, **words: str) -> Sipp:
        """Start one call."""
        options = (f"127.0.0.1:{self.proxy.port}", "-s", NUMBER, "-d", "100")
        caller = Sipp(scenario, self._directory, port=free_port(), options=options, words=words)
        self._children.callback(caller.stop)
        return caller


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Return a scene; skip the test if Kamailio or SIPp is not installed."""
    need(kamailio := find(), MISSING)
    need(SIPP, sipp.MISSING)
    assert kamailio
    with ExitStack() as children:
        yield Scene(tmp_path, kamailio, children)


def only(messages: list[TracedMessage]) -> TracedMessage:
    """Return the one message."""
    (message,) = messages
    return message


@pytest.mark.interop
def test_a_call_is_staged_and_forwarded_with_its_id_and_record_route(scene: Scene) -> None:
    scene.start()
    callee = scene.callee("callee_answers")
    scene.caller("caller_hangs_up").finish()
    callee.finish()
    invite = only(callee.received("INVITE"))
    assert invite.values("X-Rounded-Call-Id")
    for message in (invite, only(callee.received("ACK")), only(callee.received("BYE"))):
        assert f":{scene.proxy.port}" in message.values("Via")[0]
    assert scene.api.stats()["responses"] == {"201": 1}


@pytest.mark.interop
def test_a_call_cancelled_while_ringing_is_cancelled_upstream(scene: Scene) -> None:
    scene.start()
    callee = scene.callee("callee_is_cancelled")
    scene.caller("caller_cancels_ringing").finish()
    callee.finish()
    assert f":{scene.proxy.port}" in only(callee.received("CANCEL")).values("Via")[0]


@pytest.mark.interop
def test_a_call_cancelled_while_staging_is_not_forwarded(scene: Scene) -> None:
    scene.start(delay=1)
    with SilentUpstream(("127.0.0.1", scene.upstream)) as upstream:
        scene.caller("caller_cancels_staging").wait_received("487")  # sent before the 200 to CANCEL
        scene.api.wait_until(lambda: scene.api.stats()["responses"] == {"201": 1}, "answer")
        upstream.assert_nothing_received()


@pytest.mark.interop
def test_a_call_that_the_api_refuses_is_not_forwarded(scene: Scene) -> None:
    scene.start(status=500)
    with SilentUpstream(("127.0.0.1", scene.upstream)) as upstream:
        scene.caller("caller_is_refused", status="503").finish()
        upstream.assert_nothing_received()


def test_the_version_starts_with_the_name(scene: Scene) -> None:
    assert version(find() or "").startswith("Kamailio ")


def test_there_are_more_workers_than_open_requests() -> None:
    assert api_workers(Load(200, 5), 0) == 4
    assert api_workers(Load(200, 5), 150) == 64
