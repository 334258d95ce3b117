"""The validation of requests, and the responses to invalid ones (RFC 3261 16.3, 8.2; RFC 5393)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.sip.message import Response
from sip_stager.sip.parser import parse
from tests.support.conversation import ALICE, BOB, ROUTE, STRANGER, Conversation
from tests.support.messages import request

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request

OURS = "sip:+33612345678@198.51.100.1"


@pytest.fixture
def edge() -> Conversation:
    return Conversation()


def later(
    method: str = "BYE", *extra: str, branch: str = "z9hG4bK-later", hops: str | None = "70"
) -> Request:
    """Return a request of alice's dialog."""
    return request(
        method, "sip:bob@192.0.2.2", branch=branch, to_tag="bob", cseq=2,
        extra=(ROUTE, *extra), max_forwards=hops,
    )  # fmt: skip


def sent_back(forwarded: Request, uri: str, *, number: int = 1) -> Request:
    """Send a request of bob back to us, as another proxy would."""
    via = b"Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK-bob-%d" % number
    return forwarded.with_uri(uri.encode()).with_first(b"via", via)


# Step 1: reasonable syntax


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REGISTER"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sip:+33612345678@198.51.100.1 SIP", "sip:a@b:99999 SIP"),
        ("sip:+33612345678@198.51.100.1 SIP", "+33612345678 SIP"),
        ("Max-Forwards: 70", "Max-Forwards: many"),
        ("Max-Forwards: 70", "Max-Forwards:"),
        ("Max-Forwards: 70", "Max-Forwards: -1"),
        ("Contact: ", 'Route: "<sip:a\r\nContact: '),
        ("Contact: ", "Route:\r\nContact: "),
        ("Contact: ", 'Proxy-Require: "a,b\r\nContact: '),
        ("CSeq: 1 ", "CSeq: one "),
        ("CSeq: 1 ", "CSeq: 2147483648 "),
    ],
)
def test_fields_that_the_proxy_uses_must_be_well_formed(
    edge: Conversation, method: str, old: str, new: str
) -> None:
    """RFC 3261 16.3 step 1: "Any components involved in the remainder of these Request Validation
    steps or the Request Forwarding section MUST be well-formed."
    """
    text = bytes(request(method)).decode()
    assert old in text
    edge.receive(text.replace(old, new, 1).encode())
    assert [data[:12] for data, _ in edge.transport.sent] == [b"SIP/2.0 400 "]
    assert edge.alive == 0


@pytest.mark.parametrize(
    "field",
    ["Date: yesterday", "Contact: <<>>", 'Subject: "', "Expires: soon", "Supported: ,,", "Allow: @",
     "Record-Route: ;;", "Content-Type: =", "Session-Expires: \u00e9", "P-Asserted-Identity: <"],
)  # fmt: skip
def test_malformed_fields_that_the_proxy_does_not_use_are_forwarded(
    edge: Conversation, field: str
) -> None:
    """RFC 3261 16.3 step 1: "Any other components, well-formed or not, SHOULD be ignored and remain
    unchanged when the message is forwarded."
    """
    assert field.encode() in bytes(edge.forward(request(extra=(field,))))


@pytest.mark.parametrize("method", ["FOO", "!%*_+`'~", "PUBLISH", "invite"])
def test_an_unknown_method_or_header_field_is_forwarded(edge: Conversation, method: str) -> None:
    """RFC 3261 16.3 step 1: "An element MUST NOT refuse to proxy a request because it contains a
    method or header field it does not know about."
    """
    sent = edge.relay(later(method, "X-New: thing"))
    assert (sent.method, sent.value(b"x-new")) == (method.encode(), b"thing")


# Step 2: URI scheme


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "BYE"])
@pytest.mark.parametrize(
    "uri", ["http://198.51.100.1", "sips:+33612345678@198.51.100.1", "urn:service:sos", "a.b+c-d:e"]
)
def test_an_unknown_scheme_is_answered_416(edge: Conversation, method: str, uri: str) -> None:
    """RFC 3261 16.3 step 2: "If the Request-URI has a URI whose scheme is not understood by the
    proxy, the proxy SHOULD reject the request with a 416."
    """
    edge.receive(request(method, uri))
    assert edge.take() == [f"alice 416 {method}"]
    assert edge.alive == 0


