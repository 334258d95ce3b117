"""A whole call in which both sides, the network and staging act at random.

``tests/support/watch.py`` has the rules that must hold at any time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from sip_stager.proxy.bounds import Bounds
from tests.support.agents import Dialog, UserAgent
from tests.support.conversation import ALICE, ALICE_TCP, BOB, Conversation
from tests.support.ended_calls import EndedCalls
from tests.support.network import Fate, Network
from tests.support.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request, Response

T = TypeVar("T")

CAROL = BOB._replace(host="192.0.2.3")
NEXT_AFTER = 2.0
BOB_TCP = ALICE_TCP._replace(host="192.0.2.2", port=5060, connection=0)
FATES = st.sampled_from(["arrives", "arrives", "arrives", "arrives", "twice", "late", "lost"])
WHO = st.sampled_from(["alice", "bob", "bob", "carol"])
PICK = st.integers(0, 5)
SMUGGLED = ("x-rounded-CALL-ID : stolen", "X-Rounded-Call-Id: stolen")
EXTRAS = st.sampled_from([(), (), SMUGGLED])


class WholeCall(RuleBasedStateMachine):
    """Alice calls, bob is called; what either does may be untimely, but is well written.

    After each step, seen from the wire:

    RFC 3261 17: no store holds an ended one; all are empty ten minutes after the last event.

    RFC 3261 16.6: nothing goes upstream before staging succeeded, after a final response or after
    a CANCEL; there is one staging per transaction, and no X-Rounded-Call-Id but ours.

    RFC 3261 9.1, 16.10: a CANCEL goes on only after a provisional response and before the final
    one, with the INVITE's Via, URI, CSeq and To.

    RFC 3261 9.2: a CANCEL gets 200 or 481, and its To tag is that of our 487.

    RFC 3261 16.7 steps 4 and 5: 100 is never forwarded; each other provisional response and each
    2xx goes back once.

    RFC 3261 16.7 step 6, RFC 6026 7.1: the best final response goes back once; after it no
    provisional response follows, and no final one but 2xx.

    RFC 3261 16.7 step 3: a response carries exactly the Vias that the requester sent.

    RFC 3261 17.1.1.3: every 3xx to 6xx of an INVITE is acknowledged, a 2xx never by us.

    RFC 3261 17.1.1.2: an INVITE that was answered, or that went over TCP, is not retransmitted.

    RFC 4320 4.1, 4.2: no provisional response but 100 and no 408 goes to a non-INVITE request.

    RFC 3261 16.4, 16.11: a request with a dialog's Route, and the ACK of a 2xx, goes on.

    And in the end the log has exactly one last line of each call.
    """

    @initialize(
        alice=st.sampled_from([ALICE, ALICE_TCP]),
        bob=st.sampled_from([BOB, BOB_TCP]),
        serial=st.booleans(),
        room=st.sampled_from([100, 1]),
        statuses=st.sampled_from([None, (), (100,), (180,), (200,), (183, 200)]),
    )
    def connect(
        self,
        alice: Flow,
        bob: Flow,
        serial: bool,  # noqa: FBT001  hypothesis gives it
        room: int,
        statuses: tuple[int, ...] | None,
    ) -> None:
        """Start without a call, or with one that bob has answered so far; carol is the next
        target.
        """
        flows = {"alice": alice, "bob": bob, "carol": CAROL}
        self.agents = {name: UserAgent(name, flow) for name, flow in flows.items()}
        upstream = f"sip:192.0.2.2:5060;transport={bob.transport.lower()}"
        backups = ("sip:192.0.2.3:5060",) if serial else ()
        edge = Conversation(upstream, backups=backups, bounds=Bounds(calls_staging=room))
        self.ended_calls = EndedCalls(edge)
        watch = Watch(edge, NEXT_AFTER if serial else None)
        self.network = Network(edge, watch, self.agents.values())
        if statuses is not None:
            self._send("alice", self.agents["alice"].invite())
            self.network.succeed(self.network.staging[0])
            for status in statuses:
                invite = self.agents["bob"].received[0]
                self._send("bob", self.agents["bob"].answer(invite, status, "one"))

    # The actions of the agents.

    @rule(smuggled=EXTRAS, via=st.sampled_from(["", ";rport"]), fate=FATES)
    def call(self, smuggled: tuple[str, ...], via: str, fate: Fate) -> None:
        self._send("alice", self.agents["alice"].invite(smuggled, via), fate)

    @precondition(lambda self: self._any(invites))
    @rule(pick=PICK, fate=FATES)
    def fork(self, pick: int, fate: Fate) -> None:
        """Send an INVITE by a second path."""
        alice = self.agents["alice"]
        if alice.sent:
            self._send("alice", alice.fork(newest(invites(alice), pick)), fate)

    @precondition(lambda self: self._any(invites))
    @rule(who=WHO, pick=PICK, fate=FATES)
    def cancel(self, who: str, pick: int, fate: Fate) -> None:
        """Cancel, in time or not."""
        agent, invite = self._one(invites, who, pick)
        self._send(agent.name, agent.cancel(invite), fate)

    @precondition(lambda self: self._any(finals))
    @rule(who=WHO, pick=PICK, fate=FATES)
    def acknowledge(self, who: str, pick: int, fate: Fate) -> None:
        """ACK a final response, perhaps again."""
        agent, answered = self._one(finals, who, pick)
        self._send(agent.name, agent.acknowledge(*answered), fate)

    @precondition(lambda self: self._any(sent))
    @rule(who=WHO, pick=PICK, fate=FATES)
    def repeat_request(self, who: str, pick: int, fate: Fate) -> None:
        agent, request = self._one(sent, who, pick)
        self._send(agent.name, request, fate)

    @precondition(lambda self: self._any(dialogs))
    @rule(
        who=WHO,
        pick=PICK,
        method=st.sampled_from(["BYE", "INVITE", "UPDATE", "PRACK", "INFO"]),
        smuggled=EXTRAS,
        fate=FATES,
    )
    def ask_in_dialog(
        self, who: str, pick: int, method: str, smuggled: tuple[str, ...], fate: Fate
    ) -> None:
        agent, dialog = self._one(dialogs, who, pick)
        self._send(agent.name, agent.ask(method, dialog, extra=smuggled), fate)

    @precondition(lambda self: self._any(open_requests))
    @rule(
        who=WHO,
        pick=PICK,
        status=st.sampled_from([100, 180, 183, 200, 202, 302, 404, 407, 486, 487, 503, 600]),
        tag=st.sampled_from(["one", "two"]),
        fate=FATES,
    )
    def answer(self, who: str, pick: int, status: int, tag: str, fate: Fate) -> None:
        """Answer a request, perhaps more than once and with contradicting responses."""
        agent, request = self._one(open_requests, who, pick)
        self._send(agent.name, agent.answer(request, status, tag), fate)

    # The world.

    @precondition(lambda self: self.network.staging)
    @rule(pick=PICK, well=st.sampled_from([True, True, True, False]))
    def end_staging(self, pick: int, well: bool) -> None:  # noqa: FBT001  hypothesis gives it
        staging = newest(self.network.staging, pick)
        (self.network.succeed if well else self.network.fail)(staging)

    @precondition(lambda self: self.network.late)
    @rule(pick=PICK)
    def arrive_late(self, pick: int) -> None:
        late = self.network.late
        message, source = late.pop(pick % len(late))
        self.network.to_proxy(message, source)

    @rule(who=WHO, many=st.integers(1, 3), told=st.booleans())
    def lose(self, who: str, many: int, told: bool) -> None:  # noqa: FBT001  hypothesis gives it
        """Lose the next datagrams to a host; ICMP may report it to the transport."""
        counts = self.network.refusing if told else self.network.losing
        counts[self.agents[who].flow.host] = many

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.5, 0.5, 1.0, 1.0, 4.0, 5.0, 32.0, 180.0]))
    def wait(self, seconds: float) -> None:
        self.network.advance(seconds)

    @invariant()
    def no_store_holds_what_has_ended(self) -> None:
        self.network.watch.stores()

    def teardown(self) -> None:
        """Assert that ten minutes later nothing is left, whether the network has healed or died."""
        network = self.network
        if len(network.late) % 2:
            self._heal()
        network.advance(600)
        edge = network.edge
        assert edge.alive == 0
        assert edge.clock.waiting == 0
        assert not edge.new_calls.ongoing
        assert not network.staging
        assert not network.watch.unanswered()
        assert "internal_error" not in edge.dropped
        self.ended_calls.check()

    def _heal(self) -> None:
        """Deliver everything; each agent answers and acknowledges all open requests."""
        network = self.network
        network.refusing.clear()
        network.losing.clear()
        for message, source in network.late:
            network.to_proxy(message, source)
        for who, agent in self.agents.items():
            for request in open_requests(agent):
                self._send(who, agent.answer(request, 200, "one"))
        for who, agent in self.agents.items():
            for answered in finals(agent):
                self._send(who, agent.acknowledge(*answered))

    def _send(self, who: str, message: Request | Response, fate: Fate = "arrives") -> None:
        self.network.to_proxy(message, self.agents[who].flow, fate)

    def _any(self, things: Callable[[UserAgent], Sequence[T]]) -> bool:
        return any(things(agent) for agent in self.agents.values())

    def _one(
        self, things: Callable[[UserAgent], Sequence[T]], who: str, pick: int
    ) -> tuple[UserAgent, T]:
        """Return one of an agent's items, or the default if it has none."""
        agent = self.agents[who]
        if not things(agent):
            agent = next(other for other in self.agents.values() if things(other))
        return agent, newest(things(agent), pick)


def newest(things: Sequence[T], pick: int) -> T:
    """Return one of the newest."""
    return things[-1 - pick % len(things)]


def sent(agent: UserAgent) -> list[Request]:
    return agent.sent


def invites(agent: UserAgent) -> list[Request]:
    return [request for request in agent.sent if request.method == b"INVITE"]


def dialogs(agent: UserAgent) -> list[Dialog]:
    return list(agent.dialogs.values())


def open_requests(agent: UserAgent) -> list[Request]:
    return [request for request in agent.received if request.method != b"ACK"]


def finals(agent: UserAgent) -> list[tuple[Request, Response]]:
    """Return the final responses to an agent's INVITEs."""
    return [
        (request, response)
        for request, response in agent.answered
        if request.method == b"INVITE" and response.status >= 200
    ]


TestWholeCall = WholeCall.TestCase
TestWholeCall.settings = settings(
    max_examples=300,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow],
)
