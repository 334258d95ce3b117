"""The decision whether a failed staging is tried again; pure.

A second staging is a second call at the platform, with an agent that waits for nobody.  So only a
request that the API has surely not taken up is sent again, unless the operator allows more.
"""

from __future__ import annotations

from dataclasses import dataclass

from sip_stager.model.call import MIN_STAGING_TIME
from sip_stager.platform.outcome import ApiUnreachable, Failure, Refused, TimedOut


def fits(delay: float, left: float) -> bool:
    """Return True if a staging fits into the time that is left after a delay, in seconds."""
    return delay + MIN_STAGING_TIME <= left


def spread(delay: float, left: float, chance: float) -> float:
    """Lengthen a delay by up to a half, by ``chance`` (0 to 1), as far as it still fits."""
    # Many calls get the same Retry-After at the same moment: without jitter all would come back
    # at the same moment, too.  Never shortened, since the API asked for that delay at least.
    return delay + chance * min(delay / 2, left - MIN_STAGING_TIME - delay)


@dataclass(frozen=True, slots=True)
class Retries:
    """The rules for retries: at most ``limit`` of them, each after ``delay`` seconds or more.

    With ``ambiguous``, a request is also sent again if the API may have staged the call and only
    its answer is missing.
    """

    limit: int = 2
    delay: float = 0.2
    ambiguous: bool = False

    def next_delay(
        self, failure: Failure, attempts: int, left: float, chance: float, reset: float = 0.0
    ) -> float | None:
        """Return the seconds to wait before the next attempt, None to make no other.

        ``attempts`` were made, and ``left`` seconds remain until the call's deadline; ``chance``
        is as in ``spread``.  ``reset`` is in how many seconds the API's rate limit ends, 0 if the
        API has not said so.
        """
        retry_after = failure.retry_after if isinstance(failure, Refused) else None
        delay = max(self.delay, retry_after or 0, reset)
        told_when = retry_after is not None or reset > 0
        if attempts > self.limit or not self._repeatable(failure, told_when=told_when):
            return None
        return spread(delay, left, chance) if fits(delay, left) else None

    def _repeatable(self, failure: Failure, *, told_when: bool) -> bool:
        """Return True if a retry is allowed; ``told_when``: the API has said when to come back."""
        match failure:
            case ApiUnreachable(sent=False):  # no connection: the API never saw the request
                return True
            # An overloaded API is asked again only when it says: else each of its refusals would
            # bring it further requests.
            case Refused(http_status=429 | 503) if told_when:
                return True
            # The request may have been taken up, and only its answer lost.
            case ApiUnreachable() | TimedOut() | Refused(http_status=500 | 502 | 503 | 504):
                return self.ambiguous
        return False