@pytest.mark.parametrize("uri", ["SIP:+33612345678@198.51.100.1", "tel:+33612345678"])
def test_sip_and_tel_are_understood(edge: Conversation, uri: str) -> None:
    """RFC 3261 19.1.4: "Comparison of all other components of the URI is case-insensitive", the
    scheme's too; RFC 3966 names numbers.
    """
    sent = edge.forward(request(uri=uri)).uri_text
    assert sent.removesuffix(b";user=phone") == b"sip:+33612345678@192.0.2.2:5060"


# Step 3: Max-Forwards


@pytest.mark.parametrize("hops", [None, "1", "70", "00001", "255"])
def test_a_request_with_hops_left_or_without_max_forwards_is_valid(
    edge: Conversation, hops: str | None
) -> None:
    """RFC 3261 16.3 step 3: "If the request does not contain a Max-Forwards header field, this
    check is passed."
    """
    assert edge.forward(request(max_forwards=hops)).method == b"INVITE"


@pytest.mark.parametrize("hops", ["0", "000"])
@pytest.mark.parametrize(
    "first",
    [request(), request("REGISTER"), later(), later("INVITE"), later("OPTIONS"), later("FOO")],
    ids=lambda first: first.method.decode() + first.to_tag.decode(),
)
def test_a_request_without_hops_left_is_answered_483(
    edge: Conversation, first: Request, hops: str
) -> None:
    """RFC 3261 16.3 step 3: "If the request contains a Max-Forwards header field with a field value
    of zero (0), the element MUST NOT forward the request."
    """
    edge.receive(bytes(first).replace(b"Max-Forwards: 70", b"Max-Forwards: " + hops.encode()))
    assert edge.take() == [f"alice 483 {first.method.decode()}"]
    assert not edge.stager.stagings
    assert edge.alive == 0


def test_options_without_hops_left_is_answered_by_the_proxy(edge: Conversation) -> None:
    """RFC 3261 16.3 step 3: "If the request was for OPTIONS, the element MAY act as the final
    recipient and respond per Section 11."
    """
    edge.receive(request("OPTIONS", "sip:carol@elsewhere.example", max_forwards="0"))
    assert edge.take() == ["alice 200 OPTIONS"]


def test_an_ack_without_hops_left_is_dropped(edge: Conversation) -> None:
    """RFC 3261 16.11: stateless forwarding validates as well (16.3), and an ACK has no response
    (17).
    """
    edge.receive(later("ACK", hops="0"))
    assert edge.take() == []
    assert edge.dropped == ["stray_ack"]


# Step 4: loops


def test_a_request_that_comes_back_unchanged_has_looped(edge: Conversation) -> None:
    """RFC 3261 16.3 step 4: "If the parameters match, the request has looped." """
    forwarded = edge.forward(request())
    edge.take()
    edge.receive(sent_back(forwarded, OURS), BOB)
    assert edge.take() == ["bob 482 INVITE"]
    assert len(edge.stager.stagings) == 1


def test_a_request_that_comes_back_for_another_target_is_a_spiral_once(
    edge: Conversation,
) -> None:
    """RFC 3261 16.3 step 4: "If they differ, the request is spiraling, and processing
    continues."
    """
    first = edge.forward(request())
    second = edge.forward(sent_back(first, first.uri_text.decode()), BOB)
    assert len(second.values(b"via")) == 4
    edge.take()
    edge.receive(sent_back(second, second.uri_text.decode(), number=2), BOB)
    assert edge.take() == ["bob 482 INVITE"]


def test_a_call_for_the_mapped_number_is_a_spiral_once() -> None:
    """RFC 3261 16.3 step 4: "If they differ, the request is spiraling, and processing
    continues."
    """
    edge = Conversation(request_uri="e164")
    edge.admission.number = "+33366725530"
    first = edge.forward(request(uri="sip:0366725530@198.51.100.1"))
    second = edge.forward(sent_back(first, "sip:+33366725530@198.51.100.1"), BOB)
    assert second.uri_text == first.uri_text
    edge.take()
    edge.receive(sent_back(second, "sip:+33366725530@198.51.100.1", number=2), BOB)
    assert edge.take() == ["bob 482 INVITE"]


