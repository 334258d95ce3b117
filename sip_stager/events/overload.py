"""Events of the overload control."""

from __future__ import annotations

from dataclasses import dataclass

from sip_stager.model.vocabulary import OverloadState


@dataclass(frozen=True, slots=True)
class OverloadChanged:
    """The overload control changed its ``state``.

    ``delay`` is the longest age of a datagram in a socket within the last minute, in seconds, and
    ``calls_per_second`` the average of the admitted calls.  At the end of overload, ``refused`` is
    the number of calls refused since its beginning ``seconds`` ago; at the beginning both are 0.
    """

    state: OverloadState
    delay: float
    calls_per_second: float
    refused: int
    seconds: float
