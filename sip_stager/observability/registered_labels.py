"""Methods and status codes as labels: those registered with the IANA, and one for all others.

A label for each word that a stranger makes up would be a series for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.message import Request

if TYPE_CHECKING:
    from sip_stager.sip.message import Response


class _CodeLabels(dict[int, str]):
    def __missing__(self, status: int) -> str:
        return f"{status // 100}xx"


OTHER = "other"
"""The label of all methods that are not registered."""
METHOD_LABELS = {
    word.encode(): word
    for word in (
        *("ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK"),
        *("PUBLISH", "REFER", "REGISTER", "SUBSCRIBE", "UPDATE"),
    )
}
CODE_LABELS = _CodeLabels(
    (number, str(number))
    for number in (
        *(100, 180, 181, 182, 183, 199, 200, 202, 204, 300, 301, 302, 305, 380),
        *(400, 401, 402, 403, 404, 405, 406, 407, 408, 410, 412, 413, 414, 415, 416, 417),
        *(420, 421, 422, 423, 424, 425, 428, 429, 430, 433, 436, 437, 438, 439, 440, 469, 470),
        *(480, 481, 482, 483, 484, 485, 486, 487, 488, 489, 491, 493, 494),
        *(500, 501, 502, 503, 504, 505, 513, 555, 580, 600, 603, 604, 606, 607, 608),
    )
)


def method_label(message: Request | Response) -> str:
    """Return the method of a message's transaction, or ``other`` if it is not registered."""
    try:
        method = message.method if isinstance(message, Request) else message.cseq[1]
    except Malformed:  # a response of ours repeats the CSeq of a request that may have none
        return OTHER
    return METHOD_LABELS.get(method, OTHER)


code_label = CODE_LABELS.__getitem__
"""Return a response's code, or its class (``4xx``) if it is not registered."""
