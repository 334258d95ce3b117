"""The walls of the house: who may import what, and which names nobody uses."""

from __future__ import annotations

import ast
import re
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parent.parent / "sip_stager"

# What each room may know of the others, itself apart.  Dependencies point one way.
GROUND = {"model", "ports", "events", "sip"}
SHELL = GROUND | {"trunks", "config"}
ROOMS: dict[str, set[str]] = {
    "model": set(),
    "sip": {"model"},
    "events": {"model", "sip"},
    "ports": {"model", "events", "sip"},
    "transaction": GROUND,
    "proxy": GROUND | {"transaction"},
    "calls": GROUND | {"transaction", "proxy"},
    "trunks": GROUND,
    "config": GROUND | {"trunks"},
    "http_client": set(),
    "platform": SHELL | {"http_client"},
    "staging": SHELL | {"http_client", "platform"},
    "transport": SHELL,
    "observability": SHELL,
}
CORE = {"model", "ports", "events", "sip", "transaction", "proxy", "calls", "trunks"}
PURE = {
    *("__future__", "base64", "binascii", "bisect", "collections", "contextlib", "dataclasses"),
    *("enum", "functools", "hashlib", "hmac", "ipaddress", "itertools", "math", "operator", "re"),
    *("string", "types", "typing", "urllib.parse"),
}
LIBRARIES = {"trunks/phone_numbers.py": {"phonenumbers"}}
UNSPOKEN = {"tx", "req", "reqs", "resp", "hdr", "hdrs", "mgr"}
DRAWERS = {"utils", "util", "helpers", "common", "misc"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the package: its path below the package, and its tree."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def room(path: str) -> str:
    """The first word of a module's path: the folder or file right below the package."""
    return path.split("/", maxsplit=1)[0].removesuffix(".py")


def imports(tree: ast.AST) -> Iterator[str]:
    """The dotted names that a module imports, those for the type checker alone included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def intrusions(path: str, tree: ast.AST) -> list[str]:
    """The imports by which a module of one room knows of a room that it may not know."""
    here = room(path)
    if here not in ROOMS:
        return []
    allowed = ROOMS[here] | {here, "__version__"}
    ours = [name.split(".") for name in imports(tree) if name.startswith("sip_stager")]
    return [".".join(words) for words in ours if len(words) < 2 or words[1] not in allowed]


def impurities(path: str, tree: ast.AST) -> list[str]:
    """The imports by which a module of the core knows of the world."""
    if room(path) not in CORE:
        return []
    allowed = PURE | LIBRARIES.get(path, set()) | {"sip_stager"}
    return [
        name for name in imports(tree) if not any(f"{name}.".startswith(f"{a}.") for a in allowed)
    ]


def names(tree: ast.AST) -> Iterator[str]:
    """Every name that a module gives: variables, arguments, functions, classes, attributes."""
    for node in ast.walk(tree):
        for field in ("id", "arg", "name", "attr"):
            if isinstance(name := getattr(node, field, None), str):
                yield name


def unspoken(tree: ast.AST) -> set[str]:
    """The names with a word that is nobody's term."""
    return {name for name in names(tree) if UNSPOKEN & set(name.lower().strip("_").split("_"))}


def drawers(path: str) -> set[str]:
    """The words of a path that say nothing of what lies there."""
    return DRAWERS & set(path.removesuffix(".py").replace("/", "_").split("_"))


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Each function's name and its lines from ``def`` to its end."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            yield node.name, node.end_lineno - node.lineno + 1


def test_dependencies_point_one_way() -> None:
    assert {path: found for path, tree in modules() if (found := intrusions(path, tree))} == {}


def dotted(path: str) -> str:
    """Return the dotted name of a module by its path below the package."""
    return f"sip_stager.{path.removesuffix('.py').replace('/', '.')}".removesuffix(".__init__")


def circle(trees: dict[str, ast.AST]) -> list[str]:
    """Return the modules of one import circle, type-only imports included; empty if none is."""
    graph = {
        name: {found for found in _importable(imports(tree), trees) if found != name}
        for name, tree in trees.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        modules_of_it: list[str] = error.args[1]
        return modules_of_it
    return []


def _importable(named: Iterator[str], trees: dict[str, ast.AST]) -> Iterator[str]:
    """Yield the module that each imported name is, or belongs to."""
    for name in named:
        yield from {name, name.rpartition(".")[0]} & trees.keys()


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle({dotted(path): tree for path, tree in modules()}) == []


def test_a_circle_of_type_only_imports_is_seen() -> None:
    one = ast.parse("if TYPE_CHECKING:\n  from sip_stager.two import Two")
    two = ast.parse("from sip_stager.one import One")
    assert circle({"sip_stager.one": one, "sip_stager.two": two}) != []


def test_the_core_imports_only_pure_modules() -> None:
    assert {path: found for path, tree in modules() if (found := impurities(path, tree))} == {}


def test_names_are_terms_of_the_field() -> None:
    assert {path: found for path, tree in modules() if (found := unspoken(tree))} == {}
    assert [path for path, _ in modules() if drawers(path)] == []


def test_the_http_client_could_be_a_package_of_its_own() -> None:
    allowed = sys.stdlib_module_names | {"httptools", "certifi"}
    foreign = {
        name
        for path, tree in modules()
        if room(path) == "http_client"
        for name in imports(tree)
        if name.split(".")[0] not in allowed and not name.startswith("sip_stager.http_client.")
    }
    assert foreign == set()


def test_no_function_of_the_core_is_longer_than_a_page() -> None:
    long = [
        f"{path}:{name} {lines}"
        for path, tree in modules()
        if room(path) in CORE
        for name, lines in functions(tree)
        if lines > 40
    ]
    assert long == []


def test_every_room_is_known_here() -> None:
    users = {"__init__", "__main__", "app", "assembly", "cli", "demo"}
    assert {room(path) for path, _ in modules()} - users == ROOMS.keys()


def test_the_pure_modules_are_of_the_standard_library() -> None:
    assert sys.stdlib_module_names >= {name.split(".")[0] for name in PURE}


@pytest.mark.parametrize(
    ("path", "source", "seen"),
    [
        ("sip/via.py", "from sip_stager.transaction.layer import Layer", True),
        ("sip/via.py", "from sip_stager import transaction", True),
        ("sip/via.py", "import sip_stager", True),
        ("transaction/layer.py", "def f():\n  from sip_stager.proxy import core", True),
        ("platform/api.py", "from sip_stager.transport.udp import listen", True),
        ("platform/api.py", "from sip_stager.config import Api", False),
        ("proxy/core.py", "from sip_stager.config import Settings", True),
        ("proxy/core.py", "from sip_stager.transaction import Layer", False),
        ("app.py", "from sip_stager.transport.udp import listen", False),
    ],
)
def test_a_breach_between_rooms_is_seen(path: str, source: str, *, seen: bool) -> None:
    assert bool(intrusions(path, ast.parse(source))) is seen


@pytest.mark.parametrize(
    ("path", "source", "seen"),
    [
        ("sip/message.py", "import asyncio.events", True),
        ("proxy/core.py", "if TYPE_CHECKING:\n  from socket import socket", True),
        ("trunks/admission.py", "import phonenumbers", True),
        ("trunks/phone_numbers.py", "import phonenumbers", False),
        ("sip/uri.py", "import urllib.request", True),
        ("sip/uri.py", "from urllib.parse import quote", False),
        ("ports.py", "from time import monotonic", True),
        ("transport/udp.py", "import asyncio", False),
        ("sip/message.py", "import re", False),
    ],
)
def test_the_world_in_the_core_is_seen(path: str, source: str, *, seen: bool) -> None:
    assert bool(impurities(path, ast.parse(source))) is seen


def test_a_name_that_is_nobodys_term_is_seen() -> None:
    tree = ast.parse("class Tx: pass\ndef send(raw_req, _resp): self.hdr = required = requests")
    assert unspoken(tree) == {"Tx", "raw_req", "_resp", "hdr"}
    assert drawers("sip/header_utils.py") == {"utils"}


@pytest.mark.parametrize("name", ["transaction", "proxy", "calls"])
def test_the_page_of_a_room_lists_each_of_its_files(name: str) -> None:
    page = (PACKAGE / name / "__init__.py").read_text(encoding="utf-8")
    files = {path.name for path in (PACKAGE / name).glob("[!_]*.py")}
    assert set(re.findall(r"``(\w+\.py)``", page)) == files
