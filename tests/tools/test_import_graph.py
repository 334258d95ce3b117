from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools import import_graph, layered_layout

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "__init__.py": "__version__ = '1'",
    "app.py": "from sip_stager import model\nimport sip_stager.sip.uri",
    "model.py": "",
    "sip/__init__.py": "",
    "sip/uri.py": "if TYPE_CHECKING:\n  from sip_stager.sip.via import Via\nimport re",
    "sip/via.py": "from sip_stager.sip import uri\ndef f():\n  from sip_stager.model import Flow",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, source in FILES.items():
        path = tmp_path / "sip_stager" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return tmp_path / "sip_stager"


def test_rooms_import_rooms_for_the_type_checker_and_in_functions_too(package: Path) -> None:
    assert import_graph.rooms(package) == {
        "app": {"model", "sip"},
        "model": set(),
        "sip": {"model"},
    }


def test_type_only_imports_close_a_circle(package: Path) -> None:
    graph = import_graph.modules(package, top=True)
    assert import_graph.circles(graph) == [["sip_stager.sip.uri", "sip_stager.sip.via"]]


def test_an_import_in_a_function_is_not_at_the_top(package: Path) -> None:
    top, all_ = (import_graph.modules(package, top=top) for top in (True, False))
    assert "sip_stager.model" not in top["sip_stager.sip.via"]
    assert "sip_stager.model" in all_["sip_stager.sip.via"]


def test_an_edge_that_a_longer_path_implies_is_left_out() -> None:
    graph = {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert import_graph.direct(graph) == {"a": {"b"}, "b": {"c"}, "c": set()}


def test_all_edges_of_a_layout_point_down_one_row() -> None:
    rows, edges = layered_layout.laid_out({"a": {"b", "c"}, "b": {"c"}, "c": set()})
    assert [len(row) for row in rows] == [1, 2, 1]
    assert {below.row - above.row for above, below in edges} == {1}


def test_a_circle_has_no_layout() -> None:
    with pytest.raises(ValueError, match="circle"):
        layered_layout.laid_out({"a": {"b"}, "b": {"a"}})


def test_boxes_keep_their_gaps_and_are_as_close_to_their_wishes_as_these_allow() -> None:
    assert layered_layout.spread([0, 0, 9], [4, 4]) == [-2, 2, 9]
