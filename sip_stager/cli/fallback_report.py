"""What callers get when their call cannot be staged, as lines of text."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rich.text import Text

from sip_stager.assembly.trunks import make_terms
from sip_stager.config.tables.api import Api
from sip_stager.config.tables.policy import CAUSES, merge_policies
from sip_stager.config.terms_by_trunk import rings_before_timeout, rings_within
from sip_stager.model.vocabulary import StagingOutcome, TreatmentKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config import Settings
    from sip_stager.model.call import Policy, Treatment

_REST = "all others"
_MAX_ROWS = 50


def describe_failures(settings: Settings, *, every: bool) -> Iterator[Text]:
    """Yield the fallbacks by trunk, number and cause, one per line, so that they can be searched.

    Numbers without a policy of their own share a row. Fallbacks that are as by default are left
    out, unless ``every`` line is wanted.
    """
    default = dict(describe_fallbacks(merge_policies(), Api.model_fields["deadline"].default))
    yield Text("When a call is not staged", style="bold")
    if not every:
        yield Text(f"By default: {default[CAUSES[0]]} for every cause; rings: {default['rings']}.")
    terms_of = make_terms(settings)
    rows = list(_rows(settings))
    trunks, numbers = (max(map(len, column)) for column in zip(*rows, strict=True))
    shown = False
    for trunk, number in rows:
        terms = terms_of(trunk, number)
        for what, text in describe_fallbacks(terms.policy, terms.limit()):
            if every or default.get(what) != text:
                shown = True
                yield Text(f"{trunk:<{trunks}}  {number:<{numbers}}  {what}: {text}")
    if not shown:
        yield Text("No trunk or number differs.")


def describe_fallbacks(
    policy: Policy, seconds: float, *, may_ring: bool = True
) -> Iterator[tuple[str, str]]:
    """Yield what a call gets by the cause of its failure, and when it rings.

    ``seconds`` is how long it may be staged; ``may_ring`` is False if its INVITE forbids ringing.
    """
    for cause in CAUSES:
        late = (
            cause is StagingOutcome.TIMEOUT and may_ring and rings_before_timeout(policy, seconds)
        )
        early = " (before ringing only)" if late else ""
        yield cause, _written(policy, policy.treatments.get(cause, ())) + early
    if may_ring and rings_within(policy, seconds):
        after = _written(policy, policy.after_ringing) if policy.after_ringing else "same as above"
        yield "after ringing", after
    yield "rings", _ringing(policy, seconds, may_ring=may_ring)


def _rows(settings: Settings) -> Iterator[tuple[str, str]]:
    own = [row.number for row in settings.rows if row.table.policy.model_fields_set][:_MAX_ROWS]
    for trunk in settings.trunks:
        for number in own:
            yield trunk.name, number
        yield trunk.name, _REST


def _written(policy: Policy, treatments: tuple[Treatment, ...]) -> str:
    coded = [
        replace(one, status=policy.refusal)
        if one.kind is TreatmentKind.REFUSE and not one.status
        else one
        for one in treatments
    ]
    return ", then ".join(map(str, coded)) or f"refuse {policy.refusal}"


def _ringing(policy: Policy, seconds: float, *, may_ring: bool) -> str:
    """Return the ringing that is sent while a call is staged, or the reason for none."""
    if not policy.ringing:
        return "never"
    if not may_ring:
        return "never (the INVITE requires 100rel)"
    if not rings_within(policy, seconds):
        delay = f"ringing_delay is {policy.ringing_delay:g} s"
        return f"never ({delay}, and staging may take {seconds:g} s)"
    return f"{policy.ringing} after {policy.ringing_delay:g} s"
