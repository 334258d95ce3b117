"""Telephone numbers with parameters, in tel and in SIP URIs (RFC 3966, RFC 4694, RFC 3261 19.1.6).

Both forms have the same parts, and the first becomes the second where a SIP URI is needed::

    tel:+33366725520;npdi;rn=+33199
    sip:+33366725520;npdi;rn=+33199@sip.example.com;user=phone

The parameters say how the call was routed so far (number portability: npdi, rn, cic) or how its
number is to be read (phone-context, ext, isub); the number itself ends at the first semicolon.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes

if TYPE_CHECKING:
    from sip_stager.sip.uri import Uri

USER_PHONE = b";user=phone"
_NUMBER = re.compile(rb"(?:\+|%2[Bb])?[0-9A-Fa-f*#().-]+\Z")
_USER = "-_.!~*'()&=+$,;?/%"
"""Characters of a user part beside letters and digits, with that of escapes (RFC 3261 25.1)."""
_FIRST = (b"ext", b"isub", b"postd")
"""The parameters ahead of the others, which are in alphabetical order (RFC 3261 19.1.6)."""


def is_telephone(uri: Uri) -> bool:
    """Return True for a tel URI, and for a SIP URI whose user is marked as a telephone number.

    The mark is ``user=phone``; without it, parameters behind a number can mean nothing else.
    """
    if uri.scheme == b"tel":
        return True
    number, semicolon, _ = (uri.user or b"").partition(b";")
    if not (semicolon or ((uri.parameters or {}).get(b"user") or b"").lower() == b"phone"):
        return False
    return _NUMBER.match(number) is not None


def telephone_user(uri: Uri) -> bytes:
    """Return the number of a telephone URI with its parameters, as the user part of a SIP URI.

    It is in lower case, since a user part is compared as it is written.
    """
    if uri.scheme != b"tel":
        return (uri.user or b"").lower()
    number, *parameters = uri.text.lower().partition(b":")[2].split(b";")
    user = b";".join([number, *sorted(parameters, key=_rank)])
    return quote_from_bytes(user, safe=_USER).encode("ascii")


def _rank(parameter: bytes) -> tuple[int, bytes]:
    name = parameter.partition(b"=")[0]
    return _FIRST.index(name) if name in _FIRST else len(_FIRST), name
