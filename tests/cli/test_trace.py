"""The trace command shows the sentence and the ladder of a call, from any node that knows it."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from typer.testing import CliRunner

from sip_stager.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CALL: dict[str, Any] = {
    "call_id": "a/b@192.0.2.1",
    "started_at": "2026-12-01T10:42:03.100Z",
    "last_seconds": 4.0,
    "from_number": "+336******78",
    "to_number": "+333******20",
    "trunk": "carrier",
    "sentence": "The call was refused with 503, because the API failed.",
    "side": "api",
    "cause": "failed",
}


def step(source: str, target: str, text: str, **more: Any) -> dict[str, Any]:
    return {"at": 0.25, "from": source, "to": target, "text": text, "style": "red", **more}


LADDER = [
    step(
        "caller", "sip-stager", "INVITE +333******20", message="INVITE sip:x SIP/2.0\r\nTo: \x1b[2J"
    ),
    step("sip-stager", "api", "POST /v1/calls/stage"),
    step("api", "sip-stager", "503 failed"),
    step("sip-stager", "sip-stager", "HTTP: request 250.0 ms"),
    step("sip-stager", "caller", "503 \x1b[31mNo", repeated=True),
]


class Node:
    """A program with one call."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[str] = []


@contextmanager
def serving(status: int = 200, body: bytes | None = None) -> Iterator[Node]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            node.asked.append(self.path)
            url = urlsplit(self.path)
            one = {"version": 1, "call": CALL, "ladder": LADDER, "left_out": 3}
            wanted = parse_qs(url.query).get("from", ["+33612345678"]) == ["+33612345678"]
            listed = {"version": 1, "calls": [CALL] if wanted else []}
            answer, code = (listed, 200) if url.path == "/api/v1/calls" else (one, 200)
            if unquote(url.path).endswith("none"):
                answer, code = {"error": "no call with this Call-ID is in the history"}, 404
            self.send_response(code if status == 200 else status)
            self.send_header("Content-Type", "application/json" if body is None else "text/html")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode() if body is None else body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    node = Node(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield node
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def trace(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["trace", *words])
    return result.exit_code, result.output


def test_the_sentence_comes_first_and_the_ladder_has_the_api() -> None:
    with serving() as node:
        code, output = trace("a/b@192.0.2.1", "--node", node.url)
    lines = output.splitlines()
    assert code == 0
    assert "refused with 503" in lines[0]
    assert "[side: api, cause: failed]" in lines[0]
    assert "caller" in lines[2]
    assert "POST /v1/calls/stage" in lines[4]
    assert "3 later messages were not recorded" in output
    assert node.asked == ["/api/v1/calls/a%2Fb%40192.0.2.1"]


def test_a_call_is_found_by_its_number_and_minute() -> None:
    with serving() as node:
        found = trace("--from", "+33612345678", "--at", "10:42Z", "--node", node.url)
        at_another_time = trace("--from", "+33612345678", "--at", "11:42Z", "--node", node.url)
        of_another = trace("--from", "+33699999999", "--node", node.url)
    assert (found[0], at_another_time[0], of_another[0]) == (0, 1, 1)


def test_what_a_node_answers_cannot_move_the_cursor() -> None:
    with serving() as node:
        _, output = trace("x", "--messages", "--node", node.url)
    assert "\x1b" not in output
    assert "\\x1b[2J" in output


def test_a_capture_is_written_where_it_can_be(tmp_path: Path) -> None:
    with serving() as node:
        written = trace("x", "--node", node.url, "--pcap", str(tmp_path / "call.pcap"))
        failed = trace("x", "--node", node.url, "--pcap", str(tmp_path / "none" / "call.pcap"))
    assert written[0] == 0
    assert "call.pcap: " in written[1]
    assert failed[0] == 2
    assert "No such file" in failed[1]


def test_a_node_that_is_down_does_not_hide_the_call_of_another() -> None:
    with serving() as node:
        code, output = trace("x", "--node", "http://127.0.0.1:1", "--node", node.url)
    assert code == 0
    assert "http://127.0.0.1:1: " in output


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("none",), 1),
        ((), 2),
        (("--from", "+33612345678", "--at", "teatime"), 2),
    ],
)
def test_no_call_is_1_and_a_wrong_command_line_2(words: tuple[str, ...], code: int) -> None:
    with serving() as node:
        assert trace(*words, "--node", node.url)[0] == code


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://x", "nonsense"])
def test_without_any_answer_it_is_2(url: str) -> None:
    assert trace("x", "--node", url)[0] == 2


def test_a_program_without_a_history_says_which_setting_it_needs() -> None:
    with serving(404, b"404 Not Found") as node:
        code, output = trace("x", "--node", node.url)
    assert code == 2
    assert "[records] calls" in output
