"""The imports of the package as a graph: of its modules, and of its rooms.

A room is a folder or a file right below ``sip_stager``.  An import for the type checker counts as
any other: whoever reads an annotation has to know the type.  An import inside a function ties two
rooms together, and closes no circle when the program starts.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGE = Path(__file__).parent.parent / "sip_stager"
Graph = dict[str, set[str]]

# Files that are no room: the package itself with its version, and what ``python -m`` starts.
_NO_ROOMS = {"", "__init__", "__main__", "__version__"}


def files(package: Path = PACKAGE) -> dict[str, Path]:
    """Map the dotted name of each module to its file; a package is named as its folder."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        words = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(words[:-1] if words[-1] == "__init__" else words)] = path
    return found


def imported(tree: ast.AST, *, top: bool = False) -> Iterator[str]:
    """Yield the dotted names that a module imports, with ``top`` only those at its top level."""
    for node in _outside_of_functions(tree) if top else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _outside_of_functions(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _outside_of_functions(node)


def modules(package: Path = PACKAGE, *, top: bool = False) -> Graph:
    """Map each module to those of the package that it imports."""
    known = files(package)
    graph: Graph = {}
    for name, path in known.items():
        names = imported(ast.parse(path.read_text(encoding="utf-8")), top=top)
        targets = {one if one in known else one.rpartition(".")[0] for one in names}
        graph[name] = targets & known.keys() - {name}
    return graph


def room(module: str) -> str:
    """Return the room of a module, "" for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def rooms(package: Path = PACKAGE) -> Graph:
    """Map each room to those that it imports."""
    graph: Graph = {}
    for module, targets in modules(package).items():
        found = graph.setdefault(room(module), set())
        found |= {room(target) for target in targets}
    return {
        name: targets - _NO_ROOMS - {name}
        for name, targets in graph.items()
        if name not in _NO_ROOMS
    }


def reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """Return all nodes to which a path leads from ``start``."""
    found: set[str] = set()
    open_ = [start]
    while open_:
        new = graph[open_.pop()] - found
        found |= new
        open_ += new
    return found


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of nodes that import each other in a circle, each sorted."""
    reach = {node: reachable(graph, node) for node in graph}
    groups = {
        tuple(sorted(other for other in targets if node in reach[other]))
        for node, targets in reach.items()
        if node in targets
    }
    return [list(group) for group in sorted(groups)]


def direct(graph: Mapping[str, set[str]]) -> Graph:
    """Leave out each edge that a longer path implies; the graph must have no circle."""
    return {
        node: {
            target
            for target in targets
            if not any(target in reachable(graph, other) for other in targets - {target})
        }
        for node, targets in graph.items()
    }
