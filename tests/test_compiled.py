"""The core is of one form: all of it compiled in the build, and none of it elsewhere."""

from __future__ import annotations

import ast
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

import pytest

import sip_stager
from tests.test_architecture import CORE, dotted, modules, room

ROOT = Path(__file__).parents[1]
COMPILED = Path(sip_stager.__file__).parents[1] == ROOT / "build" / "compiled"
MODULES = [path for path, _ in modules() if room(path) in CORE and "__init__" not in path]


@pytest.mark.parametrize("path", MODULES)
def test_the_core_is_of_one_form(path: str) -> None:
    spec = find_spec(dotted(path))
    assert spec is not None
    assert (spec.origin or "").endswith(tuple(EXTENSION_SUFFIXES)) is COMPILED


def test_what_is_compiled_is_the_core() -> None:
    """All of the core is pure, so all of it can be compiled."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    (rooms,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)
    )
    assert {*rooms, "ports"} == CORE
