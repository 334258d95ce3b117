"""The choice of the best response of a response context (RFC 3261 16.7 steps 6 and 7)."""

from __future__ import annotations

from typing import NamedTuple

from sip_stager.model.vocabulary import CallOutcome
from sip_stager.sip.message import Response

_PREFERRED = frozenset({401, 407, 415, 420, 484})
"""Responses that say how to repeat the request with success (16.7 step 6)."""
_AVOIDED = frozenset({408, 487, 503})
"""The statuses of silence and of our own CANCEL, and 503, which is not passed back."""
_CHALLENGES = (b"www-authenticate", b"proxy-authenticate")


class Final(NamedTuple):
    """A final response without our Via, and the outcome of the call that it stands for."""

    response: Response
    outcome: CallOutcome


def best_response(finals: list[Final], *, cancelled: bool) -> Final:
    """Return the response to pass back: a 6xx, else one of the lowest class.

    Within a class the preferred statuses go first, 487 for a call that was ``cancelled``.  A 401 or
    407 gets the challenges of all others, so that the caller can answer them at once (step 7).
    """
    wanted = {487} if cancelled else _PREFERRED

    def rank(final: Final) -> tuple[bool, int, bool, bool]:
        status = final.response.status
        # The smallest wins, and False is smaller than True.
        return status < 600, status // 100, status not in wanted, status in _AVOIDED

    best = min(finals, key=rank)
    if best.response.status not in {401, 407}:
        return best
    others = [final.response for final in finals if final.response is not best.response]
    return best._replace(response=_with_challenges(best.response, others))


def _with_challenges(best: Response, others: list[Response]) -> Response:
    for other in others:
        if other.status in {401, 407}:
            for name, field in zip(other.names, other.fields, strict=True):
                if name in _CHALLENGES:
                    best = best.with_last(name, field)
    return best
