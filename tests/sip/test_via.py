from __future__ import annotations

import pytest

from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.via import branch_of, make_via, parse_via, with_source


def stamp(value: bytes, host: str = "192.0.2.1", port: int = 1024) -> bytes:
    return with_source(value, parse_via(value), host, port)


@pytest.mark.parametrize(
    ("value", "transport", "sent_by"),
    [
        (b"SIP/2.0/UDP h", "UDP", ("h", 5060)),
        (b"sip/2.0/tcp H.Example:5070;branch=z9hG4bK1", "TCP", ("h.example", 5070)),
        (
            b" SIP  /   2.0  / TCP   192.0.2.1 : 5061 ;branch = z9hG4bK1 ",
            "TCP",
            ("192.0.2.1", 5061),
        ),
        (b"SIP/2.0/UDP [2001:DB8::1]:5062;lr", "UDP", ("2001:db8::1", 5062)),
        (b"SIP/2.0/TLS-SCTP h ;x", "TLS-SCTP", ("h", 5060)),
        (b"SIP/7.0/UDP h", "UDP", ("h", 5060)),
    ],
)
def test_a_via_is_parsed_into_its_parts(
    value: bytes, transport: str, sent_by: tuple[str, int]
) -> None:
    via = parse_via(value)
    assert (via.transport, via.sent_by) == (transport, sent_by)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"SIP/2.0/UDP",
        b"HTTP/1.1/TCP h",
        b"SIP/2.0 h",
        b"SIP/2.0/UDPh",
        b"SIP/2.0/UDP h:0",
        b"SIP/2.0/UDP h:65536",
        b"SIP/2.0/UDP h:",
        b"SIP/2.0/UDP 2001:db8::1",
        b"SIP/2.0/UDP h x",
        b"SIP/2.0/UDP h, SIP/2.0/UDP i",
    ],
)
def test_an_invalid_via_is_malformed(value: bytes) -> None:
    with pytest.raises(Malformed):
        parse_via(value)


@pytest.mark.parametrize("parameters", [b";", b";;branch=z9hG4bK1", b";=", b';x="', b";x y"])
def test_invalid_parameters_leave_the_sent_by(parameters: bytes) -> None:
    via = parse_via(b"SIP/2.0/UDP h:5070" + parameters)
    assert (via.sent_by, via.branch, via.readable) == (("h", 5070), b"", False)
    assert parse_via(b"SIP/2.0/UDP h;branch=z9hG4bK1").readable


def test_the_cookie_alone_is_not_a_branch() -> None:
    """RFC 4475 3.2.1: the cookie announces an identifier, and none follows."""
    assert parse_via(b"SIP/2.0/UDP h;branch=z9hG4bK").branch == b""
    assert parse_via(b"SIP/2.0/UDP h;branch=z9hG4bK1").branch == b"z9hG4bK1"


@pytest.mark.parametrize("received", [b"2001:db8::9:255", b"[2001:db8::9:255]"])
def test_received_is_read_with_brackets_and_without(received: bytes) -> None:
    """RFC 5118 4.5."""
    via = parse_via(b"SIP/2.0/UDP [2001:db8::9:1];received=" + received + b";branch=z9hG4bK1")
    assert (via.host, via.branch, via.readable) == ("2001:db8::9:1", b"z9hG4bK1", True)
    assert via.parameters[b"received"] == received
    noted = stamp(b"SIP/2.0/UDP [2001:db8::9:1];received=" + received + b";x", "2001:db8::2")
    assert noted == b"SIP/2.0/UDP [2001:db8::9:1];x;received=2001:db8::2"


def test_the_branch_is_found_without_parsing_the_rest() -> None:
    assert branch_of(b"SIP/2.0/UDP h ; Branch = z9hG4bK1;x") == b"z9hG4bK1"
    for value in (b"SIP/2.0/UDP h", b"SIP/2.0/UDP h;branch", b"SIP/2.0/UDP h;xbranch=1"):
        with pytest.raises(Malformed):
            branch_of(value)


@pytest.mark.parametrize(
    ("value", "noted"),
    [  # RFC 3261 18.2.1: received where the source is not the host of sent-by
        (b"SIP/2.0/UDP 192.0.2.1;branch=1", b"SIP/2.0/UDP 192.0.2.1;branch=1"),
        (b"SIP/2.0/UDP 192.0.2.1:9;branch=1", b"SIP/2.0/UDP 192.0.2.1:9;branch=1"),
        (b"SIP/2.0/UDP h;branch=1 ", b"SIP/2.0/UDP h;branch=1;received=192.0.2.1"),
        # RFC 3581 4: rport gets the source port, and received is always beside it
        (b"SIP/2.0/UDP 192.0.2.1;rport", b"SIP/2.0/UDP 192.0.2.1;rport=1024;received=192.0.2.1"),
        (b"SIP/2.0/UDP h; RPORT ;x", b"SIP/2.0/UDP h;rport=1024;x;received=192.0.2.1"),
        # values that the peer wrote are replaced
        (b"SIP/2.0/UDP 192.0.2.1;received=6.6.6.6;x", b"SIP/2.0/UDP 192.0.2.1;x"),
        (b"SIP/2.0/UDP 192.0.2.1;received", b"SIP/2.0/UDP 192.0.2.1"),
        (b"SIP/2.0/UDP h;Received = 6.6.6.6;received=7", b"SIP/2.0/UDP h;received=192.0.2.1"),
        (b"SIP/2.0/UDP h;received;x", b"SIP/2.0/UDP h;x;received=192.0.2.1"),
        (b"SIP/2.0/UDP h;rport=66", b"SIP/2.0/UDP h;rport=1024;received=192.0.2.1"),
        (b"SIP/2.0/UDP h;rport=6x", b"SIP/2.0/UDP h;rport=1024;received=192.0.2.1"),
        (b"SIP/2.0/UDP h;rport-x=1", b"SIP/2.0/UDP h;rport-x=1;received=192.0.2.1"),
        (b"SIP/2.0/UDP h;receivedx=1", b"SIP/2.0/UDP h;receivedx=1;received=192.0.2.1"),
    ],
)
def test_the_real_source_is_added_to_a_via(value: bytes, noted: bytes) -> None:
    """RFC 3261 18.2.1, RFC 3581 4: ``received`` and ``rport`` are set by us, and values
    that the peer wrote are replaced.
    """
    assert stamp(value) == noted
    assert parse_via(noted).parameters.get(b"rport") in {None, b"1024"}


def test_a_via_with_the_real_source_is_unchanged() -> None:
    value = b"SIP/2.0/UDP 192.0.2.1;branch=1"
    assert stamp(value) is value


def test_ipv6_is_compared_without_brackets_and_written_without_them() -> None:
    assert stamp(b"SIP/2.0/UDP [2001:db8::1]", "2001:db8::1") == b"SIP/2.0/UDP [2001:db8::1]"
    noted = stamp(b"SIP/2.0/UDP [2001:db8::1];rport", "2001:db8::2")
    assert noted == b"SIP/2.0/UDP [2001:db8::1];rport=1024;received=2001:db8::2"


def test_our_own_via_is_parsed_back() -> None:
    for host in ("192.0.2.1", "2001:db8::1"):
        via = parse_via(make_via("UDP", host, 5070, b"z9hG4bK1").removeprefix(b"Via: "))
        assert (via.transport, via.sent_by, via.branch) == ("UDP", (host, 5070), b"z9hG4bK1")
