"""Draws docs/images/architecture.svg from the imports of the package (``make pictures``).

A box is a room, an arrow an import, for the type checker too.  An arrow that longer ways imply is
left out.

    python tools/draw_architecture.py            write the picture
    python tools/draw_architecture.py --text     print rooms and imports
    python tools/draw_architecture.py --circles  print modules that import each other in a circle
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))

from tools.import_graph import circles, direct, modules, rooms
from tools.layered_layout import Point, laid_out, levels, places, sort_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tools.import_graph import Graph

PICTURE = Path(__file__).parent.parent / "docs/images/architecture.svg"

LAYERS = {
    "users": ["cli", "demo"],
    "composition root": ["app", "assembly"],
    "shell": [
        *("http_client", "platform", "staging", "transport", "registration"),
        *("observability", "console"),
    ],
    "settings": ["config"],
    "core: no I/O, no clock": ["sip", "transaction", "proxy", "calls", "trunks", "upstream"],
    "ports and values": ["ports", "events", "model"],
}
COLOURS = {
    "users": ("#f3f4f6", "#6b7280"),
    "composition root": ("#ede9fe", "#7c3aed"),
    "shell": ("#ffedd5", "#c2410c"),
    "settings": ("#fef9c3", "#a16207"),
    "core: no I/O, no clock": ("#dbeafe", "#1d4ed8"),
    "ports and values": ("#dcfce7", "#15803d"),
}
WIDTH, HEIGHT, ROW, GAP = 124, 36, 76, 26
MARGIN, LEGEND = 28, 52


HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" \
height="{height:g}" role="img">
<title>The rooms of sip_stager and what each imports</title>
<style>
text {{ font: 600 14px system-ui, sans-serif; text-anchor: middle; fill: #111827 }}
text.legend {{ font: 12px system-ui, sans-serif; text-anchor: start }}
path.arrow {{ fill: none; stroke: #6b7280; stroke-width: 1.3; marker-end: url(#tip) }}
</style>
<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" \
orient="auto"><path d="M0 0 8 4 0 8z" fill="#6b7280"/></marker>
<rect width="100%" height="100%" fill="#ffffff"/>
"""


def layer(name: str) -> str:
    """Return the layer of a room."""
    for title, members in LAYERS.items():
        if name in members:
            return title
    message = f"{name} is in no layer: add it to LAYERS in tools/draw_architecture.py"
    raise LookupError(message)


def top(row: int) -> int:
    """Return the upper edge of a row."""
    return MARGIN + row * ROW


def arrow(name: str, target: str, way: Sequence[Point], x: Mapping[Point, float]) -> str:
    """Return the path of an arrow, which passes a row straight down."""
    path = f"M{x[way[0]]} {top(way[0].row) + HEIGHT}"
    y = top(way[0].row) + HEIGHT
    for before, point in pairwise(way):
        end = top(point.row) - (3 if point is way[-1] else 0)
        bend = (end - y) / 2
        path += f" C{x[before]} {y + bend:g} {x[point]} {end - bend:g} {x[point]} {end}"
        y = end
        if point.passing:
            y += HEIGHT
            path += f" V{y}"
    return f'<path class="arrow" d="{path}"><title>{name} imports {target}</title></path>'


def box(name: str, x: float, y: float) -> str:
    """Return the box of a room."""
    fill, stroke = COLOURS[layer(name)]
    return (
        f'<rect x="{x - WIDTH / 2:g}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
        f'fill="{fill}" stroke="{stroke}"/>\n'
        f'<text x="{x:g}" y="{y + 23:g}">{name}</text>'
    )


def legend(used: Iterable[str], y: float) -> list[str]:
    """Return a line with the colour of each layer, and one that explains the arrows."""
    lines, x = [], float(MARGIN)
    for title, (fill, stroke) in COLOURS.items():
        if title in used:
            colours = f'fill="{fill}" stroke="{stroke}"'
            lines.append(f'<rect x="{x:g}" y="{y}" width="12" height="12" rx="2" {colours}/>')
            lines.append(f'<text class="legend" x="{x + 18:g}" y="{y + 11}">{title}</text>')
            x += 36 + 6 * len(title)
    meaning = "An arrow is an import. Imports that a longer way implies are not drawn."
    return [*lines, f'<text class="legend" x="{MARGIN}" y="{y + 34}">{meaning}</text>']


def arrows(graph: Graph, x: Mapping[Point, float]) -> list[str]:
    """Return the arrows of a graph whose points are at ``x``."""
    row = levels(graph)
    passing = sorted((point for point in x if point.passing), key=lambda point: point.row)
    found = []
    for name, targets in sorted(graph.items()):
        for target in sorted(targets):
            between = [point for point in passing if point.passing == (name, target)]
            way = [Point(name, row[name]), *between, Point(target, row[target])]
            found.append(arrow(name, target, way, x))
    return found


def picture() -> str:
    """Return the picture as SVG."""
    graph = direct(rooms())
    rows, edges = laid_out(graph)
    rows = sort_rows(rows, edges)
    x = {point: place + MARGIN for point, place in places(rows, edges, WIDTH, GAP).items()}
    width = max(max(x.values()) + WIDTH / 2 + MARGIN, 700)
    height = top(len(rows)) + LEGEND
    body = [
        *arrows(graph, x),
        *(box(p.name, x[p], top(p.row)) for row in rows for p in row if not p.passing),
        *legend({layer(name) for name in graph}, height - LEGEND + 6),
    ]
    return HEAD.format(width=width, height=height) + "\n".join(body) + "\n</svg>\n"


def text() -> str:
    """Return the rooms from top to bottom, each with its layer and all that it imports."""
    graph = rooms()
    row = levels(graph)
    return "\n".join(
        f"{name:14} ({layer(name)}): {', '.join(sorted(graph[name])) or 'nothing of ours'}"
        for name in sorted(graph, key=lambda name: (row[name], name))
    )


def main(arguments: list[str]) -> int:
    """Write the picture, or print it as text (--text), or the import circles (--circles)."""
    if arguments == ["--circles"]:
        found = circles(modules(top=True))
        sys.stdout.write("".join(f"{' '.join(group)}\n" for group in found) or "no circles\n")
        return bool(found)
    if arguments == ["--text"]:
        sys.stdout.write(text() + "\n")
        return 0
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(picture(), encoding="utf-8")
    sys.stdout.write(f"{PICTURE} is written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
