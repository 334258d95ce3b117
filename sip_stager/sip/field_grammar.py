"""Header field names, and the grammar that header field values share (RFC 3261 7.3, 25.1)."""

from __future__ import annotations

import re


class Malformed(ValueError):
    """An error of the peer: the message is not valid SIP.

    ``status`` is the response to it, if it gets one.  The text goes to the peer in a Warning and
    to the log.
    """

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


COMPACT = {
    b"a": b"accept-contact",
    b"b": b"referred-by",
    b"c": b"content-type",
    b"d": b"request-disposition",
    b"e": b"content-encoding",
    b"f": b"from",
    b"i": b"call-id",
    b"j": b"reject-contact",
    b"k": b"supported",
    b"l": b"content-length",
    b"m": b"contact",
    b"n": b"identity-info",
    b"o": b"event",
    b"r": b"refer-to",
    b"s": b"subject",
    b"t": b"to",
    b"u": b"allow-events",
    b"v": b"via",
    b"x": b"session-expires",
    b"y": b"identity",
}
"""Compact forms (RFC 3261 20 and the IANA registry of SIP header fields)."""

_COMMON = (
    "Via From To Call-ID CSeq Contact Max-Forwards Route Record-Route Content-Type Content-Length "
    "Allow Supported Require Proxy-Require User-Agent Server Accept Session-Expires Min-SE Subject "
    "P-Asserted-Identity Remote-Party-ID Privacy Diversion Date RAck RSeq Reason Expires Identity "
    "Proxy-Authorization Authorization WWW-Authenticate Proxy-Authenticate X-Rounded-Call-Id"
)

_TOKEN = re.compile(rb"[A-Za-z0-9.!%*_+`'~-]+\Z")
# Possessive quantifiers: no backtracking over a long value, whose length a stranger chooses.
_LIST = re.compile(rb'(?:"(?:[^"\\]++|\\.)*+"|<[^<>]*+>|[^",<]++)++', re.DOTALL)
_PARAMETER = re.compile(
    rb'\s*;\s*([^\s;,="<>]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s;,"<>]*)\s*)?', re.DOTALL
)
_PLAIN_PARAMETERS = re.compile(rb'(?:;[^\s;,="<>]+(?:=[^\s;,="<>]*)?)*\Z')
_FOLD = re.compile(rb"\r\n[ \t]+")

MAX_VALUES = 256
"""Limit on commas or semicolons in one value: each costs a microsecond, real values have a few."""

Parameters = dict[bytes, bytes | None]


def field_name(spelled: bytes) -> bytes:
    """Return the canonical name of a header field: long form, lower case.

    White space before the colon is allowed (RFC 3261 7.3.1).  Any other spelling that is not a
    token raises ``Malformed``, so that none slips past a comparison of names.
    """
    name = spelled.rstrip(b" \t")
    if not _TOKEN.match(name):
        raise Malformed("a header field has no name, or one that is not a token")
    name = name.lower()
    return COMPACT.get(name, name)


IDENTITY_FIELDS = frozenset(
    b"additional-identity call-info history-info identity identity-info in-reply-to organization "
    b"p-asserted-identity p-associated-uri p-charge-info p-dcs-billing-info p-preferred-identity "
    b"p-served-user referred-by remote-party-id reply-to".split()
)
"""The fields that identify a party, beside From and Contact.

They are those of RFC 3323 4.1 and RFC 3325, and those that carriers use instead.  STIR's Identity
holds the number, too (RFC 8225 5.2.1).
"""

UNREADABLE = b""
"""The name of a line without a valid one: no colon, or no token before it.  It is forwarded."""
_NOT_TOKEN = re.compile(rb"[^A-Za-z0-9.!%*_+`'~-]+")
OURS = b"x-rounded-call-id"
"""The name of the field that holds the staged id; one of a peer's is never forwarded."""


