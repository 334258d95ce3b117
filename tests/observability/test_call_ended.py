"""Every call ends with exactly one line ``call_ended``, which says who ended it, and whose side."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any, Literal

import pytest

from sip_stager.events import CallTreated, StagingEnded, StagingWasted
from sip_stager.model.call import Policy, Treatment
from sip_stager.model.vocabulary import StagingOutcome, TreatmentKind, WasteReason
from sip_stager.observability import call_records
from sip_stager.observability.call_log import ACK_TIMEOUT
from sip_stager.observability.crowded_refusals import MAX_CALLS_PER_LINE, MAX_OWN_LINES
from sip_stager.observability.dispatcher import Dispatcher
from sip_stager.observability.event_log import EventLog
from sip_stager.observability.line_quota import MAX_LINES_PER_SECOND
from sip_stager.observability.logs import Logger
from sip_stager.observability.number_hash import number_hash
from sip_stager.sip.message import Request
from sip_stager.sip.parser import parse
from tests.support.calls import answer, called, without_requester
from tests.support.conversation import ALICE, BOB, ROUTE, SEAL, STRANGER, USER, Conversation
from tests.support.messages import request, response

HASH = number_hash("key")
CALLER, CALLED = "+33912345678", "+33612345678"


class Logged:
    """A conversation and the lines that it leaves."""

    def __init__(
        self, limit: int = 100, numbers: Literal["masked", "plain"] = "masked", level: int = 20
    ) -> None:
        self.edge = Conversation()
        self._file = StringIO()
        logger = Logger(self._file, level)
        clock = self.edge.clock.time
        self.log = EventLog(logger, numbers, clock, HASH, SEAL, limit)
        self.edge.observers.append(Dispatcher(self.log.observers).dispatch)

    def lines(self, event: str = "call_ended") -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self._file.getvalue().splitlines()]
        return [line for line in found if line["event"].startswith(event)]

    def ended(self) -> dict[str, Any]:
        """Return the only line."""
        [line] = self.lines()
        return line

    def answered(self, *, acknowledged: bool = True) -> Request:
        """Place a call that bob answers; return the INVITE that bob got."""
        invite = called(self.edge)
        answer(self.edge, invite, 180)
        self.edge.clock.advance(1)
        answer(self.edge, invite, 200)
        if acknowledged:
            self.edge.clock.advance(0.1)
            self.edge.receive(later("ACK", 1))
        return invite

    def hang_up(self, bye: bytes, status: int = 200) -> None:
        """Send a BYE and its final response."""
        source, other = (BOB, ALICE) if b"tag=bob\r\nTo" in bye else (ALICE, BOB)
        self.edge.receive(bye, source)
        self.edge.receive(response(self.edge.relayed, status), other)


def later(method: str, cseq: int = 2, *extra: str) -> bytes:
    """Return a request of alice in the dialog."""
    return bytes(
        request(
            method,
            "sip:bob@192.0.2.2",
            branch=f"z9hG4bK-{method}-{cseq}",
            to_tag="bob",
            cseq=cseq,
            extra=(ROUTE, *extra),
        )
    )


def by_bob(*extra: str) -> bytes:
    """Return bob's BYE."""
    lines = [
        "BYE sip:alice@192.0.2.1 SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK-bob-1",
        f"From: <sip:{CALLED}@198.51.100.1>;tag=bob",
        f"To: <sip:{CALLER}@192.0.2.1>;tag=alice",
        "Call-ID: call-1@192.0.2.1",
        "CSeq: 1 BYE",
        "Max-Forwards: 70",
        ROUTE,
        *extra,
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def test_a_caller_who_hangs_up_ends_the_call_with_one_line() -> None:
    logged = Logged()
    logged.answered()
    logged.edge.clock.advance(60)
    logged.hang_up(later("BYE"))
    line = logged.ended()
    assert (line["ended_by"], line["side"], line["cause"]) == ("caller", "caller", "hung_up")
    assert line["sentence"] == "The caller hung up 60.1 s after the answer."
    assert (line["status"], line["reason"]) == (200, "Whatever")
    assert line["call_id"] == "call-1@192.0.2.1"
    assert (line["trunk"], line["staged_id"], line["level"]) == ("trunk", "call-1", "info")
    assert list(line["times"]) == ["forwarded", "ringing", "answered", "ack", "end"]
    assert line["times"]["end"] == line["elapsed_seconds"] == 61.1
    assert len(logged.lines("call_")) == 2
    assert len(logged.log.calls.records) == 0


def test_an_agent_that_hangs_up_is_the_agents_side() -> None:
    logged = Logged()
    logged.answered()
    logged.edge.clock.advance(5)
    logged.hang_up(by_bob('Reason: Q.850;cause=16;text="done"'))
    line = logged.ended()
    assert (line["ended_by"], line["side"], line["cause"]) == ("agent", "agent", "hung_up")
    assert line["peer_reason"] == 'Q.850;cause=16;text="done"'


def test_a_call_that_a_caller_ends_at_once_may_have_been_silent() -> None:
    logged = Logged()
    logged.answered()
    logged.edge.clock.advance(1)
    logged.hang_up(later("BYE"))
    assert "may have been silent" in logged.ended()["sentence"]


def test_both_sides_may_hang_up_at_once_and_there_is_one_line() -> None:
    logged = Logged()
    logged.answered()
    logged.edge.receive(later("BYE"))
    to_bob = logged.edge.relayed
    logged.edge.receive(by_bob(), BOB)
    to_alice = logged.edge.relayed
    logged.edge.receive(response(to_bob, 200), BOB)
    logged.edge.receive(response(to_alice, 200), ALICE)
    assert logged.ended()["ended_by"] == "caller"


def test_a_bye_that_is_challenged_ends_nothing() -> None:
    logged = Logged()
    logged.answered()
    logged.hang_up(later("BYE"), 407)
    assert logged.lines() == []
    logged.hang_up(later("BYE", 3))
    assert logged.ended()["ended_by"] == "caller"


def test_a_bye_without_a_response_ends_the_call_once_it_is_given_up() -> None:
    logged = Logged()
    logged.answered()
    logged.edge.receive(later("BYE"))
    logged.edge.clock.advance(33)
    assert logged.ended()["cause"] == "hung_up"


def test_a_bye_of_another_answer_ends_nothing() -> None:
    """A forked INVITE may have two answers; the caller ends the dialog of the second."""
    logged = Logged()
    logged.answered()
    logged.hang_up(later("BYE").replace(b"tag=bob", b"tag=two"))
    assert logged.lines() == []


def test_a_caller_who_hangs_up_while_staging_is_found_by_number_and_hash() -> None:
    logged = Logged()
    logged.edge.receive(request())
    logged.edge.clock.advance(1)
    logged.edge.receive(request("CANCEL", extra=("Reason: SIP;cause=200",)))
    line = logged.ended()
    assert (line["from_number"], line["from_hash"]) == ("+339******78", HASH(CALLER))
    assert (line["to_number"], line["to_hash"]) == ("+336******78", HASH(CALLED))
    assert (line["ended_by"], line["side"], line["cause"]) == ("caller", "caller", "cancelled")
    assert line["sentence"] == (
        "The caller hung up 1.0 s after the INVITE, while the agent was being staged."
    )
    assert (line["peer_reason"], line["status"]) == ("SIP;cause=200", 487)
    assert line["times"] == {"cancelled": 1.0, "end": 1.0}


def test_a_caller_who_hangs_up_while_it_rings_has_the_time_of_the_cancel() -> None:
    logged = Logged()
    invite = called(logged.edge)
    logged.edge.clock.advance(1)
    answer(logged.edge, invite, 180)
    logged.edge.clock.advance(2)
    logged.edge.receive(request("CANCEL"))
    logged.edge.clock.advance(0.5)
    answer(logged.edge, invite, 487)
    line = logged.ended()
    assert line["sentence"] == (
        "The caller hung up 3.0 s after the INVITE, while the upstream was ringing."
    )
    assert line["times"] == {"forwarded": 0.0, "ringing": 1.0, "cancelled": 3.0, "end": 3.5}


def test_our_own_ringing_and_the_upstreams_have_a_time_each() -> None:
    logged = Logged()
    logged.edge.admission.policy = Policy(ringing=180, ringing_delay=2.0)
    logged.edge.receive(request())
    logged.edge.clock.advance(3)
    logged.edge.stager.stagings[-1].succeed()
    logged.edge.clock.advance(1)
    answer(logged.edge, logged.edge.last_request("bob"), 180)
    answer(logged.edge, logged.edge.last_request("bob"), 486)
    times = logged.ended()["times"]
    assert (times["own_ringing"], times["ringing"]) == (2.0, 4.0)


@pytest.mark.parametrize(
    ("status", "extra", "got", "side", "field"),
    [
        (486, "Reason: Q.850;cause=17", 486, "agent", ("peer_reason", "Q.850;cause=17")),
        (500, 'Warning: 399 x "none free"', 500, "upstream", ("peer_warning", '399 x "none free"')),
        (503, "Retry-After: 5", 500, "upstream", ("upstream_status", 503)),
        (407, "Proxy-Authenticate: x", 407, "trunk", ("upstream_reason", "Whatever")),
    ],
)
def test_a_rejected_call_has_the_words_of_the_far_side_and_whose_side_it_is(
    status: int, extra: str, got: int, side: str, field: tuple[str, object]
) -> None:
    logged = Logged()
    answer(logged.edge, called(logged.edge), status, extra=(extra,))
    line = logged.ended()
    assert (line["ended_by"], line["side"], line["cause"]) == ("upstream", side, "rejected")
    assert (line["status"], line["upstream_status"]) == (got, status)
    assert line[field[0]] == field[1]
    assert str(status) in line["sentence"]
    assert (f"the caller got {got}" in line["sentence"]) == (got != status)


@pytest.mark.parametrize(
    ("cause", "side"),
    [("timeout", "api"), ("refused", "api"), ("breaker_open", "api"), ("internal_error", "us")],
)
def test_a_call_that_could_not_be_staged_says_whose_side_it_is(cause: str, side: str) -> None:
    logged = Logged()
    logged.edge.receive(request())
    logged.edge.stager.stagings[-1].fail(cause, "no agent")
    logged.edge.clock.advance(0.1)
    line = logged.ended()
    assert (line["ended_by"], line["side"], line["cause"]) == ("us", side, cause)
    assert (line["text"], line["level"]) == ("no agent", "warning")
    assert line["from_hash"] == HASH(CALLER)


def test_an_answer_that_lost_the_callers_via_is_the_upstreams_side() -> None:
    logged = Logged()
    logged.edge.receive(without_requester(response(called(logged.edge), 200)), BOB)
    logged.edge.clock.advance(33)
    line = logged.ended()
    assert (line["ended_by"], line["side"], line["cause"]) == ("upstream", "upstream", "rejected")
    assert (line["status"], line["upstream_status"]) == (500, 200)
    assert line["sentence"].endswith("had no Via of the caller, so it could not be passed back.")


def test_a_silent_upstream_is_the_upstreams_side() -> None:
    logged = Logged()
    called(logged.edge)
    logged.edge.clock.advance(40)
    line = logged.ended()
    assert (line["ended_by"], line["side"], line["cause"]) == ("us", "upstream", "timeout")
    assert "never rang" in line["sentence"]
    assert "upstream_status" not in line


def test_a_call_whose_ack_never_comes_ends_once_the_agent_has_given_up() -> None:
    logged = Logged()
    logged.answered(acknowledged=False)
    logged.edge.clock.advance(ACK_TIMEOUT - 1)
    logged.log.calls.expire()
    assert logged.lines() == []
    logged.edge.clock.advance(1)
    logged.log.calls.expire()
    line = logged.ended()
    assert (line["ended_by"], line["side"], line["cause"]) == ("unseen", "trunk", "no_ack")
    logged.hang_up(later("BYE"))
    assert len(logged.lines()) == 1


def test_the_agents_bye_for_a_missing_ack_says_so() -> None:
    logged = Logged()
    logged.answered(acknowledged=False)
    logged.edge.clock.advance(32)
    logged.hang_up(by_bob())
    line = logged.ended()
    assert (line["ended_by"], line["side"], line["cause"]) == ("agent", "trunk", "no_ack")
    logged.edge.clock.advance(10)
    logged.log.calls.expire()
    assert len(logged.lines()) == 1


def test_the_oldest_record_gives_way_with_a_line_and_is_counted() -> None:
    logged = Logged(limit=1)
    logged.answered()
    second = bytes(request(branch="z9hG4bK-2")).replace(b"call-1@", b"call-2@")
    logged.edge.receive(second)
    logged.edge.stager.stagings[-1].succeed()
    logged.edge.clock.advance(0.1)
    line = logged.ended()
    assert (line["ended_by"], line["cause"], line["call_id"]) == (
        *("unseen", "unseen"),
        "call-1@192.0.2.1",
    )
    assert (len(logged.log.calls.records), logged.log.calls.records.dropped) == (1, 1)
    logged.hang_up(later("BYE"))
    assert len(logged.lines()) == 1, "its end was written before"


def test_a_call_whose_record_gave_way_while_it_rang_has_no_second_line() -> None:
    logged = Logged(limit=1)
    invite = called(logged.edge)
    second = bytes(request(branch="z9hG4bK-2")).replace(b"call-1@", b"call-2@")
    logged.edge.receive(second)
    logged.edge.stager.stagings[-1].succeed()
    logged.edge.clock.advance(0.1)
    answer(logged.edge, invite, 486)
    assert [line["cause"] for line in logged.lines()] == ["unseen"]


def test_calls_that_are_up_as_the_program_stops_have_a_line() -> None:
    logged = Logged()
    logged.answered()
    assert logged.log.calls.end_unseen(10) == 0
    line = logged.ended()
    assert (line["ended_by"], line["side"], line["cause"]) == ("unseen", "us", "unseen")
    assert "stopped" in line["sentence"]


@pytest.mark.parametrize(("bye", "side"), [(later("BYE"), "caller"), (by_bob(), "agent")])
def test_a_bye_of_a_call_before_the_start_has_a_line_by_its_seal(bye: bytes, side: str) -> None:
    logged = Logged()
    logged.hang_up(bye)
    line = logged.ended()
    assert (line["ended_by"], line["side"], line["cause"]) == (side, side, "hung_up")
    assert (line["from_hash"], line["to_hash"]) == (HASH(CALLER), HASH(CALLED))
    logged.hang_up(bye.replace(b"z9hG4bK", b"z9hG4bK2"))
    assert len(logged.lines()) == 1


def test_a_bye_of_an_anonymous_caller_shows_no_caller() -> None:
    logged = Logged()
    sealed = SEAL.seal_for(request(), anonymous=True)
    logged.hang_up(later("BYE").replace(USER.encode(), sealed))
    line = logged.ended()
    assert "from_number" not in line
    assert "from_hash" not in line
    assert line["to_hash"] == HASH(CALLED)


def test_a_stranger_cannot_end_a_line_with_a_bye() -> None:
    logged = Logged()
    logged.answered()
    logged.edge.receive(later("BYE").replace(USER.encode(), b"forged"), STRANGER)
    assert logged.lines() == []


def test_unmapped_numbers_and_unknown_sources_have_a_line() -> None:
    logged = Logged()
    logged.edge.receive(request(uri="sip:404@198.51.100.1"))
    logged.edge.receive(request(branch="z9hG4bK-2"), STRANGER)
    ends = [(line["side"], line["cause"], line["status"]) for line in logged.lines()]
    assert ends == [("us", "unmapped_number", 404), ("trunk", "unknown_source", 403)]


def test_strangers_have_few_lines() -> None:
    logged = Logged()
    for n in range(100):
        logged.edge.receive(request(branch=f"z9hG4bK-{n}"), STRANGER)
    assert len(logged.lines()) == 5


def test_two_calls_of_one_call_id_have_a_line_each() -> None:
    """A trunk may fork a call to two numbers of ours; both legs keep the Call-ID."""
    logged = Logged()
    first = called(logged.edge)
    other = bytes(request(uri="sip:+33699999999@198.51.100.1", branch="z9hG4bK-2"))
    logged.edge.receive(other)
    logged.edge.stager.stagings[-1].succeed()
    logged.edge.clock.advance(0.1)
    second = logged.edge.last_request("bob")
    assert len(logged.log.calls.records) == 2
    answer(logged.edge, first, 486)
    answer(logged.edge, second, 603)
    assert [(line["to_hash"], line["status"]) for line in logged.lines()] == [
        (HASH(CALLED), 486),
        (HASH("+33699999999"), 603),
    ]
    assert len(logged.log.calls.records) == 0


def test_a_call_placed_again_with_its_call_id_has_a_line_of_its_own() -> None:
    logged = Logged()
    answer(logged.edge, called(logged.edge), 407)
    logged.edge.receive(request(branch="z9hG4bK-2", cseq=2))
    logged.edge.clock.advance(1)
    logged.edge.receive(request("CANCEL", branch="z9hG4bK-2", cseq=2))
    assert [line["cause"] for line in logged.lines()] == ["rejected", "cancelled"]


def test_a_very_long_call_id_is_followed_to_the_end() -> None:
    logged = Logged()
    odd = b"x" * 300 + b"@192.0.2.1"  # longer than a Call-ID in an event

    def spelled(message: bytes | Request) -> bytes:
        return bytes(message).replace(b"call-1@192.0.2.1", odd)

    logged.edge.receive(spelled(request()))
    logged.edge.stager.stagings[-1].succeed()
    logged.edge.clock.advance(0.1)
    answer(logged.edge, logged.edge.last_request("bob"), 200)
    invite = parse(spelled(request()))
    assert isinstance(invite, Request)
    route = SEAL.seal_for(invite)
    for method, cseq in (("ACK", 1), ("BYE", 2)):
        logged.edge.receive(spelled(later(method, cseq)).replace(USER.encode(), route))
    logged.edge.receive(response(logged.edge.last_request("bob"), 200), BOB)
    line = logged.ended()
    assert line["cause"] == "hung_up"
    assert "ack" in line["times"]


def test_the_store_of_ended_calls_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_records, "MAX_ENDED", 3)
    logged = Logged()
    for n in range(10):
        logged.hang_up(b"BYE".join(later("BYE").split(b"BYE")).replace(b"-BYE-", b"-%d-" % n))
    assert len(logged.log.calls.records._ended) <= 3


