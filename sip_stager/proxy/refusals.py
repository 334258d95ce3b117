"""The Warnings that explain a refusal: cause and time only; details are for the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.model.vocabulary import CallOutcome, RefusalCause
from sip_stager.sip.responses import warning_field

if TYPE_CHECKING:
    from sip_stager.model.call import Cause

_WORDS: dict[Cause, str] = {
    RefusalCause.UNMAPPED_NUMBER: "no agent is mapped to the called number",
    RefusalCause.PRIVACY: "the required privacy cannot be performed",
    RefusalCause.OVERLOAD: "too many calls",
    RefusalCause.STOPPED: "the proxy is being stopped",
}

WARNINGS = {
    CallOutcome.UPSTREAM_UNREACHABLE: "upstream_unreachable: no upstream can be reached",
    CallOutcome.STOPPED: "stopped: the proxy is being stopped",
}
"""The words for outcomes of a forwarded call that no target decided."""


def refusal_warning(cause: Cause, seconds: float) -> tuple[bytes, bytes]:
    """Return the Warning field (RFC 3261 20.43) of a call that was refused after so many seconds.

    All causes without words of their own are failures of staging: their texts could reveal the
    API or the settings, so the peer gets the same words for each.
    """
    words = _WORDS.get(cause) or f"the agent could not be staged, {seconds:.1f} s"
    return warning_field(f"{cause}: {words}")
