"""The core that the composition root makes is closed to strangers, and stays so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.assembly.core import Core, CorePolicies, make_core
from sip_stager.assembly.trunks import make_admission, make_mapping
from sip_stager.model.flow import Flow
from sip_stager.sip.message import Request
from sip_stager.sip.parser import parse
from sip_stager.transaction.reporter import MessageReporter
from tests.config.settings_folder import KEY, RIGHT, Folder
from tests.support.fakes import FakeClock, FakeResolver, FakeStager, FakeTransport
from tests.support.messages import request, response

if TYPE_CHECKING:
    from pathlib import Path

    from sip_stager.config import Settings
    from sip_stager.events import Event

TRUNK = Flow("UDP", "192.0.2.1", 5060)
UPSTREAM = Flow("UDP", "198.51.100.1", 5060)
STRANGER = Flow("UDP", "203.0.113.1", 5060)


class Made:
    """A core made from settings, with fakes for its ports."""

    def __init__(self, folder: Path) -> None:
        self.settings = self.load(folder)
        self.clock = clock = FakeClock()
        self.transport = FakeTransport(clock)
        self.events: list[Event] = []
        notify = self.events.append
        ports = self.transport, FakeResolver(clock, {}), FakeStager(clock, 0.1), notify
        reporter = MessageReporter(notify)
        mapping = make_mapping(self.settings)
        self.core: Core = make_core(self.settings, clock, *ports, reporter, mapping)

    @staticmethod
    def load(folder: Path, strangers: str = "") -> Settings:
        text = RIGHT.replace("sip.example.com", UPSTREAM.host).replace("127.0.0.1", "192.0.2.200")
        return Folder(folder).load(text + strangers, ROUNDED_API_KEY=KEY)

    def receive(self, data: bytes, source: Flow) -> list[tuple[bytes, Flow]]:
        """Return the messages that are sent after one has come."""
        before = len(self.transport.sent)
        self.core.layer.receive_message(data, source)
        self.clock.advance(0.2)
        return self.transport.sent[before:]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


def test_strangers_are_turned_away(made: Made, tmp_path: Path) -> None:
    invite = bytes(request(body="v=0\r\n" * 20))
    assert made.receive(bytes(request("OPTIONS")), STRANGER) == []
    [(refused, flow)] = made.receive(invite, STRANGER)
    assert (refused[:11], flow.host) == (b"SIP/2.0 403", STRANGER.host)
    assert b"Warning" not in refused
    settings = made.load(tmp_path, '[strangers]\nanswered = "nothing"\n')
    made.core.apply(settings, CorePolicies(make_admission(settings)))
    assert made.receive(invite, STRANGER) == []
    assert made.receive(bytes(request("OPTIONS", branch="z9hG4bK-2")), TRUNK) != []


def test_each_side_gets_the_address_of_the_other_in_its_seal(made: Made) -> None:
    """RFC 3261 16.7 step 8: the copy of the seal that goes to the caller names the callee."""
    forwarded = parse(made.receive(bytes(request()), TRUNK)[-1][0])
    assert isinstance(forwarded, Request)
    answer = bytes(response(forwarded, 200)).replace(b"bob@192.0.2.2", b"bob@10.1.0.7:5080")
    [(passed, _)] = made.receive(answer, UPSTREAM)
    recorded = parse(passed).values(b"record-route")[0]
    assert recorded != forwarded.values(b"record-route")[0]
    route = f"Route: {recorded.decode()}"
    bye = bytes(request("BYE", "sip:bob@10.1.0.7:5080", to_tag="bob", cseq=2, extra=(route,)))
    [(_, flow)] = made.receive(bye, STRANGER)
    assert (flow.host, flow.port) == ("10.1.0.7", 5080)
    assert made.receive(bye.replace(b"10.1.0.7", b"10.1.0.8"), STRANGER) == []