def test_plain_numbers_are_shown_with_their_hash() -> None:
    logged = Logged(numbers="plain")
    logged.answered()
    logged.hang_up(later("BYE"))
    line = logged.ended()
    assert (line["from_number"], line["from_hash"]) == (CALLER, HASH(CALLER))


def test_the_hash_needs_the_key() -> None:
    assert number_hash("key")(CALLER) == HASH(CALLER)
    assert number_hash("other")(CALLER) != HASH(CALLER)
    assert len(HASH(CALLER)) == 16


def refuse_many(logged: Logged, calls: int) -> None:
    for n in range(calls):
        call = bytes(request(branch=f"z9hG4bK-{n}")).replace(b"call-1@", b"call-%d@" % n)
        logged.edge.receive(call)
        fail_staging(logged, n)


def test_a_dead_api_leaves_few_lines_and_no_call_is_missing() -> None:
    """At 400 calls a second a line for each would cost the calls that still pass."""
    logged = Logged(limit=10_000)
    refuse_many(logged, 400)
    logged.log.calls.expire()
    assert len(logged.lines("")) <= MAX_OWN_LINES + 400 / MAX_CALLS_PER_LINE + MAX_LINES_PER_SECOND
    alone, shared = logged.lines(), logged.lines("calls_ended")
    named = [line["call_id"] for line in (*alone, *(c for line in shared for c in line["calls"]))]
    assert sorted(named) == sorted(f"call-{n}@192.0.2.1" for n in range(400))
    assert {line["side"] for line in shared} == {"api"}
    assert {line["cause"] for line in shared} == {"api_unreachable"}
    assert shared[0]["calls"][0]["from_hash"] == HASH(CALLER)


