"""The keys of the seal: in a file that the settings name, or in the state directory of the unit.

A key outlives the API key, so that a new API key ends no call.  Where there is neither file, the
key is made from the API key.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import SecretStr

from sip_stager.config.errors import Finding, SettingsError
from sip_stager.config.loading.api_key import KeyUse, is_credential_of_unit
from sip_stager.config.loading.file_reading import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

STATE_FILE = "seal.key"
"""The file in the state directory (systemd.exec(5), ``StateDirectory=``)."""
MIN_KEY_LENGTH = 32
"""Characters of a key: 128 bits in hex."""
_LOCATION = "seal", "key_file"


class SealKeys(NamedTuple):
    """The keys, the newest first, and what is wrong with them."""

    keys: tuple[SecretStr, ...] = ()
    mistakes: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()


def state_file(environ: Mapping[str, str]) -> Path | None:
    """Return the key's file in the state directory, or None outside a unit that has one."""
    first = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(first, STATE_FILE) if first else None


def create_key(environ: Mapping[str, str]) -> None:
    """Create a random key in the state directory, unless there is one or there is no directory."""
    path = state_file(environ)
    if path is None or path.exists():
        return
    # It appears whole or not at all, so that a key that was cut off is never used.
    whole = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):  # then the key is made from the API key, which `check` says
        whole.touch(mode=0o600)
        whole.write_text(secrets.token_hex(32) + "\n")
        whole.rename(path)


def find_seal_keys(
    document: dict[str, Any], folder: Path, environ: Mapping[str, str], use: KeyUse
) -> SealKeys:
    """Return the keys of the file that the settings name, else that of the state directory."""
    seal = document.get("seal", {})
    name = seal.get("key_file") if isinstance(seal, dict) else None
    if isinstance(name, str):
        seal["key_file"] = folder / name
        return SealKeys() if use == "unused" else _in_file(folder / name, environ, use)
    path = state_file(environ)
    if path is None or not path.exists():
        return SealKeys()
    return _in_file(path, environ, use)


def _in_file(path: Path, environ: Mapping[str, str], use: KeyUse) -> SealKeys:
    try:
        lines = read_text(path).split()
    except SettingsError as error:
        (mistake,) = error.mistakes
        if use == "of_unit" and is_credential_of_unit(path, environ):
            wrong = f"{path} exists only in its systemd unit: the keys were not checked"
            right = "nothing to do if the unit has that LoadCredential="
            return SealKeys(warnings=(Finding(_LOCATION, wrong, right),))
        right = "write the path of a file with one key on each line, never the key itself"
        shown = path if path.exists() else "the file"  # its name may be the key itself
        return SealKeys(mistakes=(Finding(_LOCATION, f"{shown} {mistake.wrong}", right),))
    if not lines or min(map(len, lines)) < MIN_KEY_LENGTH:
        wrong = f"the file {path} has a key of less than {MIN_KEY_LENGTH} characters, or none"
        right = "write one key on each line, the newest first, each made by `openssl rand -hex 32`"
        return SealKeys(mistakes=(Finding(_LOCATION, wrong, right),))
    return SealKeys(tuple(map(SecretStr, lines)))
