"""No staged id is used by two calls, past its time to live, or lost: claims and proxy together."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from sip_stager.events import CallEnded, StagingWasted
from sip_stager.model.call import MAX_STAGED_ID_AGE
from sip_stager.sip.message import Request, Response
from sip_stager.sip.parser import parse
from sip_stager.staging.claims import Claims
from tests.support.conversation import BOB, CAROL, Conversation
from tests.support.messages import request, response

PEERS = {BOB.host: BOB, CAROL.host: CAROL}
ANSWERS = (100, 180, 200, 302, 401, 407, 407, 480, 486, 503, 603)
FEW = st.sampled_from([0, 0, 0, 1, 2])
CALLS = st.lists(  # one call after another, so that what one leaves is there for the next
    st.tuples(
        st.sampled_from(["calls", "places", "places", "places"]),
        st.lists(
            st.one_of(
                st.tuples(st.sampled_from(["cancels", "staged", "fails", "unreachable"]), FEW),
                st.tuples(st.just("answers"), st.sampled_from(ANSWERS)),
                st.tuples(st.just("answers"), st.sampled_from(ANSWERS)),
                st.tuples(st.just("waits"), st.sampled_from([0, 1, 3, 20, 33, 44, 46, 61])),
            ),
            max_size=6,
        ),
    ),
    min_size=1,
    max_size=8,
)


TTLS = st.sampled_from([30.0, 45.0, MAX_STAGED_ID_AGE])


class World:
    """One caller who calls again and again, two upstreams, and which call has which id."""

    def __init__(self, ttl: float) -> None:
        self.ttl = ttl
        self.edge = Conversation(backups=(f"sip:{CAROL.host}",), stager_over=self._make_claims)
        self.fake = self.edge.stager
        self.invites: list[bytes] = []
        self.staged_at: dict[bytes, float] = {}
        self.may_use: defaultdict[bytes, dict[bytes, bytes]] = defaultdict(dict)
        self.seen = 0

    def _make_claims(self, edge: Conversation) -> Claims:
        notify = edge.events.append
        self.claims = Claims(edge.stager, edge.clock, notify, self.ttl, finish=True)
        return self.claims

    def calls(self, _: int) -> None:
        """Send the INVITE of a new call."""
        number = len(self.invites)
        invite = bytes(request(branch=f"z9hG4bK-{number}"))
        self.invites.append(invite.replace(b"call-1@", b"call-%d@" % number))
        self.edge.receive(self.invites[-1])

    def places(self, _: int) -> None:
        """Send an INVITE, and finish its staging at once."""
        self.calls(0)
        self.staged(0)
        self.waits(0)

    def cancels(self, which: int) -> None:
        """Send a CANCEL for one of the last calls."""
        for invite in self.invites[-1 - which :][:1]:
            self.edge.receive(invite.replace(b"INVITE", b"CANCEL"))

    def staged(self, which: int) -> None:
        """Finish a staging with success."""
        under_way = [staging for staging in self.fake.stagings if not staging.over]
        for staging in under_way[which : which + 1]:
            staged_id = f"id-{len(self.staged_at)}"
            self.staged_at[staged_id.encode()] = self.edge.clock.time()
            staging.succeed(staged_id)

    def fails(self, which: int) -> None:
        """Finish a staging with a failure."""
        under_way = [staging for staging in self.fake.stagings if not staging.over]
        for staging in under_way[which : which + 1]:
            staging.fail()

    def unreachable(self, which: int) -> None:
        """Make none, one or both of the upstreams unreachable from now on."""
        self.edge.transport.failing = set(list(PEERS)[:which])

    def answers(self, status: int) -> None:
        """Answer the last INVITE of an upstream."""
        for data, flow in reversed(self.edge.transport.sent):
            message = parse(data)
            if isinstance(message, Request) and message.method == b"INVITE":
                self.edge.receive(response(message, status), PEERS[flow.host])
                if status in {401, 407}:
                    self.may_use[message.value(b"x-rounded-call-id") or b""].pop(message.branch, 0)
                return

    def is_asked_for_credentials(self) -> None:
        """Send an INVITE whose id stays unused, since both upstreams challenge it."""
        self.places(0)
        for _ in PEERS:
            self.answers(407)
        assert self.claims.reserved == 1

    def waits(self, seconds: int) -> None:
        """Advance the clock in small steps, and check the requests that were sent after each."""
        for _ in range(seconds * 4 + 1):
            self.edge.clock.advance(0.25)
            self.look()

    def look(self) -> None:
        """Assert that each id goes to one call at a time, within its time to live."""
        for data, _ in self.edge.transport.sent[self.seen :]:
            message = parse(data)
            if isinstance(message, Response) or message.method != b"INVITE":
                continue
            staged_id = message.value(b"x-rounded-call-id")
            if staged_id is None:
                continue
            users = self.may_use[staged_id]
            repeated = message.branch in users
            assert set(users.values()) <= {message.call_id}, "an id in two calls"
            age = self.edge.clock.time() - self.staged_at[staged_id]
            assert repeated or age <= MAX_STAGED_ID_AGE + 0.25, "an id past its time to live"
            users[message.branch] = message.call_id
        self.seen = len(self.edge.transport.sent)
        self.sum_up()

    def sum_up(self) -> None:
        """Assert that each id is answered, wasted, reserved, or in a call that is not over."""
        ended = self.edge.of(CallEnded)
        answered = [one.staged_id for one in ended if one.outcome == "answered" and one.staged_id]
        over = answered + [one.staged_id for one in self.edge.of(StagingWasted)]
        assert len(over) == len(set(over)), "an id that came to two ends"
        servers = self.edge.layer.invite_servers.values()
        calls = sum(server.owner is not None for server in servers)
        assert 0 <= len(self.staged_at) - len(over) - self.claims.reserved <= calls, "an id is lost"

    def ends(self) -> None:
        """End all stagings and calls."""
        for _ in self.invites:
            self.fails(0)
        self.edge.clock.advance(600)  # timer C for each upstream, and its CANCEL
        assert not any(server.owner for server in self.edge.layer.invite_servers.values())
        self.sum_up()
        assert not self.claims.reserved


@given(CALLS, TTLS)
@settings(max_examples=500)
def test_an_id_is_used_by_one_call_within_its_time_to_live_and_its_end_is_reported_once(
    calls: list[tuple[str, list[tuple[str, int]]]], ttl: float
) -> None:
    world = World(ttl)
    for begins, steps in calls:
        for name, argument in ((begins, 0), *steps):
            getattr(world, name)(argument)
            world.look()
    world.ends()
    for kind in {type(one).__name__ for one in world.edge.events}:
        event(kind)


@pytest.mark.parametrize("ttl", [45.0, MAX_STAGED_ID_AGE])
def test_a_call_claimed_at_the_end_of_its_time_to_live_is_sent(ttl: float) -> None:
    """Timers may be late, and so may the hand-over to the claiming call."""
    world = World(ttl)
    world.is_asked_for_credentials()
    clock = world.edge.clock
    clock.now = world.staged_at[b"id-0"] + ttl
    world.calls(0)
    clock.now += 1
    clock.advance(0)
    assert world.edge.last_request("bob").value(b"x-rounded-call-id") == b"id-0"


def test_a_call_past_its_time_to_live_is_not_claimed_even_if_its_timer_is_late() -> None:
    world = World(ttl=45.0)
    world.is_asked_for_credentials()
    world.edge.clock.now = world.staged_at[b"id-0"] + 45.01
    world.calls(0)
    assert [one.staged_id for one in world.edge.of(StagingWasted)] == ["id-0"]
    assert len(world.fake.stagings) == 2
