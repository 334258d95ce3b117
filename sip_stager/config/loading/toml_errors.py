"""Errors of the TOML parser, in words for the operator."""

from __future__ import annotations

import re

from sip_stager.config.tables.settings import LISTS

_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"""\s*([A-Za-z0-9_."'-]+)\s*=""")
_TWICE = ("Cannot declare", "Cannot overwrite")
_NO_VALUE = ("Invalid value", "Expected newline", "Unclosed array")
_RIGHT = "see https://toml.io for the syntax"


def explain_syntax_error(message: str, line: str) -> tuple[str, str]:
    """Return what is wrong and what would be right, from the parser's message and the line.

    No value of the line is shown: it may be the API key.
    """
    if message.startswith(_TWICE):
        return _explain_duplicate(line)
    right = _RIGHT
    if message.startswith(_NO_VALUE):
        right = (
            'write text in straight quotes, like name = "carrier"; numbers, true and false without'
        )
    elif message.startswith("Expected '='"):
        right = "write the key, = and its value on one line"
    return f"is not TOML: {message}", right


def _explain_duplicate(line: str) -> tuple[str, str]:
    if header := _HEADER.match(line):
        if header[1] in LISTS:
            return f"[{header[1]}] is a list of tables", f"write [[{header[1]}]] each time"
        return f"[{header[1]}] is there twice", "merge the two tables"
    key = _KEY.match(line)
    return f"{key[1] if key else 'a key'} is there twice", "remove one of the two"
