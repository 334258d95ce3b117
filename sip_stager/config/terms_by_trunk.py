"""The terms of each trunk's calls, with the setting that decides each part of them.

A key is taken from the first policy that has it, of those of the number, the trunk, the trunk's
profile, and ``[policy]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sip_stager.config.errors import Location
from sip_stager.config.tables.policy import CAUSES, CallPolicy, combine_terms
from sip_stager.config.tables.trunk import Trunk
from sip_stager.model.vocabulary import StagingOutcome, TreatmentKind
from sip_stager.sip.uri import Uri, parse_uri
from sip_stager.trunks.budget import Terms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config.tables.settings import Settings
    from sip_stager.model.call import Policy

_Placed = tuple["Location", CallPolicy]


class TrunkTerms(NamedTuple):
    """The terms of a trunk's calls to some numbers.

    ``policies`` are those that apply, the most specific first, each with its location.
    """

    trunk_location: Location
    trunk: Trunk
    policies: tuple[_Placed, ...]
    terms: Terms

    @property
    def rings(self) -> bool:
        """True if a caller can hear our ringing before staging ends."""
        policy = self.terms.policy
        return policy.ringing > 0 and policy.ringing_delay < self.terms.limit()

    def place(self, key: str) -> Location | None:
        """Return the location of the setting that decides a key; None if the default does."""
        places = (place for place, policy in self.policies if getattr(policy, key) is not None)
        found = next(places, None)
        return found if found is None or found[-1] == "profile" else (*found, key)


def rings_within(policy: Policy, seconds: float) -> bool:
    """Return True if the caller hears ringing within so many seconds of staging."""
    return policy.ringing > 0 and policy.ringing_delay <= seconds


def rings_before_timeout(policy: Policy, seconds: float) -> bool:
    """Return True if ringing comes before the timeout, which ``after_ringing`` then decides.

    ``seconds`` is the time for the whole staging; half of it if another agent follows, which gets
    the rest. At the same instant, ringing comes first.
    """
    kind = policy.treatments[StagingOutcome.TIMEOUT][0].kind
    # The agent of the number gets half of the time, and the fallback agent the rest.
    over = seconds / 2 if kind is TreatmentKind.AGENT else seconds
    return rings_within(policy, over) and bool(policy.after_ringing)


def trunk_terms(settings: Settings) -> Iterator[TrunkTerms]:
    """Yield the terms of each trunk's calls, by number with a policy of its own and for all others.

    Numbers that share a policy are represented by the first of them.
    """
    general: _Placed = ("policy",), settings.policy
    numbers = tuple(number_policies(settings))
    for index, trunk in enumerate(settings.trunks):
        place: Location = ("trunks", index)
        inherited: tuple[_Placed, ...] = (
            ((*place, "policy"), trunk.policy),
            ((*place, "profile"), trunk.carrier.policy),
            general,
        )
        for own in ((), *((number,) for number in numbers)):
            policies = *own, *inherited
            terms = combine_terms(
                (policy for _, policy in policies), settings.api.deadline, trunk.ringback_timeout
            )
            yield TrunkTerms(place, trunk, policies, terms)


def number_policies(settings: Settings) -> Iterator[_Placed]:
    """Yield each distinct policy of the numbers with its location; rows of a CSV share policies."""
    seen: set[int] = set()
    for index, table in settings.tables.items():
        # Rows of a CSV with the same cells share one policy object.
        if table.policy.model_fields_set and id(table.policy) not in seen:
            seen.add(id(table.policy))
            yield ("numbers", index, "policy"), table.policy


def all_policies(settings: Settings) -> Iterator[_Placed]:
    """Yield each policy of the file with its location."""
    yield ("policy",), settings.policy
    for index, trunk in enumerate(settings.trunks):
        yield ("trunks", index, "policy"), trunk.policy
    yield from number_policies(settings)


def treatment_uris(settings: Settings, kind: TreatmentKind) -> Iterator[tuple[Location, Uri]]:
    """Yield the URIs of one kind of treatment in all policies, each with its location."""
    for place, policy in all_policies(settings):
        for key in (*CAUSES, "after_ringing"):
            for treatment in getattr(policy, key) or ():
                if treatment.kind is kind:
                    yield (*place, key), parse_uri(treatment.target.encode())
