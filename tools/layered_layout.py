"""Lays out a graph in rows so that all edges point down, after Sugiyama.

Each node stands one row below the lowest node that points to it.  An edge that passes a row takes
a place of its own there.  Each row is sorted by the mean place of its neighbours, downwards and
upwards in turn, and the order with the fewest crossings is taken.  Then every node moves as close
to its neighbours as its row has room.  The same graph is always laid out the same.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from tools.import_graph import circles

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tools.import_graph import Graph

SWEEPS = 24


class Point(NamedTuple):
    """A place in a row; ``passing`` is the arrow that goes through it, None for a room."""

    name: str
    row: int
    passing: tuple[str, str] | None = None


Rows = list[list[Point]]
Edges = list[tuple[Point, Point]]


def levels(graph: Graph) -> dict[str, int]:
    """Return the row of each room, one below the lowest that imports it."""
    if found := circles(graph):
        message = f"these import each other in a circle, so none is below: {found}"
        raise ValueError(message)
    rows: dict[str, int] = {}

    def row(name: str) -> int:
        if name not in rows:
            above = [user for user, targets in graph.items() if name in targets]
            rows[name] = 1 + max((row(user) for user in above), default=-1)
        return rows[name]

    return {name: row(name) for name in sorted(graph)}


def laid_out(graph: Graph) -> tuple[Rows, Edges]:
    """Return the points row by row, and the edges between adjacent rows."""
    row = levels(graph)
    rows: Rows = [[] for _ in range(max(row.values()) + 1)]
    for name in graph:
        rows[row[name]].append(Point(name, row[name]))
    edges: Edges = []
    for name, targets in sorted(graph.items()):
        for target in sorted(targets):
            way = [Point(name, row[name])]
            for between in range(row[name] + 1, row[target]):
                way.append(Point(f"{name} {target}", between, (name, target)))
                rows[between].append(way[-1])
            way.append(Point(target, row[target]))
            edges += pairwise(way)
    return rows, edges


def crossings(rows: Rows, edges: Edges) -> int:
    """Count the pairs of edges that cross."""
    place = {point: x for row in rows for x, point in enumerate(row)}
    found = 0
    for i, (above, below) in enumerate(edges):
        for other_above, other_below in edges[i + 1 :]:
            if above.row == other_above.row:
                side = (place[above] - place[other_above]) * (place[below] - place[other_below])
                found += side < 0
    return found


def mean(values: Iterable[float], default: float) -> float:
    """Return the mean of some numbers, or ``default`` of none."""
    listed = list(values)
    return sum(listed) / len(listed) if listed else default


def sort_rows(rows: Rows, edges: Edges) -> Rows:
    """Return the rows in the order with the fewest crossings that was found."""
    rows = [sorted(row) for row in rows]
    best, fewest = rows, crossings(rows, edges)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        place = {point: float(x) for row in rows for x, point in enumerate(row)}
        new = []
        for row in rows if down else reversed(rows):
            wish = {
                point: mean(
                    (place[a if down else b] for a, b in edges if (b if down else a) == point),
                    place[point],
                )
                for point in row
            }
            ordered = sorted(row, key=lambda point: (wish[point], point))
            place.update((point, float(x)) for x, point in enumerate(ordered))
            new.append(ordered)
        rows = new if down else new[::-1]
        if (count := crossings(rows, edges)) < fewest:
            best, fewest = rows, count
    return best


def spread(wishes: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """Return the places closest to the wishes that keep the gaps (isotonic regression)."""
    offsets = [sum(gaps[:i]) for i in range(len(wishes))]
    blocks: list[tuple[float, int]] = []
    for wish, offset in zip(wishes, offsets, strict=True):
        blocks.append((wish - offset, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (last, n), (before, m) = blocks.pop(), blocks.pop()
            blocks.append(((last * n + before * m) / (n + m), n + m))
    flat = [value for value, count in blocks for _ in range(count)]
    return [value + offset for value, offset in zip(flat, offsets, strict=True)]


def places(rows: Rows, edges: Edges, width: float, gap: float) -> dict[Point, float]:
    """Return the middle of each point: as near to its neighbours as the row has room."""
    half = {point: (gap + (0 if point.passing else width)) / 2 for row in rows for point in row}
    x: dict[Point, float] = {}
    for row in rows:
        gaps = [half[a] + half[b] for a, b in pairwise(row)]
        x.update(zip(row, spread([0.0] * len(row), gaps), strict=True))
    for _ in range(SWEEPS * 20):
        for row in rows:
            gaps = [half[a] + half[b] for a, b in pairwise(row)]
            wishes = [
                mean((x[b if a == point else a] for a, b in edges if point in {a, b}), x[point])
                for point in row
            ]
            x.update(zip(row, spread(wishes, gaps), strict=True))
    for row in reversed(rows):  # the rows drift as they settle: the top ends right above the rest
        if len(row) == 1:
            x[row[0]] = mean((x[below] for above, below in edges if above == row[0]), x[row[0]])
    left = min(x[point] - half[point] for point in x)
    return {point: round(x[point] - left, 1) for point in x}