@pytest.mark.parametrize(
    "changed",
    [
        (b"sip:+33612345678@198.51.100.1 SIP", b"sip:+33612345679@198.51.100.1 SIP"),
        (b";tag=alice", b";tag=other"),
        (b"CSeq: 1 ", b"CSeq: 2 "),
        (b"Call-ID: call-1", b"Call-ID: call-2"),
        (b"Contact: ", b"Proxy-Authorization: Digest x\r\nContact: "),
        (b"Contact: ", b"Route: <sip:p2.example;lr>\r\nContact: "),
    ],
    ids=["Request-URI", "From", "CSeq", "Call-ID", "Proxy-Authorization", "Route"],
)
def test_a_change_of_a_routing_field_makes_a_spiral(
    edge: Conversation, changed: tuple[bytes, bytes]
) -> None:
    """RFC 3261 16.6 step 8: the branch "SHOULD reflect all of those fields (including any Route,
    Proxy-Require and Proxy-Authorization header fields)"; RFC 5393 4.2.
    """
    back = bytes(sent_back(edge.forward(request()), OURS))
    assert changed[0] in back
    edge.take()
    edge.receive(back.replace(*changed, 1), BOB)
    assert edge.take() == ["bob 100 INVITE"]


def test_each_row_of_a_route_is_in_the_digest(edge: Conversation) -> None:
    """RFC 3261 16.6 step 8: "any Route": two that differ only in their second row are no loop."""
    rows = ("Route: <sip:192.0.2.2;lr>", "Route: <sip:p1.example;lr>")
    forwarded = edge.relay(later("BYE", *rows))
    back = bytes(sent_back(forwarded, "sip:bob@192.0.2.2").with_first(b"route", ROUTE.encode()))
    edge.take()
    edge.receive(back.replace(b"p1.example", b"p2.example"), BOB)
    assert edge.take() == ["bob BYE"]
    edge.receive(back.replace(b"z9hG4bK-bob-1", b"z9hG4bK-bob-2"), BOB)
    assert edge.take() == ["bob 482 BYE"]


@pytest.mark.parametrize(
    "changed",
    [
        (b"Max-Forwards: 69", b"Max-Forwards: 5"),
        (b"Contact: ", b"Record-Route: <sip:p2.example;lr>\r\nContact: "),
        (b"Contact: ", b"X-Added: by bob\r\nContact: "),
        (b"Contact: <sip:alice@192.0.2.1>", b"Contact: <sip:hidden@192.0.2.2>"),
    ],
    ids=["Max-Forwards", "Record-Route", "unknown", "Contact"],
)
def test_a_change_of_any_other_field_is_still_a_loop(
    edge: Conversation, changed: tuple[bytes, bytes]
) -> None:
    """RFC 5393 4.2: a request is a loop if the fields that decide its routing have not changed."""
    back = bytes(sent_back(edge.forward(request()), OURS))
    assert changed[0] in back
    edge.take()
    edge.receive(back.replace(*changed, 1), BOB)
    assert edge.take() == ["bob 482 INVITE"]


def test_a_loop_inside_a_dialog_is_detected(edge: Conversation) -> None:
    """RFC 3261 16.3 step 4: for every method."""
    forwarded = edge.relay(later("UPDATE"))
    edge.take()
    back = sent_back(forwarded, "sip:bob@192.0.2.2").with_first(b"route", ROUTE.encode())
    edge.receive(back, BOB)
    assert edge.take() == ["bob 482 UPDATE"]


@pytest.mark.parametrize(
    "via",
    [
        "SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK-forged",
        "SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK0123456789abcdef01234567.0123456789abcdef",
        "SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK-forged;received=198.51.100.1",
    ],
)
def test_a_foreign_via_with_our_address_is_no_loop(edge: Conversation, via: str) -> None:
    """RFC 3261 16.3 step 4: a sent-by that equals ours is not enough; "the branch parameter
    calculation" decides, and ours is keyed.
    """
    assert edge.forward(request(extra=(f"Via: {via}",))).method == b"INVITE"


