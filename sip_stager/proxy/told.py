"""What a peer is told of a refusal: its kind, and the time; the reasons are for the log."""

from __future__ import annotations

from sip_stager.sip.responses import warning

_OF_THE_CALL = {
    "unknown_source": "this address belongs to no trunk",
    "unmapped_number": "no agent is mapped to the called number",
    "overload": "too many calls",
    "stopping": "the proxy is being stopped",
}


def told(cause: str, seconds: float) -> tuple[bytes, bytes]:
    """Make the Warning (RFC 3261 20.43) of a call that was refused after so many seconds.

    All other causes are those of staging, whose words may name the API, or settings.
    """
    words = _OF_THE_CALL.get(cause) or f"the agent could not be staged, {seconds:.1f} s"
    return warning(f"{cause}: {words}")
