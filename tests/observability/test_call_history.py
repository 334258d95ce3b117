"""The history has each call with its messages, is bounded, and no stranger displaces a call."""

from __future__ import annotations

import json
from io import StringIO
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from sip_stager.events import MessageReceived, MessageSent
from sip_stager.observability import call_history
from sip_stager.observability.call_pages import CallPages
from sip_stager.observability.dispatcher import Dispatcher
from sip_stager.observability.event_log import EventLog, RecordLimits
from sip_stager.observability.http_connection import PageRequest
from sip_stager.observability.logs import Logger
from sip_stager.observability.message_recorder import MessageRecorder, find_call_id
from sip_stager.observability.metrics import Metrics
from sip_stager.sip.message import Request
from tests.observability.sample_events import GAUGE_SOURCES
from tests.observability.test_call_ended import CALLED, CALLER, HASH, Logged, later
from tests.support.calls import answer, called
from tests.support.conversation import ALICE, SEAL, STRANGER, Conversation
from tests.support.messages import request

if TYPE_CHECKING:
    from sip_stager.observability.call_history import CallHistory
    from sip_stager.ports import Handlers

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
SECRETS = ("SECRET-DIGEST", "SECRET-TOKEN", "SECRET-KEY")
SDP = "v=0\r\na=crypto:1 AES inline:SECRET-KEY\r\n"


class Recorded(Logged):
    """A conversation, its log and its history."""

    def __init__(self, calls: int = 100, seconds: float = 60.0, size: int = 10**7) -> None:
        self.edge = Conversation()
        self._file = StringIO()
        logger, clock = Logger(self._file, 20), self.edge.clock.time
        limits = RecordLimits(calls, seconds, size)
        self.log = EventLog(logger, "masked", clock, HASH, SEAL, records=limits)
        assert self.log.history is not None
        self.history: CallHistory = self.log.history
        self._recorder = MessageRecorder(self.history, Metrics(GAUGE_SOURCES).messages)
        messages: Handlers = {MessageReceived: self._received, MessageSent: self._sent}
        self.edge.observers.append(Dispatcher([messages, *self.log.observers]).dispatch)
        self.pages = CallPages(self.history, LOOPBACK, masks=True)

    def _received(self, event: MessageReceived) -> None:
        message = event.message
        if isinstance(message, Request):
            self._recorder.request_received(message, event.flow)
        else:
            self._recorder.response_received(message, message.cseq_method, event.flow)

    def _sent(self, event: MessageSent) -> None:
        message, again = event.message, event.retransmission
        data, method = bytes(message), message.cseq_method
        if isinstance(message, Request):
            self._recorder.request_sent(data, method, event.flow, retransmission=again)
        else:
            status = message.status
            self._recorder.response_sent(data, method, status, event.flow, retransmission=again)

    async def get(self, path: str, query: str = "", peer: str = "127.0.0.1") -> tuple[int, Any]:
        response = await self.pages.answer(PageRequest("GET", path, query, peer))
        return response.status.value, json.loads(response.body)


def invite(number: int, *extra: str) -> bytes:
    """Return an INVITE with a Call-ID of its own."""
    message = bytes(request(branch=f"z9hG4bK-c{number}", extra=extra))
    return message.replace(b"call-1@192.0.2.1", b"c%d" % number)


async def test_a_call_is_listed_with_its_last_line_and_found_by_its_number() -> None:
    recorded = Recorded()
    recorded.answered()
    status, body = await recorded.get("/api/v1/calls")
    assert (status, body["version"], body["calls"][0]["state"]) == (200, 1, "up")
    recorded.hang_up(later("BYE"))
    for query in (f"from=%2B{CALLER[1:]}", f"to=%2B{CALLED[1:]}", "cause=hung_up&side=caller"):
        [call] = (await recorded.get("/api/v1/calls", query))[1]["calls"]
        assert call["sentence"] == recorded.ended()["sentence"]
        assert (call["state"], call["call_id"]) == ("ended", "call-1@192.0.2.1")
    assert (await recorded.get("/api/v1/calls", "from=%2B33900000000"))[1]["calls"] == []


async def test_a_ladder_has_every_message_in_order_with_the_api_between() -> None:
    recorded = Recorded()
    edge = recorded.edge
    answer(edge, called(edge), 486)
    status, body = await recorded.get("/api/v1/calls/call-1%40192.0.2.1")
    assert status == 200
    texts = [(step["from"], step["to"], step["text"].split()[0]) for step in body["ladder"]]
    assert texts[0] == ("caller", "sip-stager", "INVITE")
    assert ("sip-stager", "agent", "INVITE") in texts
    assert ("sip-stager", "caller", "486") in texts
    assert body["ladder"][0]["message"].startswith("INVITE sip:+336******78@")


