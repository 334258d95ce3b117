"""The calls command lists the calls of all nodes, and follows them as they end."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from sip_stager.cli import app
from sip_stager.cli import calls as command
from sip_stager.cli.nodes import Answer


def call(minute: int, **more: Any) -> dict[str, Any]:
    started = f"2026-12-01T10:{minute:02}:00.000Z"
    return {
        "call_id": f"c{minute}",
        "started_at": started,
        "last_seconds": 5.0,
        "from_number": "+336******78",
        "to_number": "+333******20",
        "sentence": "The caller hung up.",
        "side": "caller",
        "cause": "hung_up",
        **more,
    }


class Nodes:
    """The answers of two nodes, one list of calls after another."""

    def __init__(self, *turns: list[dict[str, Any]]) -> None:
        self.turns = list(turns)
        self.queries: list[dict[str, str]] = []

    def __call__(self, nodes: list[str], path: str, query: dict[str, str]) -> list[Answer]:
        assert path == "/api/v1/calls"
        self.queries.append(query)
        if not self.turns:
            raise KeyboardInterrupt
        turn = self.turns.pop(0)
        return [Answer(node, {"calls": turn[index::2]}) for index, node in enumerate(nodes)]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(nodes: Any, *words: str) -> tuple[int, list[str]]:
        monkeypatch.setattr(command, "ask_all", nodes)
        monkeypatch.setattr(command, "FOLLOW_INTERVAL", 0.0)
        result = CliRunner().invoke(app, ["calls", *words])
        return result.exit_code, result.output.splitlines()

    return run


TWO = ("--node", "http://a", "--node", "http://b")


def test_the_calls_of_all_nodes_are_in_one_list_the_newest_last(run: Any) -> None:
    code, lines = run(Nodes([call(44), call(42), call(43)]), *TWO, "--last", "2")
    assert code == 0
    assert [line.split()[-1] for line in lines] == ["c43", "c44"]
    assert "The caller hung up. [caller: hung_up]" in lines[0]


def test_a_follower_shows_each_call_once(run: Any) -> None:
    nodes = Nodes([call(42), call(43)], [call(42), call(43), call(44)], [call(44), call(45)])
    code, lines = run(nodes, *TWO, "--follow", "--last", "1")
    assert code == 0
    assert [line.split()[-1] for line in lines] == ["c43", "c44", "c45"]


def test_the_filters_go_to_the_node(run: Any) -> None:
    nodes = Nodes([])
    words = ("--from", "+33612345678", "--side", "api", "--trunk", "t", "--cause", "failed")
    code, _ = run(nodes, *words)
    assert code == 1
    [query] = nodes.queries
    assert query == {
        "from": "+33612345678",
        "side": "api",
        "trunk": "t",
        "cause": "failed",
        "limit": "1000",
    }


def test_hostile_words_cannot_move_the_cursor(run: Any) -> None:
    _, lines = run(Nodes([call(42, sentence="\x1b[2J\r\n<b>")]))
    assert len(lines) == 1
    assert lines[0].isprintable()


def test_a_time_without_calls_and_a_wrong_one(run: Any) -> None:
    assert run(Nodes([call(42)]), "--at", "11:42Z")[0] == 1
    assert run(Nodes([call(42)]), "--at", "teatime")[0] == 2


def test_no_answer_is_2(run: Any) -> None:
    def none(nodes: list[str], *_: Any) -> list[Answer]:
        return [Answer(node, {}, "it is down") for node in nodes]

    code, lines = run(none)
    assert code == 2
    assert lines == ["sip-stager: http://127.0.0.1:9090: it is down"]
