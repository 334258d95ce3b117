"""Fallback agents that can never answer, or only for some of the calls.

A fallback agent is staged after the number's own agent failed, so it cannot stand in for itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.config.errors import Finding, Location
from sip_stager.config.tables.policy import CAUSES
from sip_stager.config.terms_by_trunk import all_policies, rings_before_timeout, trunk_terms
from sip_stager.model.vocabulary import StagingOutcome, TreatmentKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sip_stager.config.tables.numbers import MappedNumber
    from sip_stager.config.tables.policy import CallPolicy
    from sip_stager.config.tables.settings import Settings


class FallbackAgent(NamedTuple):
    """An agent that a policy stages after a failure.

    ``answering`` are the numbers that the policy applies to, with their agents; ``closed`` is False
    if the platform's own list may add more.
    """

    place: Location
    agent: str
    answering: Mapping[str, tuple[str, ...]]
    closed: bool

    @property
    def own_numbers(self) -> list[str]:
        """The numbers that this agent answers itself, and for which it is no fallback."""
        return [number for number, agents in self.answering.items() if self.agent in agents]

    @property
    def useless(self) -> bool:
        """True if no other agent ever answers, so that there is nothing to fall back from."""
        return self.closed and set(chain(*self.answering.values())) == {self.agent}


def find_self_fallbacks(settings: Settings) -> Iterator[Finding]:
    """Yield fallback agents that would only ever replace themselves."""
    for one in _fallback_agents(settings):
        if one.useless:
            wrong = f"stages the agent of {_shorten(one.own_numbers)} again, after it has failed"
            yield Finding(one.place, wrong, "write another agent, or none")


def find_partial_fallbacks(settings: Settings) -> Iterator[Finding]:
    """Yield fallback agents that answer some of the numbers themselves."""
    for one in _fallback_agents(settings):
        if one.own_numbers and not one.useless:
            wrong = (
                f"has {one.agent}, which answers {_shorten(one.own_numbers)} itself: after it has "
                "failed it is not staged again, and the next treatment applies"
            )
            yield Finding(one.place, wrong, "nothing to do if that is meant")


def find_late_fallbacks(settings: Settings) -> Iterator[Finding]:
    """Yield fallback agents for the timeout that are never staged, because ringing comes first."""
    found: dict[Location, Finding] = {}
    for entry in trunk_terms(settings):
        policy, seconds = entry.terms.policy, entry.terms.limit()
        place, late = entry.place(StagingOutcome.TIMEOUT), policy.after_ringing
        stands_in = policy.treatments[StagingOutcome.TIMEOUT][0].kind is TreatmentKind.AGENT
        if (
            place
            and stands_in
            and rings_before_timeout(policy, seconds)
            and late[0].kind is not TreatmentKind.AGENT
        ):
            wrong = (
                f'has no effect on the trunk "{entry.trunk.name}": the caller hears ringing after '
                f"{policy.ringing_delay:g} s, and after_ringing decides then"
            )
            right = f"write a ringing_delay of more than {seconds / 2:g}, or remove after_ringing"
            found.setdefault(place, Finding(place, wrong, right))
    yield from found.values()


def _fallback_agents(settings: Settings) -> Iterator[FallbackAgent]:
    wanted = list(_named_agents(settings))
    agents = settings.agents if wanted else {}
    sharing: defaultdict[int, list[MappedNumber]] = defaultdict(list)
    for row in settings.rows if wanted else ():
        sharing[id(row.table.policy)].append(row)
    for place, policy, key, agent in wanted:
        own = place[0] == "numbers"
        # A policy that is not a number's applies to the numbers without that key.
        silent = (row for row in settings.rows if getattr(row.table.policy, key) is None)
        rows = sharing[id(policy)] if own else silent
        answering = {row.number: agents[row.number] for row in rows}
        yield FallbackAgent(
            (*place, key), agent, answering, own or not settings.api.numbers_refresh_interval
        )


def _named_agents(settings: Settings) -> Iterator[tuple[Location, CallPolicy, str, str]]:
    for place, policy in all_policies(settings):
        for key in (*CAUSES, "after_ringing"):
            for one in (getattr(policy, key) or ())[:1]:
                if one.kind is TreatmentKind.AGENT:
                    yield place, policy, key, one.target


def _shorten(numbers: Sequence[str]) -> str:
    more = f" and {len(numbers) - 1} more" if len(numbers) > 1 else ""
    return f"{numbers[0]}{more}"
