"""The target set of a new call (RFC 3261 16.5), and URI comparison (19.1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.proxy.equivalence import equivalent
from sip_stager.sip.uri import parse_uri
from tests.support.conversation import BOB, ROUTE, Conversation
from tests.support.messages import request, response

if TYPE_CHECKING:
    from sip_stager.proxy.target_set import RequestUri

FIRST = "sip:192.0.2.2:5060"


def refused(
    edge: Conversation, targets: int, uri: str = "sip:+33612345678@198.51.100.1"
) -> list[str]:
    """Refuse each copy of a call at bob; return the Request-URIs of the copies."""
    seen = []
    edge.forward(request(uri=uri))
    for _ in range(targets):
        invite = edge.last_request("bob")
        seen.append(invite.uri_text.decode())
        edge.receive(response(invite, 404), BOB)
        edge.clock.advance(0.1)
    assert edge.last_response("alice").status == 404
    return seen


# The target set


def test_the_target_set_is_that_of_the_settings() -> None:
    """RFC 3261 16.5: "performing an algorithmic substitution on the Request-URI": the host of each
    upstream.
    """
    edge = Conversation(FIRST, backups=("sip:192.0.2.2:5070", "sip:upstream.example;transport=udp"))
    assert refused(edge, 3) == [
        "sip:+33612345678@192.0.2.2:5060",
        "sip:+33612345678@192.0.2.2:5070",
        "sip:+33612345678@upstream.example;transport=udp",
    ]


@pytest.mark.parametrize("again", [FIRST, "SIP:192.0.2.2:5060", "sip:192.0.2.2:5060;x=1"])
def test_a_target_is_in_the_set_once(again: str) -> None:
    """RFC 3261 16.5: "If a target URI is already present in the set (based on the definition of
    equality for the URI type), it MUST NOT be added again."
    """
    assert len(refused(Conversation(FIRST, backups=(again,)), 1)) == 1


@pytest.mark.parametrize(
    "uri",
    [
        "sip:+33612345678@elsewhere.example",
        "sip:+33612345678@198.51.100.1;maddr=203.0.113.9",
        "sip:+33612345678@203.0.113.9:5099;transport=tcp",
    ],
)
def test_the_caller_does_not_choose_the_target(uri: str) -> None:
    """RFC 3261 16.5, 26.3: the rule would follow a domain or maddr that is not ours; 26.3 and the
    purpose of an edge forbid an open relay: an admitted call goes upstream only.
    """
    edge = Conversation()
    assert edge.forward(request(uri=uri)).uri_text == b"sip:+33612345678@192.0.2.2:5060"
    assert edge.flow == BOB


def test_the_request_uri_is_kept_if_the_settings_say_so() -> None:
    """RFC 3261 16.5: "a trivial location service is a "no-op", where the target URI is equal to the
    incoming request URI. The request is sent to a specific next hop proxy for further processing."
    """
    edge = Conversation(request_uri="keep")
    assert edge.forward(request()).uri_text == b"sip:+33612345678@198.51.100.1"
    assert edge.flow == BOB


@pytest.mark.parametrize(
    ("uri", "number", "goes"),
    [
        ("sip:ovhuser@198.51.100.1", "+33366725530", "sip:+33366725530@"),
        ("sip:0366725530@198.51.100.1", "+33366725530", "sip:+33366725530@"),
        ("sip:198.51.100.1", "+33366725530", "sip:+33366725530@"),
        ("sip:%2B33366725530@198.51.100.1", "+33366725530", "sip:+33366725530@"),
        ("sip:1@h", "Support-1.a_b!~*'(ok)&=+$,?/", "sip:Support-1.a_b!~*'(ok)&=+$,?/@"),
        ("sip:1@h", 'a@b:c;d#e f"<>\r\n%é', "sip:a%40b%3Ac%3Bd%23e%20f%22%3C%3E%0D%0A%25%C3%A9@"),
    ],
)
def test_the_request_uri_can_hold_the_number_as_mapped(uri: str, number: str, goes: str) -> None:
    """RFC 3261 16.5: "performing an algorithmic substitution on the Request-URI"; 25.1 has the
    characters of a user part, and 19.1.2 the escaping of all others.
    """
    backup = "sip:upstream.example;transport=udp"
    edge = Conversation(FIRST, backups=(backup,), request_uri="e164")
    edge.admission.number = number
    assert refused(edge, 2, uri) == [f"{goes}192.0.2.2:5060", goes + backup.removeprefix("sip:")]


PORTED = [
    ("sip:+33366725520;npdi;rn=+33199@198.51.100.1;user=phone", "+33366725520;npdi;rn=+33199"),
    ("sip:+33366725520;npdi;rn=+33199@198.51.100.1", "+33366725520;npdi;rn=+33199"),
    ("sip:+33366725520;NPDI;RN=+33199@198.51.100.1;USER=Phone", "+33366725520;npdi;rn=+33199"),
    ("sip:%2B33366725520;npdi@198.51.100.1", "%2b33366725520;npdi"),
    ("sip:0366725520;phone-context=+33@198.51.100.1", "0366725520;phone-context=+33"),
    ("sip:+33366725520@198.51.100.1;user=phone", "+33366725520"),
    ("tel:+33366725520;npdi;rn=+33199", "+33366725520;npdi;rn=+33199"),
    ("TEL:+33366725520;rn=+33199;NPDI", "+33366725520;npdi;rn=+33199"),
    (
        "tel:+33366725520;rn=+33199;isub=1;cic=+1-6789",
        "+33366725520;isub=1;cic=+1-6789;rn=+33199",
    ),
    ("tel:0366725520;phone-context=+33", "0366725520;phone-context=+33"),
    ("tel:+33-3-66-72-55-20", "+33-3-66-72-55-20"),
    ("tel:+33366725520", "+33366725520"),
    ("tel:+33366725520;x=a:b[c]@d", "+33366725520;x=a%3Ab%5Bc%5D%40d"),
]


@pytest.mark.parametrize(("uri", "user"), PORTED)
def test_the_parameters_of_a_number_stay_in_the_user_part(uri: str, user: str) -> None:
    """RFC 3261 19.1.6: "the "user=phone" parameter is present", and "fold any case-insensitive
    portion of the "telephone-subscriber" part of the tel URL to lower case, and order the
    telephone-subscriber parameters".
    """
    edge = Conversation(FIRST)
    assert refused(edge, 1, uri) == [f"sip:{user}@192.0.2.2:5060;user=phone"]


@pytest.mark.parametrize(("uri", "user"), PORTED)
def test_the_number_as_mapped_needs_no_parameters(uri: str, user: str) -> None:
    """RFC 4694: the routing that npdi, rn and cic served is over."""
    edge = Conversation(FIRST, request_uri="e164")
    edge.admission.number = "+33366725520"
    assert refused(edge, 1, uri) == ["sip:+33366725520@192.0.2.2:5060;user=phone"]


@pytest.mark.parametrize("mode", ["rewrite", "e164"])
@pytest.mark.parametrize(
    "uri",
    [
        "sip:alice;X=Y@198.51.100.1",
        "sip:alice;X=Y@198.51.100.1;user=phone",
        "sip:alice;X=Y@198.51.100.1;user=ip",
        "sip:alice;X=Y@198.51.100.1;transport=udp",
    ],
)
def test_a_name_is_no_telephone_number(uri: str, mode: RequestUri) -> None:
    edge = Conversation(FIRST, request_uri=mode)
    edge.admission.number = "alice"
    user = "alice;X=Y" if mode == "rewrite" else "alice"
    assert refused(edge, 1, uri) == [f"sip:{user}@192.0.2.2:5060"]


@pytest.mark.parametrize("upstream", ["sip:192.0.2.2;user=phone", "sip:192.0.2.2;USER=phone;x=1"])
def test_user_phone_is_written_once(upstream: str) -> None:
    edge = Conversation(upstream)
    (sent,) = refused(edge, 1, "tel:+33366725520")
    assert sent == upstream.replace("sip:", "sip:+33366725520@")


def test_the_request_uri_of_a_dialog_is_kept() -> None:
    """RFC 3261 12.2.1.1: in a dialog the Request-URI is the remote target, not a number."""
    edge = Conversation(request_uri="e164")
    later = request("BYE", "sip:bob@192.0.2.2", to_tag="bob", extra=(ROUTE,))
    assert edge.relay(later).uri_text == b"sip:bob@192.0.2.2"


@pytest.mark.parametrize("mode", ["rewrite", "keep", "e164"])
def test_our_maddr_is_not_forwarded(mode: RequestUri) -> None:
    """RFC 3261 16.4: "the proxy MUST strip the maddr", also if the Request-URI is kept."""
    edge = Conversation(request_uri=mode)
    sent = edge.forward(request(uri="sip:+33612345678@198.51.100.1;maddr=198.51.100.1"))
    assert b"maddr" not in sent.uri_text


@pytest.mark.parametrize(
    ("uri", "kept"),
    [
        ("sip:+33612345678@198.51.100.1?X-Rounded-Call-Id=forged", "sip:+33612345678@198.51.100.1"),
        ("sip:+33612345678@198.51.100.1;method=BYE;x=1?a=b", "sip:+33612345678@198.51.100.1;x=1"),
        ("sip:+33612345678@198.51.100.1;user=phone", "sip:+33612345678@198.51.100.1;user=phone"),
    ],
)
def test_parts_not_allowed_in_a_request_uri_are_removed(uri: str, kept: str) -> None:
    """RFC 3261 16.6 step 2: "If the URI contains any parameters not allowed in a Request-URI, they
    MUST be removed."
    """
    edge = Conversation(request_uri="keep")
    assert edge.forward(request(uri=uri)).uri_text == kept.encode()


# RFC 5393 5: Max-Breadth


@pytest.mark.parametrize(
    ("came", "goes"),
    [((), b"60"), (("Max-Breadth: 60",), b"60"), (("Max-Breadth: 7",), b"7"),
     (("Max-Breadth: 61",), b"60"), (("Max-Breadth: 4294967296",), b"60"),
     (("Max-Breadth: many",), b"60"), (("Max-Breadth: 5", "max-breadth: 9"), b"5")],
)  # fmt: skip
def test_each_copy_has_one_max_breadth_within_bounds(came: tuple[str, ...], goes: bytes) -> None:
    """RFC 5393 5.3.3: a proxy that gets none adds 60, and takes no more than 60; "All proxied
    requests MUST contain a single Max-Breadth header field value." """
    assert Conversation().forward(request(extra=came)).values(b"max-breadth") == [goes]


