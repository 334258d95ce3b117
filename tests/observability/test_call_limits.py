"""The calls of a trunk and of a number are limited as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from sip_stager.events import CallAdmitted, CallEnded, CallHungUp, CallRefused
from sip_stager.model.call import Call
from sip_stager.model.flow import Flow
from sip_stager.model.vocabulary import CallOutcome, StagingOutcome
from sip_stager.observability.call_limits import CallLimit, EventCallLimits
from sip_stager.observability.dispatcher import Dispatcher
from tests.support.fakes import FakeClock
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.sip.message import Request

FLOW = Flow("UDP", "192.0.2.1", 5060)
ROW = "+33366725520"
CALL_ID = request().call_id_text


def a_call(call_id: str = CALL_ID, trunk: str = "a", row: str = ROW) -> Call:
    return Call(call_id, trunk, "+33612345678", row, "agent", 4.0, row=row)


def bye(to_tag: str = "bob") -> Request:
    return request("BYE", "sip:bob@192.0.2.2", to_tag=to_tag, cseq=2)


class Subject:
    """The limits with a clock that is moved by hand."""

    def __init__(
        self,
        trunk: CallLimit = CallLimit(),  # noqa: B008  a tuple
        row: CallLimit = CallLimit(),  # noqa: B008  a tuple
    ) -> None:
        self.clock = FakeClock()
        self.limits = EventCallLimits({"a": trunk}, {ROW: row}, self.clock, 100.0)
        self.notify = Dispatcher([self.limits.handlers]).dispatch

    def admit(self, call: Call) -> bool:
        """Make a call; return False if it exceeds a limit."""
        if self.limits.exceeded(call.trunk, call.row):
            return False
        self.notify(CallAdmitted(call, FLOW))
        return True

    def answer(self, call: Call, to_tag: str = "bob") -> None:
        sent = response(request(), 200, tag=to_tag)
        self.notify(CallEnded(call, "", CallOutcome.ANSWERED, 200, 1.0, sent))


def test_calls_beyond_the_limit_of_the_trunk_are_refused_until_one_ends() -> None:
    subject = Subject(CallLimit(max_calls=2))
    calls = [a_call(f"call-{number}") for number in range(3)]
    assert [subject.admit(call) for call in calls] == [True, True, False]
    assert subject.limits.exceeded("a", ROW) == 'the trunk "a" has 2 calls (max_calls = 2)'
    assert subject.admit(a_call("other", trunk="b"))
    subject.notify(CallEnded(calls[0], "", CallOutcome.CANCELLED, 487, 1.0))
    assert subject.limits.calls_up == {"a": 1}
    assert subject.admit(calls[2])


def test_calls_beyond_the_limit_of_the_number_are_refused_on_every_trunk() -> None:
    subject = Subject(row=CallLimit(max_calls=1))
    assert subject.admit(a_call("1"))
    assert not subject.admit(a_call("2", trunk="b"))
    assert subject.limits.exceeded("b", ROW) == "the number has 1 calls (max_calls = 1)"
    assert subject.admit(a_call("3", row="+33199999999"))


def test_no_second_has_more_new_calls_than_the_limit() -> None:
    subject = Subject(CallLimit(max_calls_per_second=3))
    admitted = []
    for number in range(100):
        if subject.admit(a_call(str(number))):
            admitted.append(subject.clock.time())
        subject.clock.advance(0.05)
    assert len(admitted) == 15
    for first, fourth in zip(admitted, admitted[3:], strict=False):
        assert fourth - first >= 0.999


def test_a_call_that_is_answered_counts_until_its_bye() -> None:
    subject = Subject(CallLimit(max_calls=1))
    subject.admit(a_call())
    subject.answer(a_call())
    assert subject.limits.calls_up == {"a": 1}
    subject.notify(
        CallHungUp(bye(), b"", response(bye(), 401))
    )  # it is sent again with credentials
    assert subject.limits.calls_up == {"a": 1}
    subject.notify(CallHungUp(bye(to_tag="another fork"), b"", response(bye(), 200)))
    assert subject.limits.calls_up == {"a": 1}
    subject.notify(CallHungUp(bye(), b"", response(bye(), 200)))
    subject.notify(CallHungUp(bye(), b"", response(bye(), 200)))
    assert subject.limits.calls_up == {"a": 0}


def test_a_call_that_is_refused_after_its_admission_counts_no_longer() -> None:
    subject = Subject(CallLimit(max_calls=1))
    call = a_call()
    subject.admit(call)
    subject.notify(CallRefused(CALL_ID, "a", 480, StagingOutcome.TIMEOUT, "", 4.0, call=call))
    assert subject.limits.calls_up == {"a": 0}


def test_a_call_whose_bye_is_lost_counts_for_a_bounded_time() -> None:
    subject = Subject(CallLimit(max_calls=1))
    subject.admit(a_call())
    subject.answer(a_call())
    subject.clock.advance(99.9)
    assert not subject.admit(a_call("2"))
    subject.clock.advance(0.2)
    assert subject.admit(a_call("2"))
    subject.notify(CallHungUp(bye(), b"", response(bye(), 200)))  # it came after all
    assert subject.limits.calls_up == {"a": 1}


def test_calls_of_a_fork_with_one_call_id_count_one_by_one() -> None:
    subject = Subject(CallLimit(max_calls=5))
    first, second = a_call(), a_call(row="+33199999999")
    subject.admit(first)
    subject.admit(second)
    subject.answer(second, "carol")
    subject.answer(first, "bob")
    subject.notify(CallHungUp(bye("carol"), b"", response(bye(), 200)))
    assert subject.limits.calls_up == {"a": 1}
    subject.notify(CallHungUp(bye("bob"), b"", response(bye(), 200)))
    assert subject.limits.calls_up == {"a": 0}


def test_without_a_limit_nothing_is_counted() -> None:
    subject = Subject()
    assert (subject.limits.handlers, subject.limits.calls_up) == ({}, {})
    assert subject.limits.exceeded("a", ROW) == ""


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["admit", "refuse", "cancel", "answer", "hang up", "later"]),
            st.integers(0, 7),
            st.sampled_from([0.0, 0.3, 40.0]),
        ),
        max_size=80,
    )
)
def test_in_any_order_of_events_the_count_is_that_of_the_calls_that_are_up(
    steps: list[tuple[str, int, float]],
) -> None:
    subject = Subject(CallLimit(max_calls=3), CallLimit(max_calls=2))
    up: dict[str, tuple[float, bool]] = {}
    for what, number, passed in steps:
        subject.clock.advance(passed)
        now = subject.clock.time()
        up = {one: state for one, state in up.items() if state[0] > now}
        call_id = str(number)
        call = a_call(call_id)
        answered = up.get(call_id, (0.0, False))[1]
        match what:
            case "admit" if call_id not in up:
                assert subject.admit(call) == (len(up) < 2)
                if len(up) < 2:
                    up[call_id] = now + 100.0, False
            case "refuse" | "cancel" if not answered:
                refused = CallRefused(call_id, "a", 480, StagingOutcome.BUSY, "", 1.0, call=call)
                ended = CallEnded(call, "", CallOutcome.CANCELLED, 487, 1.0)
                subject.notify(refused if what == "refuse" else ended)
                up.pop(call_id, None)
            case "answer" if not answered:
                subject.answer(call)
                if call_id in up:
                    up[call_id] = up[call_id][0], True
        assert subject.limits.calls_up == {"a": len(up)}
        assert len(subject.limits._by_call_id) == len(up)
