"""Construction of the pages of recorded calls from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.observability.call_pages import CallPages

if TYPE_CHECKING:
    from sip_stager.config import Settings
    from sip_stager.observability.call_history import CallHistory


def make_call_pages(settings: Settings, history: CallHistory | None) -> CallPages | None:
    """Return the pages; None if no calls are recorded."""
    if history is None:
        return None
    masks = settings.log.numbers == "masked"
    return CallPages(history, settings.records.readers, masks=masks)
