"""The target "conversation": a dialogue with the core in which every message may be damaged."""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

from sip_stager.calls.second_copy import COPY_TIMEOUT
from sip_stager.calls.strangers import StrangerRules
from sip_stager.events import MessageDropped
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.message import Request, Response
from sip_stager.sip.parser import parse
from tests.support.conversation import (
    ALICE,
    ALICE_TCP,
    BOB,
    STRANGER,
    Conversation,
    name_of,
)
from tests.support.trunks import admission_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzz.targets import CaseResult

SOURCES = {b"a": ALICE, b"A": ALICE_TCP, b"b": BOB, b"s": STRANGER}
"""The sender of a message, by the first byte of its piece."""
_SMUGGLED = re.compile(rb"(?:\A|[\r\n])[^\S\r\n]*x-rounded-call-id[^\S\r\n]*:([^\r\n]*)", re.I)  # noqa: FURB167  re.IGNORECASE would make the line too long
HOSTS = {source.host for source in SOURCES.values()}
ADMISSION = admission_of(
    dict.fromkeys(("+33612345678", "user", "vivekg", "caller", "service"), "agent")
)


def conversation(pieces: Sequence[bytes], result: CaseResult) -> None:
    """Check what must hold for any messages.

    The core raises nothing, sends only valid messages, forwards no foreign X-Rounded-Call-Id, and
    forgets everything once all timers have fired.
    """
    # Half of the dialogues, chosen by the input, so that the ways of strangers behind it stay open.
    closed = sum(map(len, pieces)) % 2 == 0
    rules = StrangerRules("all" if len(pieces) % 2 else "invites") if closed else None
    edge = Conversation(backups=("sip:192.0.2.3:5060",), redirects=1, strangers=rules)
    edge.proxy._admission = edge.new_calls._admission = ADMISSION
    for piece in pieces:
        _run_step(edge, piece, result)
    edge.clock.advance(COPY_TIMEOUT)  # until then it waits for second copies of INVITEs
    for staging in edge.stager.stagings:
        if not staging.over:
            staging.fail()
    edge.clock.advance(600)  # seconds; longer than any timer
    assert edge.alive == 0
    assert edge.clock.waiting == 0
    assert not edge.new_calls.ongoing
    result.behaviours.update(
        event.cause if isinstance(event, MessageDropped) else type(event).__name__
        for event in edge.events
    )
    assert "internal_error" not in result.behaviours
    for data, flow in edge.transport.sent:
        sent = parse(data)
        assert ip_address(flow.host).version in {4, 6}
        assert 0 < flow.port < 65536
        if isinstance(sent, Request):
            head = data.partition(b"\r\n\r\n")[0]
            assert all(value.strip() == b"call-1" for value in _SMUGGLED.findall(head))
        kind = sent.method[:12] if isinstance(sent, Request) else sent.status
        result.behaviours.add((name_of(flow) if flow.host in HOSTS else "", kind))


def _run_step(edge: Conversation, piece: bytes, result: CaseResult) -> None:
    """Run one step: advance the clock (``t`` and tenths of a second), end staging, or send.

    ``y`` lets all calls be staged and ``n`` fails their staging.
    """
    step, rest = piece[:1], piece[1:]
    if step == b"t":
        edge.clock.advance(int(rest[:4]) / 10 if rest[:4].isdigit() else 1.0)
    elif step in {b"y", b"n"}:
        for staging in edge.stager.stagings:
            if not staging.over:
                (staging.succeed if step == b"y" else staging.fail)()
    else:
        data = _fill_placeholders(edge, rest)
        result.timed(edge.layer.receive_message, data, SOURCES.get(step, ALICE))


def _fill_placeholders(edge: Conversation, data: bytes) -> bytes:
    """Replace LIVE placeholders by what a peer knows: our newest branch, Route and To tag."""
    if b"LIVE" not in data:
        return data
    for sent, flow in reversed(edge.transport.sent):
        message = parse(sent)
        if isinstance(message, Request) and message.method != b"ACK":
            data = data.replace(b"LIVE-BRANCH", message.branch)
        if flow.host == BOB.host and b"record-route" in message.names:
            data = data.replace(b"LIVE-ROUTE", message.values(b"record-route")[0])
        if isinstance(message, Response):
            with suppress(Malformed):
                data = data.replace(b"LIVE-TAG", message.to_tag or b"none")
    return data
