"""Refusals after which a carrier, as its profile says, does not try its next route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.config.errors import Finding, Location
from sip_stager.config.tables.policy import CAUSES
from sip_stager.config.terms_by_trunk import trunk_terms
from sip_stager.model.vocabulary import TreatmentKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config.tables.settings import Settings
    from sip_stager.config.tables.trunk import Trunk
    from sip_stager.config.terms_by_trunk import TrunkTerms


def find_stuck_calls(settings: Settings) -> Iterator[Finding]:
    """Yield refusals and ringing that keep a carrier from trying its next route."""
    found: dict[tuple[Location, str], Finding] = {}
    for entry in trunk_terms(settings):
        for finding in (*_find_refusals(entry), *_find_ringing(entry)):
            found.setdefault((finding.location, finding.wrong), finding)
    yield from found.values()
    for index, trunk in enumerate(settings.trunks):
        if trunk.pass_503 and not trunk.carrier.tries_next_on(503):
            wrong, right = _explain(trunk, 503, "passes on")
            yield Finding(("trunks", index, "pass_503"), wrong, right)


def _find_refusals(entry: TrunkTerms) -> Iterator[Finding]:
    policy = entry.terms.policy
    for cause in CAUSES:
        last = policy.treatments[cause][-1]
        status = last.status or policy.refusal_for(cause)
        if last.kind is TreatmentKind.REFUSE and not entry.trunk.carrier.tries_next_on(status):
            place = entry.place(cause if last.status else "refusal")
            wrong, right = _explain(entry.trunk, status, "refuses with")
            yield Finding(place or (*entry.trunk_location, "profile"), wrong, right)


def _explain(trunk: Trunk, status: int, does: str) -> tuple[str, str]:
    wrong = (
        f'{does} {status}, after which {trunk.profile} (trunk "{trunk.name}") tries no other route'
    )
    usual = trunk.carrier.policy.refusal
    return wrong, f"write {usual} so that it tries its next route"


def _find_ringing(entry: TrunkTerms) -> Iterator[Finding]:
    """Yield ringing that comes before a refusal on which the carrier should fail over."""
    policy, trunk = entry.terms.policy, entry.trunk
    refuses = any(policy.treatments[cause][-1].kind is TreatmentKind.REFUSE for cause in CAUSES)
    if trunk.carrier.ringing_ends and entry.rings and refuses and not policy.after_ringing:
        wrong = (
            f"rings after {policy.ringing_delay:g} s, and {trunk.profile} "
            f'(trunk "{trunk.name}") tries no other route after that: a refusal then ends '
            "the call"
        )
        right = 'write after_ringing = "forward" or "redirect sip:...", or ringing = "never"'
        place = entry.place("ringing") or (*entry.trunk_location, "profile")
        yield Finding(place, wrong, right)