# Step 5: Proxy-Require


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS", "REGISTER"])
def test_all_required_extensions_are_listed_as_unsupported(edge: Conversation, method: str) -> None:
    """RFC 3261 16.3 step 5: "The response MUST include an Unsupported (Section 20.40) header field
    listing those option-tags the element did not understand."
    """
    edge.receive(request(method, extra=("Proxy-Require: foo, bar", "proxy-require:baz")))
    assert edge.take() == [f"alice 420 {method}"]
    assert edge.last_response("alice").values(b"unsupported") == [b"foo", b"bar", b"baz"]
    assert edge.alive == 0


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        (("Proxy-Require: privacy",), []),
        (("proxy-require:\tPRIVACY",), []),
        (("Proxy-Require: privacy, Privacy",), []),
        (("Proxy-Require: privacy", "Proxy-Require:"), [b"Proxy-Require:"]),
    ],
)
@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "BYE"])
def test_privacy_is_performed_and_its_tag_removed(
    edge: Conversation, method: str, rows: tuple[str, ...], left: list[bytes]
) -> None:
    """RFC 3323 5: a privacy service removes the tag of what it performed."""
    if method == "INVITE":
        sent = edge.forward(request(extra=(*rows, "Privacy: id")))
    else:
        sent = edge.relay(later(method, *rows))
    assert (sent.method, sent.rows(b"proxy-require")) == (method.encode(), left)


@pytest.mark.parametrize("row", ["privacy, foo", "foo,privacy", "PRIVACY , foo"])
def test_other_extensions_beside_privacy_are_unsupported(edge: Conversation, row: str) -> None:
    """RFC 3261 16.3 step 5: only those "the element did not understand" are listed."""
    edge.receive(request(extra=(f"Proxy-Require: {row}",)))
    assert edge.take() == ["alice 420 INVITE"]
    assert edge.last_response("alice").values(b"unsupported") == [b"foo"]


def test_extensions_are_refused_inside_a_dialog_as_well(edge: Conversation) -> None:
    """RFC 3261 16.3 step 5: "the element MUST return a 420 (Bad Extension) response." """
    edge.receive(later("UPDATE", "Proxy-Require: foo"))
    assert edge.take() == ["alice 420 UPDATE"]


def test_an_empty_proxy_require_is_ignored(edge: Conversation) -> None:
    """RFC 3261 16.3 step 5: the rule is for "one or more option-tags"."""
    assert edge.forward(request(extra=("Proxy-Require:",))).method == b"INVITE"


def test_require_is_left_to_the_callee(edge: Conversation) -> None:
    """RFC 3261 20.32: Require is for the UAS; extensions for proxies are in Proxy-Require
    (20.29).
    """
    assert edge.forward(request(extra=("Require: 100rel",))).value(b"require") == b"100rel"


def test_proxy_require_in_an_ack_is_ignored(edge: Conversation) -> None:
    """RFC 3261 8.2.2.3: "Note that Require and Proxy-Require MUST NOT be used in a SIP CANCEL
    request, or in an ACK request sent for a non-2xx response. These header fields MUST be ignored
    if they are present in these requests."
    """
    edge.receive(later("ACK", "Proxy-Require: foo"))
    edge.receive(request("CANCEL", extra=("Proxy-Require: foo",)))
    assert edge.take() == ["bob ACK", "alice 481 CANCEL"]


# The order of the steps


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        (((b"INVITE sip:", b"INVITE sips:"), (b"Forwards: 69", b"Forwards: x")), 400),
        (((b"INVITE sip:", b"INVITE sips:"), (b"Forwards: 69", b"Forwards: 0")), 416),
        (((b"Forwards: 69", b"Forwards: 0"),), 483),
        (((b"Forwards: 69", b"Forwards: 0"), (b"Contact:", b"Proxy-Require: a\r\nContact:")), 483),
        (((b"Breadth: 60", b"Breadth: 0"),), 482),
        (((b"Breadth: 60", b"Breadth: 0"), (b"Contact:", b"Proxy-Require: a\r\nContact:")), 420),
    ],
)
def test_the_checks_are_in_the_order_of_the_rfc(
    edge: Conversation, changes: tuple[tuple[bytes, bytes], ...], status: int
) -> None:
    """RFC 3261 16.3: "A valid message must pass the following checks: 1. Reasonable Syntax 2. URI
    scheme 3. Max-Forwards 4. (Optional) Loop Detection 5. Proxy-Require": a loop with two faults.
    """
    back = bytes(sent_back(edge.forward(request()), OURS))
    for old, new in changes:
        assert old in back
        back = back.replace(old, new, 1)
    edge.take()
    edge.receive(back, BOB)
    assert edge.take() == [f"bob {status} INVITE"]


