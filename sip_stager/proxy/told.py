"""What a peer is told of a refusal: its kind, and the time; the reasons are for the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.model.vocabulary import RefusalCause
from sip_stager.sip.responses import warning_field

if TYPE_CHECKING:
    from sip_stager.model.call import Cause

_OF_THE_CALL: dict[Cause, str] = {
    RefusalCause.UNKNOWN_SOURCE: "this address belongs to no trunk",
    RefusalCause.UNMAPPED_NUMBER: "no agent is mapped to the called number",
    RefusalCause.OVERLOAD: "too many calls",
    RefusalCause.STOPPED: "the proxy is being stopped",
}


def told(cause: Cause, seconds: float) -> tuple[bytes, bytes]:
    """Make the Warning (RFC 3261 20.43) of a call that was refused after so many seconds.

    All other causes are those of staging, whose words may name the API, or settings.
    """
    words = _OF_THE_CALL.get(cause) or f"the agent could not be staged, {seconds:.1f} s"
    return warning_field(f"{cause}: {words}")