def test_refused_calls_that_were_gathered_are_written_with_the_next_second() -> None:
    logged = Logged(limit=10_000)
    refuse_many(logged, MAX_OWN_LINES + 3)
    assert logged.lines("calls_ended") == []
    logged.edge.clock.advance(1)
    logged.edge.receive(request(branch="z9hG4bK-next"))
    fail_staging(logged, 0)
    [line] = logged.lines("calls_ended")
    assert line["count"] == len(line["calls"]) == 3
    assert len(logged.lines()) == MAX_OWN_LINES + 1


def test_refused_calls_that_were_gathered_are_written_at_the_stop() -> None:
    logged = Logged(limit=10_000)
    refuse_many(logged, MAX_OWN_LINES + 3)
    logged.log.calls.end_unseen(10)
    assert logged.lines("calls_ended")[0]["count"] == 3


def fail_staging(logged: Logged, number: int) -> None:
    """End the last staging as the stager does with a dead API."""
    staging = logged.edge.stager.stagings[-1]
    outcome = StagingOutcome.API_UNREACHABLE
    ended = StagingEnded(staging.call, outcome, 0.0, {"connect": 0.0}, "", 0, f"refused {number}")
    for observe in logged.edge.observers:
        observe(ended)
    staging.fail(outcome, "refused")


