"""RFC 3261 17.1.1.3 and 9.1: the fields of an ACK and a CANCEL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.sip.message import Request
from sip_stager.sip.parser import check_request, parse
from sip_stager.transaction.hop_by_hop import make_ack, make_cancel
from tests.support.messages import request, response

if TYPE_CHECKING:
    from tests.transaction.layer_scene import Scene

INVITE = request(
    branch="z9hG4bK-ours",
    cseq=986759,
    max_forwards="12",
    extra=(
        "Via: SIP/2.0/UDP 192.0.2.8;branch=z9hG4bK-2",
        "Route: <sip:192.0.2.3;lr>, <sip:192.0.2.4;lr>",
        "Require: 100rel",
        "Proxy-Require: privacy",
        "Subject: x",
        "Route: <sip:192.0.2.5;lr>",
        "Content-Type: text/plain",
    ),
    body="body",
)
REFUSAL = response(INVITE, 486)


def ack() -> Request:
    return make_ack(INVITE, REFUSAL)


def cancel() -> Request:
    return make_cancel(INVITE, [])


BOTH = pytest.mark.parametrize("made", [ack(), cancel()], ids=["ack", "cancel"])


@BOTH
@pytest.mark.parametrize("name", [b"from", b"call-id"])
def test_from_and_call_id_are_those_of_the_invite(made: Request, name: bytes) -> None:
    """RFC 3261 17.1.1.3: "The ACK request constructed by the client transaction MUST contain values
    for the Call-ID, From, and Request-URI that are equal to the values of those header fields in
    the request passed to the transport by the client transaction"

    RFC 3261 9.1: "The Request-URI, Call-ID, To, the numeric part of CSeq, and From header fields in
    the CANCEL request MUST be identical to those in the request being cancelled, including tags."
    """
    assert made.values(name) == INVITE.values(name)
    assert made.uri_text == INVITE.uri_text


def test_the_to_of_an_ack_is_that_of_the_response(scene: Scene) -> None:
    """RFC 3261 17.1.1.3: "The To header field in the ACK MUST equal the To header field in the
    response being acknowledged"
    """
    assert ack().values(b"to") == REFUSAL.values(b"to")
    assert ack().to_tag == b"bob"


def test_the_ack_of_a_response_without_a_to_has_the_to_of_the_invite() -> None:
    made = make_ack(INVITE, REFUSAL.without(b"to"))
    assert made.values(b"to") == INVITE.values(b"to")


@pytest.mark.parametrize("to_tag", ["", "bob"])
def test_the_to_of_a_cancel_is_that_of_the_invite(to_tag: str) -> None:
    invite = request(to_tag=to_tag)
    made = make_cancel(invite, [])
    assert made.values(b"to") == invite.values(b"to")
    assert made.to_tag == to_tag.encode()


@BOTH
def test_the_only_via_is_the_top_one_of_the_invite(made: Request) -> None:
    """RFC 3261 17.1.1.3: "The ACK MUST contain a single Via header field, and this MUST be equal to
    the top Via header field of the original request."

    RFC 3261 9.1: "A CANCEL constructed by a client MUST have only a single Via header field value
    matching the top Via value in the request being cancelled."
    """
    assert made.values(b"via") == INVITE.values(b"via")[:1]


@BOTH
def test_the_cseq_has_the_number_of_the_invite_and_its_own_method(made: Request) -> None:
    """RFC 3261 17.1.1.3: "The CSeq header field in the ACK MUST contain the same value for the
    sequence number as was present in the original request, but the method parameter MUST be equal
    to "ACK"."

    RFC 3261 9.1: "However, the method part of the CSeq header field MUST have a value of CANCEL."
    """
    assert made.cseq == (986759, made.method)


@BOTH
def test_every_route_of_the_invite_is_copied_in_order(made: Request) -> None:
    """RFC 3261 17.1.1.3: "If the INVITE request whose response is being acknowledged had Route
    header fields, those header fields MUST appear in the ACK."

    RFC 3261 9.1: "If the request being cancelled contains a Route header field, the CANCEL request
    MUST include that Route header field's values."
    """
    assert made.values(b"route") == INVITE.values(b"route")


@BOTH
def test_there_is_no_require(made: Request) -> None:
    """RFC 3261 9.1: "The CANCEL request MUST NOT contain any Require or Proxy-Require header
    fields."
    """
    assert not {b"require", b"proxy-require"} & set(made.names)


@BOTH
def test_there_is_no_body(made: Request) -> None:
    """RFC 3261 17.1.1.3: "Therefore, placement of bodies in ACK for non-2xx is NOT RECOMMENDED"."""
    assert made.body == b""
    assert made.values(b"content-length") == [b"0"]
    assert made.values(b"content-type") == []


@BOTH
def test_max_forwards_is_70_and_the_request_is_valid(made: Request) -> None:
    """RFC 3261 8.1.1: "A valid SIP request formulated by a UAC MUST, at a minimum, contain the
    following header fields: To, From, CSeq, Call-ID, Max-Forwards, and Via"
    """
    assert made.values(b"max-forwards") == [b"70"]
    message = parse(bytes(made))
    assert isinstance(message, Request)
    check_request(message)


def test_a_cancel_has_the_reasons_of_the_caller() -> None:
    """RFC 3326 2: the Reason of the caller's CANCEL is copied to ours."""
    reasons = [
        b'Reason: SIP ;cause=200 ;text="Call completed elsewhere"',
        b"Reason: Q.850;cause=16",
    ]
    made = make_cancel(INVITE, reasons)
    assert [made.fields[i] for i, n in enumerate(made.names) if n == b"reason"] == reasons
