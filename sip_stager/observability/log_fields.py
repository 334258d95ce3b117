"""What a line says of a call: no number that is to be masked, and no text without an end."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from sip_stager.trunks.phone_numbers import mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.model.call import Call

MOST_CHARACTERS = 1000
"""Of any one text in a line."""

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class LogFields:
    """Shortens texts, and masks telephone numbers unless they are to be ``plain``."""

    def __init__(self, numbers: Literal["masked", "plain"]) -> None:
        self._hides = numbers == "masked"
        self._hidden: Callable[[str], str] = mask if self._hides else str
        self._number = lru_cache(4096)(self.text)

    def text(self, text: str) -> str:
        """Give a text that a stranger may have written."""
        return self._hidden(short(text))

    def call_id(self, call_id: str) -> str:
        """Give a Call-ID; it finds a carrier's record, so only E.164 numbers in it are masked."""
        text = short(call_id)
        return _E164.sub(lambda match: mask(match[0]), text) if self._hides else text

    def call(self, call: Call) -> dict[str, Any]:
        """Give what each line of a call has."""
        return {
            "call_id": self.call_id(call.call_id),
            "trunk": call.trunk,
            "from_number": self._number(call.from_number),
            "to_number": self._number(call.to_number),
            "agent_id": call.agent_id,
        }


def short(text: str) -> str:
    """Cut a long text."""
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "..."


def status_field(http_status: int) -> dict[str, int]:
    """Give the HTTP status to a line, which has none where nothing was answered."""
    return {"http_status": http_status} if http_status else {}