@pytest.mark.parametrize("outcome", [StagingOutcome.API_UNREACHABLE, StagingOutcome.CANCELLED])
def test_lines_of_stagings_that_end_in_vain_have_a_quota(outcome: StagingOutcome) -> None:
    logged = Logged()
    logged.edge.receive(request())
    call = logged.edge.stager.stagings[-1].call
    for _ in range(100):
        for observe in logged.edge.observers:
            observe(StagingEnded(call, outcome, 0.0, {}))
            observe(CallTreated(call, StagingOutcome.TIMEOUT, TreatmentKind.FORWARD, "", 0.0))
            observe(StagingWasted(call, "call-1", WasteReason.CANCELLED))
    for event in ("staging_", "call_treated"):
        kinds = 2 if event == "staging_" else 1
        assert len(logged.lines(event)) == kinds * MAX_LINES_PER_SECOND
    logged.edge.clock.advance(1)
    for observe in logged.edge.observers:
        observe(StagingEnded(call, outcome, 0.0, {}))
    [line] = [line for line in logged.lines("staging_") if "suppressed_lines" in line]
    assert line["suppressed_lines"] == 100 - MAX_LINES_PER_SECOND


def test_a_call_that_the_policy_sends_elsewhere_is_the_apis_side() -> None:
    logged = Logged()
    moved = Treatment(TreatmentKind.MOVED, target="sip:queue@192.0.2.9")
    logged.edge.admission.policy = Policy({StagingOutcome.TIMEOUT: (moved,)})
    logged.edge.receive(request())
    logged.edge.stager.stagings[-1].fail(StagingOutcome.TIMEOUT, "too slow")
    logged.edge.clock.advance(0.1)
    line = logged.ended()
    assert (line["ended_by"], line["side"], line["cause"]) == ("us", "api", "moved")
    assert (line["treatment"], line["treated_cause"]) == ("moved", "timeout")
    assert (line["status"], line["text"]) == (302, "too slow")