def test_targets_share_the_breadth() -> None:
    """RFC 5393 5.3.3: "SIP proxies MUST NOT allow the Outgoing Max-Breadth to exceed the Incoming
    Max-Breadth in a given response context": one that is given up may still be under way."""
    edge = Conversation(FIRST, backups=("sip:192.0.2.2:5070", "sip:192.0.2.2:5080"))
    assert edge.forward(request()).value(b"max-breadth") == b"20"
    edge.clock.advance(2)
    assert edge.last_request("bob").value(b"max-breadth") == b"20"


def test_as_many_targets_are_tried_as_the_breadth_allows() -> None:
    """RFC 5393 5.3.3: with an Incoming Max-Breadth of 1 there is one branch."""
    edge = Conversation(FIRST, backups=("sip:192.0.2.2:5070",))
    assert edge.forward(request(extra=("Max-Breadth: 1",))).value(b"max-breadth") == b"1"
    edge.clock.advance(2)
    assert edge.last_request("bob").uri_text == b"sip:+33612345678@192.0.2.2:5060"


# 19.1.4: when two URIs are one


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        ("sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
         "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"),
        ("sip:alice@atlanta.com?subject=project%20x&priority=urgent",
         "sip:alice@atlanta.com?priority=urgent&subject=project%20x"),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
        ("tel:+33", "tel:+33"),
    ],
)  # fmt: skip
def test_uris_that_are_equivalent(one: str, other: str) -> None:
    """RFC 3261 19.1.4: "The URIs within each of the following sets are equivalent" (its
    examples).
    """
    assert equivalent(parse_uri(one.encode()), parse_uri(other.encode()))
    assert equivalent(parse_uri(other.encode()), parse_uri(one.encode()))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:alice@atlanta.com", "sips:alice@atlanta.com"),
        ("sip:bob:secret@biloxi.com", "sip:bob@biloxi.com"),
        ("sip:a@h;user=ip", "sip:a@h"), ("sip:a@h;ttl=1", "sip:a@h"),
        ("sip:a@h;maddr=192.0.2.1", "sip:a@h"), ("sip:a@h;method=INVITE", "sip:a@h"),
        ("tel:+33", "tel:+34"), ("tel:+33", "sip:+33@h"),
    ],
)  # fmt: skip
def test_uris_that_are_not_equivalent(one: str, other: str) -> None:
    """RFC 3261 19.1.4: "The URIs within each of the following sets are not equivalent" (its
    examples).
    """
    assert not equivalent(parse_uri(one.encode()), parse_uri(other.encode()))
    assert not equivalent(parse_uri(other.encode()), parse_uri(one.encode()))
