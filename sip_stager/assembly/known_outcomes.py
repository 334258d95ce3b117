"""The outcomes of calls that the settings allow: their series exist in the metrics from the start.

Prometheus sees no increase in the first value of a series, so an alert would miss the first call.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from sip_stager.assembly.trunks import make_terms
from sip_stager.model.vocabulary import RefusalCause, StagingOutcome, TreatmentKind
from sip_stager.observability.call_metrics import KnownOutcomes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config import Settings
    from sip_stager.model.call import Cause, Policy

MAX_POLICIES = 100
"""Numbers with a policy of their own that are looked at; there may be a hundred thousand."""
_INVALID_STATUSES = (400, 416, 420, 440, 482, 483)
_OF_TRUNKS: tuple[Cause, ...] = (
    *(outcome for outcome in StagingOutcome if outcome not in {"staged", "cancelled"}),
    RefusalCause.OVERLOAD,
)


def known_outcomes(settings: Settings) -> KnownOutcomes:
    """Return the refusals and the treatments that calls of each trunk may get."""
    refused: set[tuple[str, str, str]] = {("", RefusalCause.UNKNOWN_SOURCE, "403")}
    refused |= {("", RefusalCause.INVALID_REQUEST, str(code)) for code in _INVALID_STATUSES}
    treated: set[tuple[str, str, str]] = set()
    for trunk, policy in _policies(settings):
        refused.add((trunk, RefusalCause.UNMAPPED_NUMBER, "404"))
        refused.add((trunk, StagingOutcome.INTERNAL_ERROR, "500"))
        if _has_call_limit(settings):
            status = policy.refusal_for(RefusalCause.CALL_LIMIT)
            refused.add((trunk, RefusalCause.CALL_LIMIT, str(status)))
        for cause in _OF_TRUNKS:
            refused.add((trunk, cause, str(policy.refusal_for(cause))))
        for cause, kind, status in _treatments(policy):
            if kind is TreatmentKind.REFUSE:
                refused.add((trunk, cause, str(status)))
            else:
                treated.add((trunk, cause, kind))
    return KnownOutcomes(frozenset(refused), frozenset(treated))


def _has_call_limit(settings: Settings) -> bool:
    """Return True if a trunk or a number limits its calls."""
    return any(
        one.max_calls or one.max_calls_per_second
        for several in (settings.trunks, settings.tables.values())
        for one in several
    )


def _policies(settings: Settings) -> Iterator[tuple[str, Policy]]:
    """Yield each trunk's name with its policies: its own, and those of numbers with one."""
    terms = make_terms(settings)
    own = (
        settings.rows[index].number
        for index, table in settings.tables.items()
        if table.policy.model_fields_set
    )
    numbers = ["", *islice(own, MAX_POLICIES)]
    for trunk in settings.trunks:
        yield from ((trunk.name, terms(trunk.name, number).policy) for number in numbers)


def _treatments(policy: Policy) -> Iterator[tuple[Cause, TreatmentKind, int]]:
    """Yield the causes of a policy with the kind and the status of each treatment."""
    every = [one for several in policy.treatments.values() for one in several]
    for cause in _OF_TRUNKS:
        # Once another agent failed as well, the rest of the list applies to any cause.
        after_agent = every if any(one.kind is TreatmentKind.AGENT for one in every) else []
        for one in (*policy.treatments.get(cause, ()), *policy.after_ringing, *after_agent):
            yield cause, one.kind, one.status or policy.refusal_for(cause)