class _Names(dict[bytes, bytes]):
    """Canonical names by the name as spelled, with its colon.

    An invalid line does not make a message invalid (RFC 3261 16.3), so no line raises.
    """

    def __missing__(self, spelled: bytes) -> bytes:
        name = spelled[:-1].rstrip(b" \t")
        if spelled.endswith(b":") and _TOKEN.match(name):
            name = name.lower()
            return COMPACT.get(name, name)
        # A peer that skips invalid bytes must not read a staged id that a caller wrote.
        plain = _NOT_TOKEN.sub(b"", spelled).lower()
        return OURS if plain.startswith(OURS) else UNREADABLE


NAMES = _Names()
"""A table of the usual spellings; any other is computed and not stored.

The table never grows, since strangers choose the spellings.
"""

for _name in _COMMON.encode().split():
    NAMES[_name + b":"] = NAMES[_name.lower() + b":"] = _name.lower()
for _short, _long in COMPACT.items():
    NAMES[_short + b":"] = NAMES[_short.upper() + b":"] = _long

_ODD_NAME = rb"^(?![a-z0-9.!%*_+`'~-]++[ \t]*+:$)"
_ODD = rb"[^a-z0-9.!%*_+`'~\n-]*+"
_LIKE_OURS = re.compile(
    _ODD_NAME
    + _ODD
    + _ODD.join(re.escape(OURS[i : i + 1]) for i in range(len(OURS)))
    + rb"[^\n]*+",
    re.MULTILINE,
)
_UNREADABLE_NAME = re.compile(_ODD_NAME + rb"[^\n]++", re.MULTILINE)


def canonical_names(spelled: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return what ``NAMES`` has for each name, folded ones included.

    Strangers choose the names, so none of them costs a step of its own.
    """
    if not spelled:
        return ()
    text = b"\n".join(spelled).replace(b"\r\n", b"\0").lower()
    text = _UNREADABLE_NAME.sub(b"", _LIKE_OURS.sub(OURS + b":", text))
    names = text.translate(None, b" \t:").split(b"\n")
    return tuple(map(COMPACT.get, names, names))


def unfold(value: bytes) -> bytes:
    """Return a value on one line, without surrounding white space (RFC 3261 7.3.1)."""
    return _FOLD.sub(b" ", value).strip(b" \t")


def split_list(value: bytes) -> list[bytes]:
    """Split a value at commas outside of quotes and angle brackets (RFC 3261 7.3.1)."""
    if b"," not in value:
        return [value]
    if value.count(b",") > MAX_VALUES:
        raise Malformed("too many values in a header field")
    parts = []
    end = 0
    while end <= len(value):
        match = _LIST.match(value, end)
        stop = match.end() if match else end
        if stop < len(value) and value[stop] != 0x2C:
            raise Malformed("unbalanced quotes or angle brackets")
        parts.append(value[end:stop])
        end = stop + 1
    return parts


def first_list_value(value: bytes) -> bytes:
    """Return the value up to the first such comma; the rest is not checked."""
    if b"," not in value:
        return value
    if value.count(b",") > MAX_VALUES:
        raise Malformed("too many values in a header field")
    match = _LIST.match(value)
    first = match[0] if match else b""
    if value[len(first) : len(first) + 1] not in {b"", b","}:
        raise Malformed("unbalanced quotes or angle brackets")
    return first


def parse_parameters(text: bytes) -> Parameters:
    """Parse ``;name=value`` pairs into lower-case names and values as received.

    Raises ``Malformed`` for anything else.  The first of two equal names wins.
    """
    if text.count(b";") > MAX_VALUES:
        raise Malformed("too many parameters")
    if _PLAIN_PARAMETERS.match(text):  # nearly all: splitting them is faster than matching each
        plain: Parameters = {}
        for part in text.split(b";")[1:]:
            name, equals, value = part.partition(b"=")
            plain.setdefault(name.lower(), value if equals else None)
        return plain
    return _spaced_or_quoted(text)


def _spaced_or_quoted(text: bytes) -> Parameters:
    found: Parameters = {}
    end = 0
    while end < len(text):
        match = _PARAMETER.match(text, end)
        if match is None:
            if text[end:].strip(b" \t"):
                raise Malformed("parameters are not of the form ;name=value")
            break
        found.setdefault(match[1].lower(), match[2])
        end = match.end()
    return found
