"""The text of a message for a person: secrets masked, and numbers unless they are plain.

A message is for a person who looks for the reason of something, not for a machine to read again:

- Credentials, keys of media streams and our seals are replaced.
- What identifies a caller who requested privacy is replaced in all messages of the call.
- A body that is not SDP is replaced by its size: it may hold a position or a text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sip_stager.sip.field_grammar import IDENTITY_FIELDS
from sip_stager.trunks.phone_numbers import mask

if TYPE_CHECKING:
    from sip_stager.sip.message import Request, Response

MAX_SHOWN = 4000
"""Characters of one message."""
MAX_PRIVATE = 10_000
"""Call-IDs of callers who requested privacy: their later messages do not repeat the request."""
HIDDEN = "***"
_CREDENTIALS = frozenset(
    {b"authorization", b"proxy-authorization", b"identity", b"x-twilio-calltoken"}
)
_PARTIES = IDENTITY_FIELDS | {b"from", b"to", b"contact", b"diversion"}
_TECHNICAL = frozenset(
    b"via call-id cseq max-forwards content-length content-type expires session-expires min-se "
    b"timestamp date user-agent server allow supported require rseq rack x-rounded-call-id".split()
)
"""Fields whose digits are no numbers of telephones, but for a plus sign ahead of them."""
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_USER = re.compile(r"((?:sips?|tel):)([^@;>\s]+)", re.IGNORECASE)
_SEAL = re.compile(r"(?<=sip:)([nvwNVW])[0-9a-f-]{35,71}(?=@)")
_MEDIA_KEY = re.compile(r"^(a=crypto:|a=key-mgmt:|a=ice-pwd:|k=).*", re.MULTILINE)
_ANONYMOUS = re.compile(
    rb"anonymous@|@anonymous\.invalid|sip:[vw][0-9a-f-]{35,71}@"  # From, or the mark of our seal
    rb"|proxy-require[ \t]*:.*\bprivacy\b|;[ \t]*privacy[ \t]*=[ \t\"]*(?:full|uri)\b",
    re.IGNORECASE,
)
"""Matches what shows beside Privacy that the caller of a call is anonymous."""


class MessageMask:
    """Makes the texts; it remembers the Call-IDs of callers who requested privacy."""

    def __init__(self, *, masks: bool) -> None:
        self._masks = masks
        self._private: dict[bytes, None] = {}

    def text(self, message: Request | Response) -> str:
        """Return the message as a text of at most ``MAX_SHOWN`` characters, and three dots."""
        private = self._is_private(message)
        lines = [self._uris(text_of(message.start_line), private=private)]
        lines += [
            self._field(name, text_of(field), private=private)
            for name, field in zip(message.names, message.fields, strict=True)
        ]
        shown = "\r\n".join([*lines, "", _body(message)])
        return shown if len(shown) <= MAX_SHOWN else shown[:MAX_SHOWN] + "..."

    def _is_private(self, message: Request | Response) -> bool:
        """Return True if the caller of a message's call requested privacy, now or before."""
        call_id = message.call_id
        asked = (message.value(b"privacy") or b"none").lower() != b"none"
        if asked or any(_ANONYMOUS.search(field) for field in message.fields):
            self._private[call_id] = None
            if len(self._private) > MAX_PRIVATE:
                del self._private[next(iter(self._private))]
        return call_id in self._private

    def _field(self, name: bytes, field: str, *, private: bool) -> str:
        spelled, _, value = field.partition(":")
        if name in _CREDENTIALS or (private and name in IDENTITY_FIELDS):
            return f"{spelled}: {HIDDEN}"
        if name in {b"route", b"record-route"}:
            return _SEAL.sub(rf"\1{HIDDEN}", field)
        if name in _PARTIES:
            display, bracket, uri = value.rpartition("<")  # a name may have brackets, too
            if not bracket:
                display, uri = "", value
            display = HIDDEN if private and display.strip() else self._mask(display)
            return f"{spelled}:{display}{bracket}{self._uris(uri, private=private)}"
        return self._e164(field) if name in _TECHNICAL else f"{spelled}:{self._mask(value)}"

    def _uris(self, text: str, *, private: bool) -> str:
        """Mask the user parts of the URIs in a text, or hide them."""
        if private:
            return _USER.sub(rf"\1{HIDDEN}", text)
        return _USER.sub(lambda user: user[1] + self._mask(user[2]), text)

    def _e164(self, text: str) -> str:
        return _E164.sub(lambda number: mask(number[0]), text) if self._masks else text

    def _mask(self, text: str) -> str:
        return mask(text) if self._masks else text


def text_of(data: bytes) -> str:
    """Return bytes of a peer as a text."""
    return data.decode("utf-8", "backslashreplace")


def _body(message: Request | Response) -> str:
    if not message.body:
        return ""
    kind = (message.value(b"content-type") or b"").lower()
    if kind.partition(b";")[0].strip() == b"application/sdp":
        return _MEDIA_KEY.sub(rf"\1{HIDDEN}", text_of(message.body))
    return f"({len(message.body)} bytes that are not SDP)"
