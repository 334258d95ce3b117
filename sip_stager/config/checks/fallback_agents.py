"""Agents that are to be staged instead of others, where that does nothing, or less than it says."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.config.checks.effective_terms import grants, of_all, rings_first
from sip_stager.config.errors import Finding, Location
from sip_stager.config.tables.policy import CAUSES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sip_stager.config.tables.numbers import Number
    from sip_stager.config.tables.policy import CallPolicy
    from sip_stager.config.tables.settings import Settings


class StandIn(NamedTuple):
    """An agent that a policy stages instead of others.

    ``answering`` are the numbers whose calls may come to it, with their agents; ``closed`` tells
    whether all of them are known: the platform's own list may have more.
    """

    place: Location
    agent: str
    answering: Mapping[str, tuple[str, ...]]
    closed: bool

    @property
    def its_own(self) -> list[str]:
        """The numbers that it answers itself: there it would stand in for itself."""
        return [number for number, agents in self.answering.items() if self.agent in agents]

    @property
    def useless(self) -> bool:
        """Whether nobody else ever answers, whom it could stand in for."""
        return self.closed and set(chain(*self.answering.values())) == {self.agent}


def of_itself(settings: Settings) -> Iterator[Finding]:
    """Name agents that could only be staged instead of themselves."""
    for one in _stand_ins(settings):
        if one.useless:
            wrong = f"stages the agent of {_few(one.its_own)} again, which has just failed"
            yield Finding(one.place, wrong, "name another agent, or none")


def half_used(settings: Settings) -> Iterator[Finding]:
    """Name agents that answer some of the calls themselves for which they shall stand in."""
    for one in _stand_ins(settings):
        if one.its_own and not one.useless:
            wrong = (
                f"has {one.agent}, which answers {_few(one.its_own)} itself: it does not stand in "
                "where it has failed, and what follows it counts"
            )
            yield Finding(one.place, wrong, "nothing to do if that is meant")


def unheard(settings: Settings) -> Iterator[Finding]:
    """Name agents for the end of the time that are never staged: ringing comes ahead of it."""
    found: dict[Location, Finding] = {}
    for grant in grants(settings):
        policy, seconds = grant.terms.policy, grant.terms.bound()
        place, late = grant.place("over_time"), policy.after_ringing
        stands_in = policy.treatments["over_time"][0].kind == "agent"
        if place and stands_in and rings_first(policy, seconds) and late[0].kind != "agent":
            wrong = (
                f'is of no use on the trunk "{grant.trunk.name}": the caller hears ringing after '
                f"{policy.ring_after:g} s, and after_ringing counts then"
            )
            right = f"write a ring_after of more than {seconds / 2:g}, or take after_ringing out"
            found.setdefault(place, Finding(place, wrong, right))
    yield from found.values()


def _stand_ins(settings: Settings) -> Iterator[StandIn]:
    wanted = list(_wanted(settings))
    agents = settings.agents if wanted else {}
    sharing: defaultdict[int, list[Number]] = defaultdict(list)
    for row in settings.numbers if wanted else ():
        sharing[id(row.policy)].append(row)
    for place, policy, key, agent in wanted:
        own = place[0] == "numbers"
        silent = (row for row in settings.numbers if getattr(row.policy, key) is None)
        rows = sharing[id(policy)] if own else silent
        answering = {row.number: agents[row.number] for row in rows}
        yield StandIn((*place, key), agent, answering, own or not settings.api.numbers_refresh)


def _wanted(settings: Settings) -> Iterator[tuple[Location, CallPolicy, str, str]]:
    for place, policy in of_all(settings):
        for key in (*CAUSES, "after_ringing"):
            for one in (getattr(policy, key) or ())[:1]:
                if one.kind == "agent":
                    yield place, policy, key, one.target


def _few(numbers: Sequence[str]) -> str:
    more = f" and {len(numbers) - 1} more" if len(numbers) > 1 else ""
    return f"{numbers[0]}{more}"
