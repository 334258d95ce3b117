"""The core is of one form: all of it compiled in the build, and none of it elsewhere."""

from __future__ import annotations

import ast
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from platform import python_version

import pytest

import sip_stager
from sip_stager.observability.metrics import Metrics
from tests.observability.sample_events import GAUGE_SOURCES
from tests.test_architecture import CORE, dotted, modules, room

ROOT = Path(__file__).parents[1]
COMPILED = Path(sip_stager.__file__).parents[1] == ROOT / "build" / "compiled"
MODULES = [path for path, _ in modules() if room(path) in CORE and "__init__" not in path]


@pytest.mark.parametrize("path", MODULES)
def test_the_core_is_of_one_form(path: str) -> None:
    spec = find_spec(dotted(path))
    assert spec is not None
    assert (spec.origin or "").endswith(tuple(EXTENSION_SUFFIXES)) is COMPILED


def test_a_metric_shows_the_form_of_the_core() -> None:
    build = Metrics(GAUGE_SOURCES).registry.get_sample_value
    labels = {"version": sip_stager.__version__, "python": f"CPython {python_version()}"}
    core = "compiled" if COMPILED else "python"
    assert build("sip_stager_build_info", {**labels, "core": core}) == 1


def test_what_is_compiled_is_the_core() -> None:
    """All of the core is pure, so all of it can be compiled."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    (rooms,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)
    )
    assert {*rooms, "ports"} == CORE
