"""An independent parser as an oracle, on messages where both should agree.

It rejects folded fields, ``sip:a@b?x=y``, ``urn:`` and ``SIP:`` in upper case, and IPv6 in
``received``; none of them occurs here.
"""

from __future__ import annotations

from urllib.parse import unquote

import pytest
import sipmessage
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.sip.message import Request, Response
from sip_stager.sip.parser import parse
from tests.support.torture import ANSWER, TORTURE, VALID

TOKEN = st.text("abcXYZ019-._", min_size=1, max_size=8)
HOST = st.sampled_from(["b.example", "192.0.2.1", "[2001:db8::1]", "B"])
PORT = st.none() | st.integers(1, 65535)
DISPLAY = st.sampled_from(["", '"A, \\"B\\"" ', '";tag=1" ', "Alice "])
METHOD = st.sampled_from(["INVITE", "BYE", "OPTIONS", "REFER"])

# The messages of RFC 4475 that the oracle can parse, valid and invalid ones.
AGREED = ["esc01", "esc02", "escnull", "mpart01", "transports", "unreason"]


@st.composite
def uris(draw: st.DrawFn) -> str:
    user, port = draw(st.none() | TOKEN), draw(PORT)
    text = "sip:" + (f"{user}@" if user else "") + draw(HOST) + (f":{port}" if port else "")
    return text + draw(st.sampled_from(["", ";lr", ";transport=tcp", ";user=phone;x=1"]))


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    method, port = draw(METHOD), draw(PORT)
    sent_by = draw(HOST) + (f":{port}" if port else "")
    from_name, from_uri, to_name, to_uri = draw(st.tuples(DISPLAY, uris(), DISPLAY, uris()))
    via = f"{sent_by};branch=z9hG4bK{draw(TOKEN)}" + draw(st.sampled_from(["", ";rport", ";x=1"]))
    lines = [
        f"{method} {draw(uris())} SIP/2.0",
        f"{draw(st.sampled_from(['Via', 'v', 'VIA']))}: SIP/2.0/UDP {via}",
        f"{draw(st.sampled_from(['From', 'f']))}: {from_name}<{from_uri}>;tag={draw(TOKEN)}",
        f"To: {to_name}<{to_uri}>" + draw(st.sampled_from(["", ";tag=2"])),
        f"Call-ID: {draw(TOKEN)}@x",
        f"CSeq: {draw(st.integers(0, 2**31 - 1))} {method}",
        "Contact: <sip:a@b>, <sip:c@d>;q=0.5",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def host(text: str) -> str:
    return text.strip("[]").lower()


def compare(ours: Request | Response, theirs: sipmessage.Message) -> None:
    via, judged = ours.top_via, theirs.via[0]
    assert (via.transport, via.host, via.port) == (judged.transport, host(judged.host), judged.port)
    assert via.branch.decode() == judged.parameters["branch"]
    assert ours.call_id.decode() == theirs.call_id
    cseq = theirs.cseq
    assert cseq is not None
    assert ours.cseq == (cseq.sequence, cseq.method.encode())
    for mine, judge in ((ours.from_, theirs.from_address), (ours.to, theirs.to_address)):
        assert judge is not None
        assert mine.tag.decode() == (judge.parameters.get("tag") or "")
        assert unquote((mine.uri.user or b"").decode()) == (judge.uri.user or "")
        assert mine.uri.host == host(judge.uri.host)
        assert mine.uri.port == judge.uri.port


@given(requests())
def test_both_parsers_read_a_request_alike(data: bytes) -> None:
    ours, theirs = parse(data), sipmessage.Message.parse(data)
    assert isinstance(ours, Request)
    assert isinstance(theirs, sipmessage.Request)
    assert ours.method.decode() == theirs.method
    assert ours.uri_text.decode() == str(theirs.uri)
    assert ours.uri.host == host(theirs.uri.host)
    assert (ours.uri.user or b"").decode() == (theirs.uri.user or "")
    compare(ours, theirs)


@pytest.mark.parametrize("name", AGREED)
def test_both_parsers_read_a_torture_message_alike(name: str) -> None:
    compare(parse(TORTURE[name]), sipmessage.Message.parse(VALID[name]))


def test_both_parsers_read_a_response_alike() -> None:
    ours, theirs = parse(ANSWER), sipmessage.Message.parse(ANSWER)
    assert isinstance(ours, Response)
    assert isinstance(theirs, sipmessage.Response)
    assert (ours.status, ours.reason.decode()) == (theirs.code, theirs.phrase)
    compare(ours, theirs)
