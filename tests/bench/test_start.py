from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from bench.start import _ROOT, Tree, measure, results_table

if TYPE_CHECKING:
    from pathlib import Path


def test_a_start_is_measured_with_and_without_rows(tmp_path: Path) -> None:
    found = measure([Tree(_ROOT, tmp_path)], 1000, 1)
    assert [rows for _, rows in found] == [0, 1000]
    assert all(start.cpu > 0 < start.memory for start in found.values())
    console = Console(record=True, width=200)
    console.print(results_table(found))
    assert " 1,001 " in console.export_text()
