"""Brings the line numbers of links into the source up to date (``make links``).

The text of such a link in docs/architecture.md is the name of a class, a method or a function:

    [`Proxy.receive_invite`](../sip_stager/proxy/core.py#L91)
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/architecture.md"
LINK = re.compile(r"\[`([\w.]+)`\]\(\.\./([\w/]+\.py)#L\d+\)")


def page() -> str:
    """Return the page with the right line numbers."""
    return LINK.sub(_renewed, PAGE.read_text(encoding="utf-8"))


def line_of(path: str, name: str) -> int:
    """Return the line on which a class, a method or a function is defined."""
    lines = _definitions(path)
    if name not in lines:
        raise SystemExit(f"{PAGE.name}: {path} has no {name}")
    return lines[name]


def _renewed(link: re.Match[str]) -> str:
    name, path = link.groups()
    return f"[`{name}`](../{path}#L{line_of(path, name)})"


@cache
def _definitions(path: str) -> dict[str, int]:
    """Return the lines of a file's definitions by their names, those of methods with the class."""
    return dict(_walk(ast.parse((ROOT / path).read_text(encoding="utf-8")), ""))


def _walk(node: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, int]]:
    for one in node.body:
        if isinstance(one, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{one.name}", one.lineno
        if isinstance(one, ast.ClassDef):
            yield from _walk(one, f"{prefix}{one.name}.")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
