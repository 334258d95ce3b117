"""The fields that log lines share: phone numbers masked and hashed, texts truncated."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from sip_stager.trunks.phone_numbers import mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.model.call import Call

MAX_CHARACTERS = 1000  # of one text in a line

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class LogFields:
    """Makes fields of values; phone numbers are masked unless ``numbers`` is ``plain``.

    Numbers are not cached: callers differ, and masking one costs less than a cache miss.
    ``hash_number`` makes the hash beside each number, by which its calls are found.
    """

    def __init__(
        self, numbers: Literal["masked", "plain"], hash_number: Callable[[str], str]
    ) -> None:
        self._masks = numbers == "masked"
        self._mask: Callable[[str], str] = mask if self._masks else str
        self._number: Callable[[str], str] = _masked_number if self._masks else truncated
        self._hash = self.hash_of = hash_number

    def text(self, text: str) -> str:
        """Return a text that a stranger may have written, masked and truncated."""
        return self._mask(truncated(text))

    def words(self, value: bytes) -> str:
        """Return a header field's value or a reason phrase as a text."""
        return self.text(value[: 2 * MAX_CHARACTERS].decode("utf-8", "backslashreplace"))

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
        from_number, to_number = call.from_number, call.to_number
        return {
            "call_id": self.call_id(call.call_id),
            "trunk": call.trunk,
            "from_number": self._number(from_number),
            "from_hash": self._hash(from_number),
            "to_number": self._number(to_number),
            "to_hash": self._hash(to_number),
            "agent_id": call.agent_id,
        }

    def unadmitted(
        self, call_id: str, trunk: str, from_number: str, to_number: str
    ) -> dict[str, Any]:
        """Return the fields of a call that was not admitted; empty numbers are left out."""
        fields: dict[str, Any] = {"call_id": self.call_id(call_id), "trunk": trunk}
        for side, number in (("from", from_number), ("to", to_number)):
            if number:
                fields[f"{side}_number"] = self._number(number)
                fields[f"{side}_hash"] = self._hash(number)
        return fields


flow_text = lru_cache(4096)(str)
"""Return a flow as a text; a proxy has few peers."""


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
