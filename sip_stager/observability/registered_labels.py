"""Methods and status codes as labels: those registered with the IANA, and one for all others.

A label for each word that a stranger makes up would be a series for each.
"""

from __future__ import annotations


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
