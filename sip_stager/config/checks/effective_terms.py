"""What calls are granted, and which setting has the word on each part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sip_stager.config.tables.policy import CAUSES, CallPolicy, granted
from sip_stager.sip.uri import Uri, parse_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config.errors import Location
    from sip_stager.config.tables.settings import Settings
    from sip_stager.config.tables.trunk import Trunk
    from sip_stager.model.call import Policy
    from sip_stager.trunks.budget import Terms

_Placed = tuple["Location", CallPolicy]


class Grant(NamedTuple):
    """What the calls of a trunk to some numbers are granted.

    ``stands`` is the place of the trunk; ``words`` are the policies that hold, the nearest first,
    each with its place.
    """

    stands: Location
    trunk: Trunk
    words: tuple[_Placed, ...]
    terms: Terms

    @property
    def rings(self) -> bool:
        """Whether a caller can hear our ringing before the staging ends."""
        policy = self.terms.policy
        return policy.ringing > 0 and policy.ring_after < self.terms.bound()

    def place(self, key: str) -> Location | None:
        """Give the place of the word that counts for a key, None where nobody has one."""
        places = (place for place, policy in self.words if getattr(policy, key) is not None)
        found = next(places, None)
        return found if found is None or found[-1] == "profile" else (*found, key)


def rings_in(policy: Policy, seconds: float) -> bool:
    """Whether the caller hears us ring within so many seconds of staging; at their end, too."""
    return policy.ringing > 0 and policy.ring_after <= seconds


def rings_first(policy: Policy, seconds: float) -> bool:
    """Whether the caller hears us ring before the time is over, and ``after_ringing`` counts then.

    ``seconds`` is what staging may take in all; where another agent follows, it is halved.  Of
    both at once ringing is the first.
    """
    kind = policy.treatments["over_time"][0].kind
    over = seconds / 2 if kind == "agent" else seconds
    return rings_in(policy, over) and bool(policy.after_ringing)


def grants(settings: Settings) -> Iterator[Grant]:
    """Give what each trunk's calls are granted: to numbers with a policy of their own, and to all.

    Of numbers that share a policy the first stands for all of them.
    """
    everybody: _Placed = ("policy",), settings.policy
    numbers = tuple(of_numbers(settings))
    for index, trunk in enumerate(settings.trunks):
        place: Location = ("trunks", index)
        behind: tuple[_Placed, ...] = (
            ((*place, "policy"), trunk.policy),
            ((*place, "profile"), trunk.carrier.policy),
            everybody,
        )
        for own in ((), *((number,) for number in numbers)):
            words = *own, *behind
            policies = (policy for _, policy in words)
            terms = granted(policies, settings.api.deadline, trunk.no_ringback_timeout)
            yield Grant(place, trunk, words, terms)


def of_numbers(settings: Settings) -> Iterator[_Placed]:
    """Give the policies of the numbers, each once with its place: rows of a CSV share theirs."""
    seen: set[int] = set()
    for index, row in enumerate(settings.numbers):
        if row.policy.model_fields_set and id(row.policy) not in seen:
            seen.add(id(row.policy))
            yield ("numbers", index, "policy"), row.policy


def of_all(settings: Settings) -> Iterator[_Placed]:
    """Give all policies that stand in the file, each with its place."""
    yield ("policy",), settings.policy
    for index, trunk in enumerate(settings.trunks):
        yield ("trunks", index, "policy"), trunk.policy
    yield from of_numbers(settings)


def targets(settings: Settings, kind: str) -> Iterator[tuple[Location, Uri]]:
    """Give the URIs of the policies' treatments of a kind, each with its place."""
    for place, policy in of_all(settings):
        for key in (*CAUSES, "after_ringing"):
            for treatment in getattr(policy, key) or ():
                if treatment.kind == kind:
                    yield (*place, key), parse_uri(treatment.target.encode())
