"""The names of header fields, and the grammar that their values share (RFC 3261 7.3, 25.1)."""

from __future__ import annotations

import re


class Malformed(ValueError):
    """What a peer sent is not SIP; ``status`` is the answer that it deserves, if it gets one."""

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
"""Compact forms (RFC 3261 20, and the registry of header fields)."""

_COMMON = (
    "Via From To Call-ID CSeq Contact Max-Forwards Route Record-Route Content-Type Content-Length "
    "Allow Supported Require Proxy-Require User-Agent Server Accept Session-Expires Min-SE Subject "
    "P-Asserted-Identity Remote-Party-ID Privacy Diversion Date RAck RSeq Reason Expires Identity "
    "Proxy-Authorization Authorization WWW-Authenticate Proxy-Authenticate X-Rounded-Call-Id"
)

_TOKEN = re.compile(rb"[A-Za-z0-9.!%*_+`'~-]+\Z")
# Possessive, so that a long value is read in runs and once: a stranger chooses how long it is.
_LIST = re.compile(rb'(?:"(?:[^"\\]++|\\.)*+"|<[^<>]*+>|[^",<]++)++', re.DOTALL)
_PARAMETER = re.compile(
    rb'\s*;\s*([^\s;,="<>]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s;,"<>]*)\s*)?', re.DOTALL
)
_PLAIN_PARAMETERS = re.compile(rb'(?:;[^\s;,="<>]+(?:=[^\s;,="<>]*)?)*\Z')
_FOLD = re.compile(rb"\r\n[ \t]+")

MAX_VALUES = 256
"""Commas or semicolons in one value; real ones have a few, and each costs a microsecond."""

Parameters = dict[bytes, bytes | None]


def field_name(spelled: bytes) -> bytes:
    """Give the canonical name of a header field: long form, lower case.

    White space before the colon is allowed (RFC 3261 7.3.1); anything else that is no token
    raises ``Malformed``, so that no spelling slips past a comparison.
    """
    name = spelled.rstrip(b" \t")
    if not _TOKEN.match(name):
        raise Malformed("a header field without a name")
    name = name.lower()
    return COMPACT.get(name, name)


class _Names(dict[bytes, bytes]):
    """Canonical names by what stands up to the colon, the colon included."""

    def __missing__(self, spelled: bytes) -> bytes:
        if not spelled:
            raise Malformed("a header field without a colon")
        return field_name(spelled[:-1])


NAMES = _Names()
"""Looks the usual spellings up, and works the others out each time, keeping none of them."""

for _name in _COMMON.encode().split():
    NAMES[_name + b":"] = NAMES[_name.lower() + b":"] = _name.lower()
for _short, _long in COMPACT.items():
    NAMES[_short + b":"] = NAMES[_short.upper() + b":"] = _long


def unfold(value: bytes) -> bytes:
    """Give a field's value on one line, without the white space around it (RFC 3261 7.3.1)."""
    return _FOLD.sub(b" ", value).strip(b" \t")


def split_list(value: bytes) -> list[bytes]:
    """Split at the commas that stand outside of quotes and angle brackets (RFC 3261 7.3.1)."""
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
            raise Malformed("quotes or angle brackets are not balanced")
        parts.append(value[end:stop])
        end = stop + 1
    return parts


def first_list_value(value: bytes) -> bytes:
    """Give what stands ahead of the first such comma; the rest may be anything."""
    if b"," not in value:
        return value
    if value.count(b",") > MAX_VALUES:
        raise Malformed("too many values in a header field")
    match = _LIST.match(value)
    first = match[0] if match else b""
    if value[len(first) : len(first) + 1] not in {b"", b","}:
        raise Malformed("quotes or angle brackets are not balanced")
    return first


def parse_parameters(text: bytes) -> Parameters:
    """Parse ``;name=value`` pairs; names in lower case, values as they came.

    Raises ``Malformed`` when anything else stands among them.  The first of two equal names wins.
    """
    if text.count(b";") > MAX_VALUES:
        raise Malformed("too many parameters")
    if _PLAIN_PARAMETERS.match(text):
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