# RFC 5393 5: Max-Breadth


@pytest.mark.parametrize("breadth", ["0", "00"])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_request_without_breadth_is_answered_440(
    edge: Conversation, method: str, breadth: str
) -> None:
    """RFC 5393 5.3.3: if Max-Breadth does not suffice, "that proxy MUST return a 440 (Max-Breadth
    Exceeded) response."
    """
    field = f"Max-Breadth: {breadth}"
    edge.receive(request(extra=(field,)) if method == "INVITE" else later(method, field))
    assert edge.take() == [f"alice 440 {method}"]
    assert edge.last_response("alice").reason == b"Max-Breadth Exceeded"
    assert edge.alive == 0


# 8.2: the responses of the proxy itself


@pytest.mark.parametrize(
    "method", ["REGISTER", "MESSAGE", "SUBSCRIBE", "PUBLISH", "REFER", "bye", "FOO"]
)
def test_other_methods_outside_a_dialog_are_answered_405_with_allow(
    edge: Conversation, method: str
) -> None:
    """RFC 3261 8.2.1: "If the UAS recognizes but does not support the method of a request, it MUST
    generate a 405 (Method Not Allowed) response. [...] The UAS MUST also add an Allow header
    field".
    """
    edge.receive(request(method))
    assert edge.take() == [f"alice 405 {method}"]
    allowed = edge.last_response("alice").values(b"allow")
    assert b"INVITE" in allowed
    assert method.encode() not in allowed


@pytest.mark.parametrize("source", [ALICE, BOB], ids=["trunk", "upstream"])
@pytest.mark.parametrize("method", ["BYE", "PRACK", "UPDATE", "INFO", "NOTIFY"])
def test_a_method_of_dialogs_outside_a_dialog_is_answered_481(
    edge: Conversation, method: str, source: Flow
) -> None:
    """RFC 3261 15.1.2: "If the BYE does not match an existing dialog, the UAS core SHOULD generate
    a 481 (Call/Transaction Does Not Exist) response and pass that to the server transaction."

    RFC 3262 3: "If a PRACK request is received by the UA core that does not match any
    unacknowledged reliable provisional response, the UAS MUST respond to the PRACK with a 481
    response."

    RFC 6086 4.2.2: an INFO that matches no INVITE dialog usage gets 481.
    """
    edge.receive(request(method, via=f"SIP/2.0/UDP {source.host}:5060"), source)
    answer = parse(edge.transport.sent[-1][0])
    assert isinstance(answer, Response)
    assert (answer.status, answer.cseq_method) == (481, method.encode())
    assert b"allow" not in answer.names
    assert edge.alive == 0


def test_no_method_in_allow_is_answered_405(edge: Conversation) -> None:
    """RFC 3261 20.5: "The Allow header field lists the set of methods supported by the UA
    generating the message."
    """
    edge.receive(request("OPTIONS"))
    for number, method in enumerate(edge.last_response("alice").values(b"allow")):
        edge.receive(request(method.decode(), branch=f"z9hG4bK-{number}"))
    statuses = {one.status for _, one in edge.messages() if isinstance(one, Response)}
    assert statuses == {200, 100, 481}


def test_a_retransmission_is_not_a_merged_request(edge: Conversation) -> None:
    """RFC 3261 8.2.2.2: "but the request does not match that transaction": the same branch
    does.
    """
    edge.forward(request())
    edge.take()
    edge.receive(request())
    assert edge.take() == ["alice 100 INVITE"]


def test_options_with_require_is_answered_420(edge: Conversation) -> None:
    """RFC 3261 8.2.2.3: "If a UAS does not understand an option-tag listed in a Require header
    field, it MUST respond by generating a response with status code 420."
    """
    edge.receive(request("OPTIONS", extra=("Require: foo", "Require: bar")))
    assert edge.take() == ["alice 420 OPTIONS"]
    assert edge.last_response("alice").values(b"unsupported") == [b"foo", b"bar"]


