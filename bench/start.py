"""The start of ``sip-stager run``: ``python -m bench.start``.

The program is started until it is ready, with one mapped number and with a hundred thousand rows of
a CSV, by turns.  The table shows its CPU and its memory at that moment, and how much the rows add.
Each median is of ``--turns`` starts, after a first one that leaves Python's bytecode behind, as an
installation does.  ``--against DIR`` compares with another source tree.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from bench.process import cpu_seconds
from tests.interop.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_AGENTS = 50  # different agents of the rows
_ROOT = Path(__file__).parent.parent
_SETTINGS = """
{csv}
listeners = [{{ address = "127.0.0.1", port = {sip} }}]
api = {{ base_url = "https://127.0.0.1:{closed}", warm_connections = 0 }}
upstream = {{ uri = "sip:127.0.0.1:{closed}" }}
http = {{ port = {http} }}
trunks = [{{ name = "carrier", networks = ["127.0.0.1"] }}]
numbers = [{{ number = "+33123456789", agent = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29" }}]
"""


@dataclass(frozen=True, slots=True)
class Start:
    """One start: CPU in seconds, memory in MiB."""

    cpu: float
    memory: float


@dataclass(frozen=True, slots=True)
class Tree:
    """A source tree, and the folder for its bytecode."""

    path: Path
    bytecode: Path

    def start(self, rows: int, folder: Path) -> Start:
        """Start the program, wait until it is ready, and stop it."""
        with subprocess.Popen(
            [self._python, "-m", "sip_stager", "run", "--config", _write_settings(rows, folder)],
            cwd=self.path,
            env=self._environment(),
            stdout=subprocess.PIPE,
            start_new_session=True,
        ) as program:
            assert program.stdout
            ready = any(b'"event": "ready"' in line for line in program.stdout)
            found = Start(cpu_seconds(program.pid), resident(program.pid)) if ready else None
            program.terminate()
        if found is None:
            raise typer.BadParameter(f"the program in {self.path} did not start")
        return found

    @property
    def _python(self) -> str:
        # Another tree may need other libraries than those of this interpreter.
        own = self.path / ".venv/bin/python"
        return str(own) if self.path != _ROOT and own.exists() else sys.executable

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        return {**kept, "PYTHONPYCACHEPREFIX": str(self.bytecode), "ROUNDED_API_KEY": "none"}


def _write_settings(rows: int, folder: Path) -> str:
    """Write settings with ports that are free now, and a CSV of so many numbers."""
    name = f"{rows}.csv"
    if rows and not (folder / name).exists():
        (folder / name).write_text("number,agent\n" + "".join(_rows(rows)))
    settings = folder / "settings.toml"
    settings.write_text(
        _SETTINGS.format(
            csv=f'numbers_csv = "{name}"' if rows else "",
            sip=free_port(),
            http=free_port(),
            closed=free_port(),
        )
    )
    return str(settings)


def _rows(rows: int) -> Iterator[str]:
    for row in range(rows):
        yield f"+336{row:08},{UUID(int=(row % _AGENTS + 1) * 0x1234567890ABCDEF1234567890)}\n"


def resident(pid: int) -> float:
    """Return the resident size of a process in MiB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def measure(trees: list[Tree], rows: int, turns: int) -> dict[tuple[Path, int], Start]:
    """Return the medians by tree and number of rows."""
    starts: defaultdict[tuple[Path, int], list[Start]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as directory:
        for tree in trees:
            tree.start(rows, Path(directory))
        for _ in range(turns):
            for tree in trees:
                for each in (0, rows):
                    starts[tree.path, each].append(tree.start(each, Path(directory)))
    return {
        key: Start(
            statistics.median(start.cpu for start in several),
            statistics.median(start.memory for start in several),
        )
        for key, several in starts.items()
    }


def results_table(found: dict[tuple[Path, int], Start]) -> Table:
    """Return the table of the results."""
    table = Table(title="From the start to ready: CPU in seconds, memory in MiB")
    for heading in ("tree", "numbers", "CPU", "memory", "added CPU", "added memory"):
        table.add_column(heading, justify="left" if heading == "tree" else "right")
    for (path, each), start in found.items():
        more = ["", ""]
        if each:
            alone = found[path, 0]
            more = [
                f"{start.cpu - alone.cpu:.2f}",
                f"{start.memory - alone.memory:.0f}",
            ]
        table.add_row(path.name, f"{each + 1:,}", f"{start.cpu:.2f}", f"{start.memory:.0f}", *more)
    return table


def main(
    rows: Annotated[int, typer.Option(help="Rows of the CSV of numbers")] = 100_000,
    turns: Annotated[int, typer.Option(help="Starts of which the median is shown")] = 5,
    against: Annotated[
        Path | None, typer.Option(help="Another source tree to compare with, by turns")
    ] = None,
) -> None:
    """Measure."""
    with tempfile.TemporaryDirectory() as bytecode:
        paths = [_ROOT, *([against.resolve()] if against else [])]
        trees = [Tree(path, Path(bytecode) / str(index)) for index, path in enumerate(paths)]
        found = measure(trees, rows, turns)
    Console(width=None if sys.stdout.isatty() else 200).print(results_table(found))


if __name__ == "__main__":
    typer.run(main)
