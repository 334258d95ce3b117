"""What a caller withholds is in no message of the log, whatever its level and form."""

from __future__ import annotations

import pytest

from sip_stager.events import MessageReceived
from sip_stager.observability.log_fields import LogFields
from sip_stager.observability.message_log import MessageLog
from sip_stager.proxy.seal import Seal
from tests.support.conversation import ALICE
from tests.support.messages import request
from tests.support.reading import parsed

FROM = b'From: "Alice" <sip:+33912345678@192.0.2.1>'
PAI = 'P-Asserted-Identity: "Zoe <home>" <sip:+33912345678@carrier.example>'
SEAL = Seal(b"k").seal_for(request(), anonymous=True, hides_from=True).decode()
TOKEN = b"cb0071079c40"
OF_NAT = Seal(b"k").seal_for(request(), anonymous=True, flow_token=TOKEN).decode()


class Lines:
    """A logger that keeps the messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def debug(self, event: str, **fields: str) -> None:
        self.lines.append(f"{event} {fields['message']}")


def shown(*messages: bytes) -> str:
    lines = Lines()
    log = MessageLog(lines, LogFields("plain", str), masks=False)  # type: ignore[arg-type]
    for message in messages:
        log.handlers[MessageReceived](MessageReceived(parsed(message), ALICE))
    return "\n".join(lines.lines)


@pytest.mark.parametrize(
    "extra",
    [
        ("Privacy: user",),
        ("Privacy: id",),
        ("Proxy-Require: foo, privacy",),
        ("Remote-Party-ID: <sip:+33912345678@carrier.example>;privacy=full",),
        (f"Route: <sip:{SEAL}@h>",),
        (f"Route: <sip:{OF_NAT}@h>",),
    ],
)
@pytest.mark.parametrize("name", [b'"Alice"', b"Alice <home>", b'"Alice, Zo', b""])
def test_a_private_call_shows_no_number_and_no_name(extra: tuple[str, ...], name: bytes) -> None:
    data = bytes(request(extra=(*extra, PAI))).replace(b'"Alice"', name)
    later = bytes(request("BYE", to_tag="bob", extra=(PAI,))).replace(b'"Alice"', name)
    text = shown(data, later)
    assert text.count("message_received") == 2
    for withheld in ("912345678", "Alice", "Zoe", "home"):
        assert withheld not in text


@pytest.mark.parametrize("token", [b"", TOKEN, b"2" * 36])
def test_a_seal_is_replaced_whatever_it_holds(token: bytes) -> None:
    sealed = Seal(b"k").seal_for(request(), flow_token=token)
    text = shown(bytes(request(extra=(f"Route: <sip:{sealed.decode()}@h>",))))
    assert sealed.decode()[1:] not in text
    assert sealed[-8:].decode() not in text


def test_any_other_call_shows_both() -> None:
    text = shown(bytes(request(extra=(PAI,))))
    assert "+33912345678" in text
    assert "Alice" in text