def test_an_unreadable_require_is_answered_400(edge: Conversation) -> None:
    """RFC 3261 21.4.1: "The request could not be understood due to malformed syntax." """
    edge.receive(request("OPTIONS", extra=('Require: "a,b',)))
    assert edge.take() == ["alice 400 OPTIONS"]


@pytest.mark.parametrize("field", ["Proxy-Require", "Require"])
def test_very_many_extensions_are_answered_400(edge: Conversation, field: str) -> None:
    """RFC 3261 16.3 step 5: the rule would list them all; 60 kB of them would cost us more than the
    sender.
    """
    edge.receive(request("OPTIONS", extra=(f"{field}: " + ",".join(["a"] * 250),) * 2))
    assert edge.take() == ["alice 400 OPTIONS"]


def test_options_is_answered_with_our_capabilities(edge: Conversation) -> None:
    """RFC 3261 11.2: "Allow, Accept, Accept-Encoding, Accept-Language, and Supported header fields
    SHOULD be present in a 200 (OK) response to an OPTIONS request."
    """
    edge.receive(request("OPTIONS", "sip:198.51.100.1"))
    answer = edge.last_response("alice")
    assert answer.status == 200
    assert {b"allow", b"accept", b"accept-encoding", b"accept-language", b"supported"} <= set(
        answer.names
    )


def test_our_responses_copy_the_required_fields_and_add_a_to_tag(edge: Conversation) -> None:
    """RFC 3261 8.2.6.2: "the UAS MUST add a tag to the To header field in the response"; the From,
    Call-ID, CSeq and Via "MUST equal" the request's, Via in the same order.
    """
    asked = request("OPTIONS", extra=("v: SIP/2.0/TCP far.example;branch=z9hG4bK-far",))
    edge.receive(asked)
    answer = edge.last_response("alice")
    for name in (b"from", b"call-id", b"cseq", b"via"):
        assert answer.rows(name) == asked.rows(name)
    assert answer.value(b"to") == (asked.value(b"to") or b"") + b";tag=" + answer.to_tag
    assert len(answer.to_tag) >= 8


def test_a_to_tag_of_the_request_is_kept(edge: Conversation) -> None:
    """RFC 3261 8.2.6.2: "If a request contained a To tag in the request, the To header field in the
    response MUST equal that of the request."
    """
    asked = request("BYE", to_tag="bob")
    edge.receive(asked)
    assert edge.take() == ["alice 481 BYE"]
    assert edge.last_response("alice").value(b"to") == asked.value(b"to")


def test_the_100_has_no_tag_and_the_timestamp(edge: Conversation) -> None:
    """RFC 3261 8.2.6.1: "When a 100 (Trying) response is generated, any Timestamp header field
    present in the request MUST be copied into this 100 (Trying) response."
    """
    edge.receive(request(extra=("Timestamp: 54",)))
    trying = edge.last_response("alice")
    assert (trying.status, trying.to_tag, trying.value(b"timestamp")) == (100, b"", b"54")


def test_equal_requests_get_equal_to_tags(edge: Conversation) -> None:
    """RFC 3261 8.2.7: "To header tags MUST be generated for responses in a stateless manner - in a
    manner that will generate the same tag for the same request consistently."
    """
    for _ in range(2):
        edge.receive(request("OPTIONS"))
    edge.receive(request("OPTIONS", branch="z9hG4bK-2"))
    tags = [answer.to_tag for _, answer in edge.messages()]
    assert tags[0] == tags[1] != tags[2]


def test_a_call_to_an_unmapped_number_is_answered_404(edge: Conversation) -> None:
    """RFC 3261 16.5: "If the Request-URI indicates a resource at this proxy that does not exist,
    the proxy MUST return a 404 (Not Found) response."
    """
    edge.receive(request(uri="sip:404@198.51.100.1"))
    assert edge.take() == ["alice 404 INVITE"]


def test_a_call_from_an_unknown_source_is_answered_403(edge: Conversation) -> None:
    """RFC 3261 21.4.4: "The server understood the request, but is refusing to fulfill it." """
    edge.receive(request(via="SIP/2.0/UDP 203.0.113.66"), STRANGER)
    assert edge.take() == ["stranger 403 INVITE"]