async def test_no_secret_and_no_number_is_shown() -> None:
    recorded = Recorded()
    fields = (
        'Proxy-Authorization: Digest username="u", response="SECRET-DIGEST"',
        "X-Twilio-CallToken: SECRET-TOKEN",
    )
    uri = f"sip:{CALLED}@198.51.100.1"
    sdp = ("Content-Type: application/sdp",)
    recorded.edge.receive(bytes(request("INVITE", uri, extra=(*fields, *sdp), body=SDP)))
    [call] = (await recorded.get("/api/v1/calls"))[1]["calls"]
    body = (await recorded.get(f"/api/v1/calls/{call['call_id']}"))[1]
    for text in (*SECRETS, CALLED[4:], CALLER[4:]):
        assert text not in json.dumps([call, body])
    assert "X-Twilio-CallToken: ***" in body["ladder"][0]["message"]


async def test_hostile_values_are_escaped() -> None:
    recorded = Recorded()
    hostile = "X-Name: <script>\x1b[2J\x00" + "n" * 8000
    recorded.edge.receive(invite(1, hostile))
    response = await recorded.pages.answer(PageRequest("GET", "/api/v1/calls/c1", "", "127.0.0.1"))
    assert response.body.isascii()
    assert b"\x1b" not in response.body
    assert response.content_type == "application/json"


async def test_only_readers_read() -> None:
    recorded = Recorded()
    assert (await recorded.get("/api/v1/calls", peer="192.0.2.9"))[0] == 403
    assert (await recorded.get("/api/v1/calls", peer=""))[0] == 403
    for peer in ("::1", "::ffff:127.0.0.1", "127.8.8.8"):
        assert (await recorded.get("/api/v1/calls", peer=peer))[0] == 200


@pytest.mark.parametrize(("path", "query", "status"), [
    ("/api/v1/calls", "colour=red", 400),
    ("/api/v1/calls", "limit=x", 400),
    ("/api/v1/calls/none", "", 404),
    ("/api/v2", "", 404),
])  # fmt: skip
async def test_a_wrong_request_is_answered_with_words(path: str, query: str, status: int) -> None:
    got, body = await Recorded().get(path, query)
    assert (got, bool(body["error"])) == (status, True)


async def test_strangers_never_displace_a_call_of_a_trunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_history, "MAX_UNADMITTED", 3)
    recorded = Recorded(calls=2)
    called(recorded.edge)
    for number in range(20):
        recorded.edge.receive(invite(number), STRANGER)
    assert recorded.history.find("call-1@192.0.2.1") is not None
    assert len(recorded.history) <= 4


def test_the_history_is_bounded_in_calls_and_time() -> None:
    recorded = Recorded(calls=2)
    for number in range(4):
        recorded.edge.receive(invite(number), ALICE)
    assert len(recorded.history) == 2
    assert recorded.history.dropped == 2
    assert recorded.history.find("c3") is not None
    recorded.edge.clock.advance(400)  # the calls end meanwhile: nothing was staged
    recorded.edge.receive(invite(9), ALICE)
    assert recorded.history.find("c9") is not None
    assert len(recorded.history) == 1


def test_the_history_is_bounded_in_bytes_and_counts_them_back_to_zero() -> None:
    recorded = Recorded(size=8000)
    for number in range(30):
        recorded.edge.receive(invite(number), ALICE)
        assert recorded.history.bytes <= 8000 + 4000
    assert recorded.history.dropped > 0
    held = recorded.history.newest_first()
    assert recorded.history.bytes == sum(call.size for call in held)


def test_the_messages_of_one_call_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_history, "MAX_MOMENTS", 2)
    recorded = Recorded()
    recorded.answered()
    call = recorded.history.find("call-1@192.0.2.1")
    assert call is not None
    assert (len(call.moments), call.left_out > 0) == (2, True)


def test_without_records_nothing_observes_the_messages() -> None:
    assert EventLog(Logger(StringIO())).history is None


@pytest.mark.parametrize(
    ("field", "call_id"),
    [("Call-ID: a", b"a"), ("CALL-ID:a", b"a"), ("i : a ", b"a"), ("Via: x", b"")],
)
def test_the_call_id_is_found_in_every_spelling(field: str, call_id: bytes) -> None:
    assert find_call_id(f"SIP/2.0 200 OK\r\nTo: x\r\n{field}\r\n\r\n".encode()) == call_id


async def test_an_endless_call_id_is_found_by_what_the_list_shows() -> None:
    recorded = Recorded()
    data = invite(1).replace(b"c1", b"+33612345678" + b"x" * 8000, 1)
    recorded.edge.receive(data.replace(b"Call-ID: c1", b"Call-ID: " + b"x" * 8000), ALICE)
    [call] = (await recorded.get("/api/v1/calls"))[1]["calls"]
    assert len(call["call_id"]) < 2000
    assert (await recorded.get(f"/api/v1/calls/{call['call_id']}"))[0] == 200
