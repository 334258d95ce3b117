"""A keyed hash of telephone numbers: whoever has the API key finds a number's calls in the log.

Without the key the hash says nothing: there are few enough numbers that a plain hash of each could
be compared.  The key is made from the API key for this purpose alone, so that the log and its
readers learn nothing about that either.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HASH_BYTES = 8
"""The size of a hash; in the log it is written in hex."""
_PURPOSE = b"log-numbers"


def number_hash(secret: str) -> Callable[[str], str]:
    """Return the function that hashes numbers with a key made from the API key."""
    key = blake2b(secret.encode(), digest_size=32, person=_PURPOSE).digest()

    @lru_cache(maxsize=4096)  # the called numbers are few
    def hash_number(number: str) -> str:
        data = number.encode("utf-8", "backslashreplace")
        return blake2b(data, digest_size=HASH_BYTES, key=key).hexdigest()

    return hash_number
