"""Strangers on real sockets: what they get, and where their requests of a live call go."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

import pytest

from tests.interop.program import NUMBER
from tests.support.messages import request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

SILENCE = 0.3  # seconds
OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.66\r\ns=-\r\n"


@pytest.fixture
def stranger() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.66", 0))
        opened.settimeout(SILENCE)
        yield opened


def answer(scene: Scene, stranger: socket.socket, data: bytes) -> bytes:
    """Return the answer to a datagram; empty if there is none."""
    stranger.sendto(data, ("127.0.0.1", scene.program.port))
    try:
        return stranger.recv(65535)
    except TimeoutError:
        return b""


def asking(method: str, branch: str, body: str = "") -> bytes:
    via = "SIP/2.0/UDP 127.0.0.66;rport"
    return bytes(request(method, branch=f"z9hG4bK-{branch}", via=via, body=body))


def test_a_stranger_gets_a_bare_403_to_an_invite_and_silence_to_all_else(
    scene: Scene, stranger: socket.socket
) -> None:
    scene.start()
    for method in ("OPTIONS", "REGISTER", "CANCEL", "MESSAGE"):
        assert answer(scene, stranger, asking(method, method)) == b""
    assert answer(scene, stranger, asking("OPTIONS", "cut")[:48]) == b""
    invite = asking("INVITE", "1", OFFER)
    refused = answer(scene, stranger, invite)
    assert refused.startswith(b"SIP/2.0 403 Forbidden\r\n")
    assert len(refused) <= len(invite)
    assert b"stager" not in refused.lower()
    assert b"Warning" not in refused
    assert scene.program.metric("messages_dropped_total", cause="stranger") >= 4
    assert scene.program.metric("calls_refused_total", cause="unknown_source") == 1


def test_the_setting_silences_or_answers_all(scene: Scene, stranger: socket.socket) -> None:
    scene.start(tables=(("[strangers]", {"answered": "nothing"}),))
    assert answer(scene, stranger, asking("INVITE", "1", OFFER)) == b""
    assert answer(scene, stranger, asking("OPTIONS", "2")) == b""


def test_a_carriers_new_address_is_logged_once(scene: Scene, stranger: socket.socket) -> None:
    scene.start()
    for number in range(3):
        assert answer(scene, stranger, asking("INVITE", str(number), OFFER))
    line = scene.program.wait_logged("trunk_address_suspected")
    assert "127.0.0.66" in line["peer"]
    assert NUMBER not in line["detail"]
    assert scene.program.metric("trunk_addresses_suspected_total") == 1


def test_what_was_read_of_a_call_opens_no_way_to_other_hosts(
    scene: Scene, stranger: socket.socket
) -> None:
    """RFC 3261 26.3: no open relay, over UDP and TCP, during the call and after it."""
    scene.start()
    callee = scene.callee("< INVITE; 180; 200; < ACK; < BYE; 200")
    caller = scene.caller("INVITE; < 100; < 180; < 200; ACK; ~1500; BYE; < 200")
    callee.wait_received("ACK")
    seen = callee.received("INVITE")[0].data.decode()
    read = {
        name: re.search(rf"(?m)^{name}: *(.*?)\r?$", seen)[1]  # type: ignore[index]
        for name in ("Record-Route", "Call-ID", "From", "To")
    }
    with (
        socket.create_server(("127.0.0.77", 0)) as inner,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent,
    ):
        inner.settimeout(SILENCE)
        silent.bind(("127.0.0.77", 0))
        silent.settimeout(SILENCE)
        tcp, udp = inner.getsockname()[1], silent.getsockname()[1]
        for uri in (f"sip:127.0.0.77:{tcp};transport=tcp", f"sip:127.0.0.77:{udp}"):
            message = (
                f"MESSAGE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.66;rport;branch=z9hG4bK-x\r\n"
                f"Route: {read['Record-Route']}\r\nFrom: {read['From']}\r\n"
                f"To: {read['To']};tag=x\r\nCall-ID: {read['Call-ID']}\r\nMax-Forwards: 70\r\n"
                f"CSeq: 7 MESSAGE\r\nContent-Length: 7\r\n\r\nSET x 1"
            )
            assert answer(scene, stranger, message.encode()) == b""
        with pytest.raises(TimeoutError):
            inner.accept()
        with pytest.raises(TimeoutError):
            silent.recv(65535)
    assert scene.program.metric("messages_dropped_total", cause="next_hop_refused") == 2
    caller.finish()
    callee.finish()


def test_a_new_api_key_ends_no_call_that_is_up(scene: Scene, tmp_path: Path) -> None:
    """RFC 3261 16.6 step 4: the key of the seal is the installation's own."""
    api_key, seal_key = tmp_path / "api.key", tmp_path / "seal.key"
    for path, text in ((api_key, "interop-key"), (seal_key, 64 * "7")):
        path.touch(mode=0o600)
        path.write_text(text)
    tables = (("[seal]", {"key_file": str(seal_key)}),)
    scene.start(key="interop-key", staging={"key_file": str(api_key)}, tables=tables)
    callee = scene.callee("< INVITE; 180; 200; < ACK; < BYE; 200")
    caller = scene.caller("INVITE; < 100; < 180; < 200; ACK; ~1500; BYE; < 200")
    callee.wait_received("ACK")
    api_key.write_text("a-new-key")
    scene.restart_program()
    caller.finish()
    callee.finish()
    assert len(callee.received("BYE")) == 1
