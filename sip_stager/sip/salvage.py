"""What can still be read of a message that cannot be parsed (RFC 3261 8.1.1, 8.2.6).

A peer that gets no response repeats its request for 32 seconds, and its operator has nothing to
search for.  So the fields that a response copies are looked for wherever a line begins, by any
reader's idea of a line, and all else is left aside::

    any bytes -- the first line, and the lines of Via, From, To, Call-ID, CSeq --> Request

Nothing of this is forwarded.
"""

from __future__ import annotations

import re
from itertools import islice

from sip_stager.sip.field_grammar import COMPACT, MAX_VALUES
from sip_stager.sip.framing import header_of
from sip_stager.sip.message import MAX_CALL_ID_TEXT, Request
from sip_stager.sip.shape import CANONICAL

_COPIED = re.compile(
    rb"[\r\n](via|v|from|f|to|t|call-id|i|cseq)[ \t]*+:"
    rb"([^\r\n]*+(?:(?:\r\n|\r|\n)[ \t]++[^\r\n]*+)*)",
    re.IGNORECASE,
).finditer
_CALL_ID = re.compile(rb"[\r\n](?:call-id|i)[ \t]*+:[ \t]*+([^\r\n]++)", re.IGNORECASE).search
_FOLD = re.compile(rb"[\r\n]++[ \t]++")
_START_LINE = re.compile(rb"[ \t]*+(([^ \t\r\n]++)[^\r\n]*+)").match
_OF_RESPONSE = b"SIP/"


def salvage_request(data: bytes) -> Request | None:
    """Return a request with the fields that a response copies; it may lack any of them.

    Return None if the message may be a response: none is sent to a response.
    """
    header = header_of(data)
    match = _START_LINE(header)
    if match is None or _OF_RESPONSE in match[2].upper():
        return None
    start_line, method = match.groups()
    names, fields = [], []
    for found in islice(_COPIED(header), MAX_VALUES):
        spelled, value = found.groups()
        name = spelled.lower()
        names.append(COMPACT.get(name, name))
        fields.append(spelled + b":" + _FOLD.sub(b" ", value))
    return Request(start_line, method, b"", CANONICAL.make(tuple(names)), fields)


def salvage_call_id(data: bytes) -> str:
    """Return the Call-ID of any message for the log: in ASCII, cut to its limit, or empty."""
    match = _CALL_ID(header_of(data))
    return match[1].rstrip()[:MAX_CALL_ID_TEXT].decode("ascii", "backslashreplace") if match else ""
