"""Whether a staging that failed is tried again; pure.

A second staging is a second call, with an agent who waits for nobody.  So only what the API has
surely not taken up is tried again, unless the operator says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from sip_stager.model.call import MIN_STAGING_TIME
from sip_stager.platform.outcome import ApiUnreachable, Failure, Refused, TimedOut


def fits(wait: float, left: float) -> bool:
    """Tell whether there is time for a staging after a wait, both in seconds."""
    return wait + MIN_STAGING_TIME <= left


def spread(wait: float, left: float, chance: float) -> float:
    """Lengthen a wait by up to a half, by ``chance`` (0 to 1), as far as it still fits.

    Many calls are told the same at the same moment, and would all come back at the same one.
    """
    return wait + chance * min(wait / 2, left - MIN_STAGING_TIME - wait)


@dataclass(frozen=True, slots=True)
class Retries:
    """How often (``limit``) and after how many seconds (``delay``) a staging is tried again.

    An API that has too much to do is asked again only when it says: else each of its refusals
    would bring it two requests more.  ``ambiguous``: also where the API may have staged the call,
    and only its answer is missing.
    """

    limit: int = 2
    delay: float = 0.2
    ambiguous: bool = False

    def next_delay(
        self, failure: Failure, attempts: int, left: float, chance: float, reset: float = 0.0
    ) -> float | None:
        """Give the seconds to wait before the next attempt, None to give up.

        ``attempts`` were made, and ``left`` seconds remain until the call's deadline; ``chance``
        is as in ``spread``.  ``reset`` is in how many seconds the API's rate limit ends, 0 where
        it has not said.
        """
        told = failure.retry_after if isinstance(failure, Refused) else None
        wait = max(self.delay, told or 0, reset)
        said = told is not None or reset > 0
        if attempts > self.limit or not self._repeatable(failure, said=said):
            return None
        return spread(wait, left, chance) if fits(wait, left) else None

    def _repeatable(self, failure: Failure, *, said: bool) -> bool:
        """Tell whether it may be tried again; ``said``: the API has told when."""
        match failure:
            case ApiUnreachable(sent=False):
                return True
            case Refused(http_status=429 | 503) if said:
                return True
            case ApiUnreachable() | TimedOut() | Refused(http_status=500 | 502 | 503 | 504):
                return self.ambiguous
        return False
