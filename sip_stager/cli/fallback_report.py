"""What callers get when their call cannot be staged, as lines of text."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rich.text import Text

from sip_stager.assembly.trunks import make_terms
from sip_stager.config.tables.api import Api
from sip_stager.config.tables.policy import CAUSES, merge_policies
from sip_stager.config.terms_by_trunk import rings_before_timeout, rings_within
from sip_stager.model.call import REFUSE, SERVICE_CAUSES
from sip_stager.model.vocabulary import RefusalCause, StagingOutcome, TreatmentKind
from sip_stager.sip.responses import RETRY_AFTER_STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config import Settings
    from sip_stager.model.call import Cause, Policy, Treatment

_REST = "all others"
_BREAKER = StagingOutcome.BREAKER_OPEN
_MAX_ROWS = 50


def describe_failures(settings: Settings, *, every: bool) -> Iterator[Text]:
    """Yield the fallbacks by trunk, number and cause, one per line, so that they can be searched.

    Numbers without a policy of their own share a row. Fallbacks that are as by default are left
    out, unless ``every`` line is wanted.
    """
    default = dict(describe_fallbacks(merge_policies(), Api.model_fields["deadline"].default))
    yield Text("When a call is not staged", style="bold")
    if not every:
        yield Text(
            f"By default: {default[CAUSES[0]]} ({_BREAKER}, overload: {default[_BREAKER]}); "
            f"rings: {default['rings']}."
        )
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
        yield cause, _written(policy, cause) + early
    # A refusal of these concerns every call: its status and Retry-After differ from those above.
    yield _BREAKER, _written(policy, _BREAKER)
    yield "overload", _with_status(policy, RefusalCause.OVERLOAD, REFUSE)
    if may_ring and rings_within(policy, seconds):
        yield "after ringing", _after_ringing(policy)
    yield "rings", _ringing(policy, seconds, may_ring=may_ring)


def _rows(settings: Settings) -> Iterator[tuple[str, str]]:
    own = [row.number for row in settings.rows if row.table.policy.model_fields_set][:_MAX_ROWS]
    for trunk in settings.trunks:
        for number in own:
            yield trunk.name, number
        yield trunk.name, _REST


def _written(policy: Policy, cause: Cause) -> str:
    """Return the treatments for a cause."""
    treatments = policy.treatments.get(cause, ())
    return ", then ".join(_with_status(policy, cause, one) for one in treatments or (REFUSE,))


def _with_status(policy: Policy, cause: Cause, treatment: Treatment) -> str:
    """Return a treatment; a refusal has its status, and says whether it has Retry-After."""
    if treatment.kind is not TreatmentKind.REFUSE:
        return str(treatment)
    coded = replace(treatment, status=treatment.status or policy.refusal_for(cause))
    later = cause in SERVICE_CAUSES and coded.status in RETRY_AFTER_STATUSES
    return f"{coded} with Retry-After" if later else str(coded)


def _after_ringing(policy: Policy) -> str:
    if not policy.after_ringing:
        return "same as above"
    timeout = StagingOutcome.TIMEOUT
    return ", then ".join(_with_status(policy, timeout, one) for one in policy.after_ringing)


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
