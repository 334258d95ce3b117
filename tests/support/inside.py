"""The words that no peer may see: names of settings, and the address of the API."""

from __future__ import annotations

from sip_stager.config.tables.policy import CAUSES
from sip_stager.config.tables.settings import INNER_TABLES, TABLES

NAMES = frozenset(
    name
    for table in (*TABLES.values(), *INNER_TABLES.values())
    for name in table.model_fields
    if "_" in name and name not in CAUSES  # others are plain words, and a cause is in the Warning
)
_WAY = "api.", "/v1", "stage?", "http://", "https://"


def assert_nothing_internal(message: bytes, *others: str) -> None:
    """Assert that a message to a peer holds no internal word, nor any of the ``others``."""
    text = message.decode(errors="replace").lower()
    assert [each for each in (*NAMES, *_WAY, *others) if each.lower() in text] == []
