"""Line charts as SVG, without a library: one below the other, over the same time."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WIDTH, HEIGHT = 760, 260  # of one chart, in pixels
LEFT, RIGHT, TOP, BOTTOM = 56, 130, 32, 28  # margins around the plot
TICKS = 5  # lines across a plot, at most
COLOURS = ("#555555", "#1a7f37", "#bf8700", "#cf222e", "#0969da")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its name, and its points; a value that is not finite makes a gap."""

    name: str
    at: list[float]
    values: list[float]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A plot of lines over time in seconds."""

    title: str
    lines: list[Line]

    @property
    def maximum(self) -> float:
        """The end of the vertical axis: the first round number above all values."""
        highest = max(v for line in self.lines for v in line.values if isfinite(v))
        return _round_step(highest / TICKS) * TICKS or 1.0

    @property
    def end(self) -> float:
        """The end of the time axis, in seconds."""
        return max(line.at[-1] for line in self.lines)


def write_charts(path: Path, charts: list[Chart]) -> None:
    """Write charts into one SVG file."""
    parts = [part for row, chart in enumerate(charts) for part in _draw(chart, row * HEIGHT)]
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT * len(charts)}" '
        'font-family="sans-serif" font-size="12">\n'
        '<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _draw(chart: Chart, top: int) -> Iterator[str]:
    height, width = HEIGHT - TOP - BOTTOM, WIDTH - LEFT - RIGHT
    bottom = top + TOP + height

    def x(seconds: float) -> float:
        return LEFT + width * seconds / chart.end

    def y(value: float) -> float:
        return bottom - height * min(value, chart.maximum) / chart.maximum

    yield _text(LEFT, top + 20, chart.title, "start")
    for tick in range(TICKS + 1):
        value = chart.maximum * tick / TICKS
        yield f'<path d="M{LEFT} {y(value):.1f}h{width}" stroke="#dddddd"/>'
        yield _text(LEFT - 6, y(value) + 4, f"{value:g}", "end")
    step = _round_step(chart.end / 6)
    for mark in range(int(chart.end / step) + 1):
        yield _text(x(mark * step), bottom + 18, f"{mark * step:g} s", "middle")
    for number, line in enumerate(chart.lines):
        colour, level = COLOURS[number], top + TOP + 16 * number + 8
        yield _path(" ".join(_points(line, x, y)), line, colour)
        yield _path(f"M{WIDTH - RIGHT + 12} {level}h20", line, colour)
        yield _text(WIDTH - RIGHT + 38, level + 4, line.name, "start")


def _points(line: Line, x: Callable[[float], float], y: Callable[[float], float]) -> Iterator[str]:
    drawn = False
    for at, value in zip(line.at, line.values, strict=True):
        if isfinite(value):
            yield f"{'L' if drawn else 'M'}{x(at):.1f} {y(value):.1f}"
        drawn = isfinite(value)


def _path(points: str, line: Line, colour: str) -> str:
    dash = ' stroke-dasharray="5 4"' if line.dashed else ""
    return f'<path d="{points}" fill="none" stroke="{colour}" stroke-width="1.6"{dash}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _round_step(minimum: float) -> float:
    """Return the smallest of 1, 2 or 5 times a power of ten that is not below ``minimum``."""
    power = 1e-3
    while True:
        for factor in (1, 2, 5):
            if factor * power >= minimum:
                return factor * power
        power *= 10
