"""Where a carrier that is known (``profiles.py``) would not try its next route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.config.checks.effective_terms import grants
from sip_stager.config.errors import Finding, Location
from sip_stager.config.tables.policy import CAUSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config.checks.effective_terms import Grant
    from sip_stager.config.tables.settings import Settings
    from sip_stager.config.tables.trunk import Trunk


def stuck_calls(settings: Settings) -> Iterator[Finding]:
    """Find refusals that end a call, of which its carrier knows another way."""
    found: dict[tuple[Location, str], Finding] = {}
    for grant in grants(settings):
        for finding in (*_refusals(grant), *_too_late(grant)):
            found.setdefault((finding.location, finding.wrong), finding)
    yield from found.values()
    for index, trunk in enumerate(settings.trunks):
        if trunk.pass_503 and not trunk.carrier.tries_next_on(503):
            wrong, right = _ends(trunk, 503, "passes on")
            yield Finding(("trunks", index, "pass_503"), wrong, right)


def _refusals(grant: Grant) -> Iterator[Finding]:
    policy = grant.terms.policy
    for cause in CAUSES:
        last = policy.treatments[cause][-1]
        status = last.status or policy.refusal
        if last.kind == "refuse" and not grant.trunk.carrier.tries_next_on(status):
            place = grant.place(cause if last.status else "refusal")
            wrong, right = _ends(grant.trunk, status, "refuses with")
            yield Finding(place or (*grant.stands, "profile"), wrong, right)


def _ends(trunk: Trunk, status: int, does: str) -> tuple[str, str]:
    wrong = f'{does} {status}, on which {trunk.profile} (trunk "{trunk.name}") tries no other route'
    usual = trunk.carrier.policy.refusal
    return wrong, f"write {usual} where its next route is to have the call"


def _too_late(grant: Grant) -> Iterator[Finding]:
    """Name ringing that comes ahead of a refusal which is to make the carrier fail over."""
    policy, trunk = grant.terms.policy, grant.trunk
    refuses = any(policy.treatments[cause][-1].kind == "refuse" for cause in CAUSES)
    if trunk.carrier.ringing_ends and grant.rings and refuses and not policy.after_ringing:
        wrong = (
            f"rings after {policy.ring_after:g} s, and {trunk.profile} "
            f'(trunk "{trunk.name}") tries no other route once it has heard that: a refusal then '
            "ends the call"
        )
        right = 'write after_ringing = "forward" or "redirect sip:...", or ringing = "never"'
        place = grant.place("ringing") or (*grant.stands, "profile")
        yield Finding(place, wrong, right)
