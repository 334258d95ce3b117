"""The best of the final responses that a call's targets gave (RFC 3261 16.7 steps 6 and 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sip_stager.model.vocabulary import CallOutcome
    from sip_stager.sip.message import Response

_HELPFUL = frozenset({401, 407, 415, 420, 484})
_OF_NO_HELP = frozenset({408, 487, 503})
"""What silence and our own CANCEL bring, and what is not to be passed back."""
_CHALLENGES = (b"www-authenticate", b"proxy-authenticate")


class Final(NamedTuple):
    """A final response with no Via of ours, and a word for what it means to the call."""

    response: Response
    outcome: CallOutcome


def best_of(finals: list[Final], *, cancelled: bool) -> Final:
    """Choose the one to pass back: 6xx, else the lowest class, in it what helps the caller most.

    That is the 487 for one that has ``cancelled``.  Challenges of all that ask for credentials are
    gathered into it.
    """
    wanted = {487} if cancelled else _HELPFUL

    def rank(final: Final) -> tuple[bool, int, bool, bool]:
        status = final.response.status
        return status < 600, status // 100, status not in wanted, status in _OF_NO_HELP

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
