"""The API key, which is in the environment or in a file and never in the settings."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import SecretStr

from sip_stager.config.errors import Finding, SettingsError
from sip_stager.config.loading.file_reading import read_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sip_stager.config.errors import Location

KeyUse = Literal["needed", "of_unit", "unused"]
"""Whether the API key must be found.

- ``needed``: yes, or the settings cannot be used.
- ``of_unit``: only if this user can read it.  A credential of a systemd unit is below
  ``/run/credentials``, and exists in the unit alone.
- ``unused``: it is not looked for.
"""
CREDENTIALS = Path("/run/credentials")
_VISIBLE = re.compile(r"[!-~]+")
DEFAULT_VARIABLE = "ROUNDED_API_KEY"
_MISPLACED = {"key", "api_key", "apikey", "api-key", "token"}


def explain_misplaced_key(location: Location) -> tuple[str, str] | None:
    """Return what is wrong with a key that holds the API key itself, and what would be right."""
    if location[:-1] not in {(), ("api",)} or str(location[-1]).lower() not in _MISPLACED:
        return None
    right = f"put it into ${DEFAULT_VARIABLE} or a key_file, and replace this key"
    return "the API key must not be in this file", right


def is_credential_of_unit(path: Path, environ: Mapping[str, str]) -> bool:
    """Return True if a file is a credential of a systemd unit, and this program runs outside it."""
    inside = "CREDENTIALS_DIRECTORY" in environ  # systemd.exec(5)
    return not inside and Path(os.path.normpath(path)).is_relative_to(CREDENTIALS)


def explain_unread_credential(path: Path) -> Finding:
    """Return the warning of a key that was not checked, since it exists in its unit alone."""
    wrong = f"{path} exists only in its systemd unit: the key was not checked"
    right = "nothing to do if the unit has that LoadCredential=; --without-key omits this warning"
    return Finding(("api", "key_file"), wrong, right)


def find_key(
    api: dict[str, Any], folder: Path, environ: Mapping[str, str]
) -> SecretStr | Finding | None:
    """Return the API key, or what is wrong with the place that should hold it.

    None means that the name of the place is itself a mistake, which its own check reports.
    """
    file, variable = api.get("key_file"), api.get("key_env", DEFAULT_VARIABLE)
    if isinstance(file, str):
        return _in_file(folder / file, folder)
    if file is None and isinstance(variable, str):
        return _in_environment(variable, environ)
    return None


def read_key_file(path: Path) -> SecretStr | Finding:
    """Return the API key in a file, or what is wrong with it."""
    return _in_file(path, path.parent)


def _in_environment(variable: str, environ: Mapping[str, str]) -> SecretStr | Finding | None:
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", variable):
        return None
    if variable not in environ:
        wrong = f"the environment variable {variable} is not set"
        return Finding(("api", "key_env"), wrong, "put the API key into it, or set key_file")
    return _checked(
        environ[variable], ("api", "key_env"), f"in the environment variable {variable}"
    )


def _in_file(path: Path, folder: Path) -> SecretStr | Finding:
    try:
        text = read_text(path)
    except SettingsError as error:
        (mistake,) = error.mistakes
        if os.path.exists(path):  # noqa: PTH110 (Path.exists raises on a name that is too long)
            return Finding(("api", "key_file"), f"{path} {mistake.wrong}", mistake.right)
        # It may be the key itself, so no message shows it.
        right = (
            "write the path of the file that holds the API key, never the key itself; a relative "
            f"one begins in this folder: {folder.absolute()}"
        )
        if isinstance(error.__context__, PermissionError):
            right = mistake.right  # it names the closed folder, which exists
        return Finding(("api", "key_file"), f"the file {mistake.wrong}", right)
    return _checked(text, ("api", "key_file"), f"in the file {path}")


def _checked(text: str, location: tuple[str, str], where: str) -> SecretStr | Finding:
    key = text.strip()
    if not key:
        return Finding(location, f"there is no API key {where}", "put the API key there")
    if not _VISIBLE.fullmatch(key):
        wrong = f"the text {where} is not an API key: it has blanks or unusual characters"
        return Finding(location, wrong, "put the API key there, alone on one line")
    return SecretStr(key)


def is_readable_by_others(path: Path) -> bool:
    """Return True if other users of this machine can read a file."""
    status = path.stat()
    # A file of another user, such as a secret of Kubernetes that belongs to root, is read through
    # its group, so the group may read it.
    ours = status.st_uid == os.geteuid()
    return bool(status.st_mode & (stat.S_IROTH | (stat.S_IRGRP if ours else 0)))
