"""The settings that a reload cannot change, because they are built into what runs.

All other keys take effect with a reload.  The values of these keys stay as they were, so that the
settings in force always say what the program does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.config.tables.settings import TABLES

if TYPE_CHECKING:
    from sip_stager.config.tables.settings import Settings

_RELOADED_OF_API = {"key", "key_env", "key_file", "deadline", "anonymous_number"}
RESTART_KEYS: dict[str, frozenset[str]] = {
    "api": frozenset(TABLES["api"].model_fields.keys() - _RELOADED_OF_API),
    "sip": frozenset(TABLES["sip"].model_fields),
    "http": frozenset({"address", "port"}),
    "log": frozenset({"numbers"}),
    "records": frozenset(TABLES["records"].model_fields),
}
"""The keys that need a restart, by their table."""


def find_restart_keys(running: Settings, wanted: Settings) -> tuple[str, ...]:
    """Return the keys that need a restart and differ, each with its table: ``[http] port``."""
    return tuple(
        f"[{table}] {key}"
        for table in RESTART_KEYS
        for key in TABLES[table].model_fields
        if key in RESTART_KEYS[table]
        and getattr(getattr(running, table), key) != getattr(getattr(wanted, table), key)
    )


def keep_until_restart(running: Settings, wanted: Settings) -> Settings:
    """Return the wanted settings, with the running values of the keys that need a restart."""
    tables = {}
    for table, keys in RESTART_KEYS.items():
        kept = {key: getattr(getattr(running, table), key) for key in keys}
        tables[table] = getattr(wanted, table).model_copy(update=kept)
    return wanted.model_copy(update=tables)
