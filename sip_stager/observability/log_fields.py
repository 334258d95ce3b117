"""The fields that log lines share: phone numbers masked, texts truncated."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from sip_stager.trunks.phone_numbers import mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.model.call import Call

MAX_CHARACTERS = 1000  # of one text in a line

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class LogFields:
    """Makes fields of values; phone numbers are masked unless ``numbers`` is ``plain``.

    Nothing is cached: callers differ, and masking a number costs less than a cache miss.
    """

    def __init__(self, numbers: Literal["masked", "plain"]) -> None:
        self._masks = numbers == "masked"
        self._mask: Callable[[str], str] = mask if self._masks else str
        self._number: Callable[[str], str] = _masked_number if self._masks else truncated

    def text(self, text: str) -> str:
        """Return a text that a stranger may have written, masked and truncated."""
        return self._mask(truncated(text))

    def call_id(self, call_id: str) -> str:
        """Return a Call-ID in which only E.164 numbers are masked.

        A carrier finds its record by the Call-ID, so the rest stays as it came.
        """
        if "+" not in call_id and len(call_id) <= MAX_CHARACTERS:
            return call_id
        text = truncated(call_id)
        return _E164.sub(lambda match: mask(match[0]), text) if self._masks else text

    def call(self, call: Call) -> dict[str, Any]:
        """Return the fields that each line about a call has."""
        return {
            "call_id": self.call_id(call.call_id),
            "trunk": call.trunk,
            "from_number": self._number(call.from_number),
            "to_number": self._number(call.to_number),
            "agent_id": call.agent_id,
        }


def _masked_number(number: str) -> str:
    if _E164.fullmatch(number):  # as ``mask`` does, which looks for numbers in a text
        return f"{number[:4]}{'*' * (len(number) - 6)}{number[-2:]}"
    return mask(truncated(number))


def truncated(text: str) -> str:
    """Return the first ``MAX_CHARACTERS`` of a text."""
    return text if len(text) <= MAX_CHARACTERS else text[:MAX_CHARACTERS] + "..."


def status_field(http_status: int) -> dict[str, int]:
    """Return the field ``http_status``; no field for 0, which means that there was no response."""
    return {"http_status": http_status} if http_status else {}