def test_a_call_that_is_forwarded_unstaged_says_why_in_its_last_line() -> None:
    logged = Logged()
    forward = Treatment(TreatmentKind.FORWARD)
    logged.edge.admission.policy = Policy({StagingOutcome.TIMEOUT: (forward,)})
    logged.edge.receive(request())
    logged.edge.stager.stagings[-1].fail(StagingOutcome.TIMEOUT, "too slow")
    logged.edge.clock.advance(0.1)
    answer(logged.edge, logged.edge.last_request("bob"), 486)
    line = logged.ended()
    assert (line["cause"], line["treatment"], line["staged_id"]) == ("rejected", "forward", "")


def test_a_call_that_is_ringing_as_the_program_stops_is_our_side() -> None:
    logged = Logged()
    answer(logged.edge, called(logged.edge), 180)
    logged.edge.shutdown.refuse_new_calls()
    logged.edge.shutdown.end_calls()
    line = logged.ended()
    assert (line["ended_by"], line["side"], line["cause"]) == ("us", "us", "stopped")


def test_an_upstream_out_of_reach_is_the_upstreams_side() -> None:
    logged = Logged()
    called(logged.edge)
    logged.edge.layer.flow_lost(BOB, "unreachable")
    line = logged.ended()
    assert (line["ended_by"], line["side"], line["cause"]) == (
        *("us", "upstream"),
        "upstream_unreachable",
    )
    assert line["level"] == "warning"


def test_a_bye_before_the_answer_counts_as_the_callers_hang_up() -> None:
    """RFC 3261 15: a caller may end an early dialog with a BYE."""
    logged = Logged()
    invite = called(logged.edge)
    answer(logged.edge, invite, 180)
    logged.hang_up(later("BYE"))
    answer(logged.edge, invite, 487)
    assert (logged.ended()["ended_by"], logged.ended()["side"]) == ("caller", "caller")
