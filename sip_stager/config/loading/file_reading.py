"""Reading of the files that settings come from; every failure is a mistake."""

from __future__ import annotations

import errno
import os
import re
import tomllib
from pwd import getpwuid
from typing import TYPE_CHECKING, Any

from sip_stager.config.errors import Mistake, SettingsError
from sip_stager.config.loading.toml_errors import explain_syntax_error

if TYPE_CHECKING:
    from pathlib import Path

_AT_LINE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


def read_text(path: Path) -> str:
    """Return the text of a file; raises SettingsError if it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError([_unreadable(path, error)]) from None
    except ValueError:
        raise SettingsError([Mistake(path, 0, "", "is not a valid file name", "")]) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        wrong = f"is not UTF-8 (byte 0x{data[error.start]:02x})"
        raise SettingsError([Mistake(path, line, "", wrong, "save the file as UTF-8")]) from None


def _unreadable(path: Path, error: OSError) -> Mistake:
    match error.errno:
        case errno.EACCES:
            right = _how_to_open(path)
        case errno.ENOENT | errno.ENOTDIR:
            right = "write the path of a file that exists; a relative one begins in this folder: "
            right += str(path.absolute().parent)
        case errno.EISDIR:
            right = "write the path of the file in it"
        case _:
            right = "write the path of a file that this user can read"
    return Mistake(path, 0, "", f"cannot be read: {os.strerror(error.errno or 0)}", right)


def _how_to_open(path: Path) -> str:
    """Return the file or folder that this user may not open, its owner, and the remedy."""
    path = path.absolute()
    # The first folder that is closed to this user is to blame, not what is in it.
    for each in (*reversed(path.parents), path):
        is_file = each == path
        if not os.access(each, os.R_OK if is_file else os.X_OK):
            status, right = each.stat(), "read" if is_file else "enter"
            owner, mode = _user(status.st_uid), f"{status.st_mode & 0o7777:03o}"
            return (
                f"let the user {_user(os.geteuid())} {right} {each}, which belongs to {owner} "
                f"(mode {mode}), or run as a user that may: see chown and chmod"
            )
    return f"let the user {_user(os.geteuid())} read it"


def _user(number: int) -> str:
    """Return the name of a user, or its number if it has no name, as in many containers."""
    try:
        return getpwuid(number).pw_name
    except KeyError:
        return str(number)


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the text of a TOML file and its parsed content; raises SettingsError."""
    text = read_text(path)
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _AT_LINE.search(str(error))
        line = int(place[1]) if place and place[1] else text.rstrip().count("\n") + 1
        written = text.split("\n")[line - 1]
        wrong, right = explain_syntax_error(_AT_LINE.sub("", str(error)), written)
    except (RecursionError, ValueError) as error:
        line, wrong, right = 0, f"cannot be parsed as TOML: {error}", "nest fewer brackets"
    raise SettingsError([Mistake(path, line, "", wrong, right)])
