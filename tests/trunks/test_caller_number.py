"""The caller's number is the first valid one of the trunk's sources, unless it is private."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sip_stager.config.tables.carrier_profiles import PROFILES
from sip_stager.model.call import Call
from sip_stager.model.flow import Flow
from sip_stager.trunks.admission import TrunkAdmission
from sip_stager.trunks.caller_number import (
    CALLER_SOURCES,
    CallerNumber,
    read_caller_number,
    strip_private_identity,
)
from sip_stager.trunks.phone_numbers import is_e164
from tests.sip.test_linear_time import grows_linearly
from tests.support.fakes import on_terms
from tests.support.mapping import mapped
from tests.support.trunks import Trunk
from tests.trunks.test_admission import AGENT, NOBODY, TRUNKS, invite

TRUE, PRESENTED = "+33912345678", "+33199990000"
NETWORKS = TRUNKS[0].networks
FROM = "<sip:0199990000@carrier>"
ANONYMOUS = '"Anonymous" <sip:anonymous@anonymous.invalid>'
PAI = "P-Asserted-Identity: <sip:+33912345678@carrier>\r\n"
RPID = "Remote-Party-ID: <sip:0912345678@carrier>"


def caller(
    extra: str = "", order: tuple[str, ...] = CALLER_SOURCES, from_: str = FROM
) -> CallerNumber:
    return read_caller_number(
        invite(caller=from_, extra=extra), Trunk("carrier", (), "FR", caller=order)
    )


@pytest.mark.parametrize(
    ("extra", "source"),
    [
        (PAI, "p_asserted_identity"),
        ("P-Asserted-Identity: <tel:+33-9-12-34-56-78>\r\n", "p_asserted_identity"),
        ("P-Asserted-Identity: sip:33912345678@carrier\r\n", "p_asserted_identity"),
        ("P-Asserted-Identity: <sip:a@b>, <tel:0912345678>\r\n", "p_asserted_identity"),
        (f"P-Asserted-Identity: <sip:a@b>\r\n{PAI}", "p_asserted_identity"),
        ("P-Asserted-Identity: <sip:b>, <tel:912345678;phone-context=+33>\r\n", CALLER_SOURCES[0]),
        (f"{RPID};party=calling;privacy=off;screen=yes\r\n", "remote_party_id"),
        (f"{RPID};privacy=name\r\n", "remote_party_id"),
        (f"P-Asserted-Identity: <sip:a@b>\r\n{RPID}\r\n", "remote_party_id"),
        (f"P-Asserted-Identity: <sip:\r\n{RPID}\r\n", "remote_party_id"),
        (f"Remote-Party-ID: <sip:+33688888888@b>;party=called\r\n{RPID}\r\n", "remote_party_id"),
    ],
)
def test_an_asserted_number_is_preferred_to_from(extra: str, source: str) -> None:
    found = caller(extra)
    assert (found.number, found.source, found.privacy) == (TRUE, source, "")


@pytest.mark.parametrize(
    "extra",
    [
        "",
        "P-Asserted-Identity: <sip:pbx@carrier>\r\n",
        "P-Asserted-Identity: <urn:service:sos>\r\n",
        "P-Asserted-Identity: <sip:+33@carrier>\r\n",
        f"P-Asserted-Identity: {',' * 300}\r\n",
        f"{RPID};party=called\r\n",
        f"{RPID};party=calling;;\r\n",
    ],
)
def test_from_is_read_if_no_other_source_is_valid(extra: str) -> None:
    assert (caller(extra).number, caller(extra).source) == (PRESENTED, "from")


def test_the_trunk_sets_the_order_of_the_sources() -> None:
    assert caller(PAI, ("from", "p_asserted_identity")).number == PRESENTED
    assert caller(PAI, ("remote_party_id",)) == CallerNumber(
        skipped=(("remote_party_id", "is missing"),)
    )
    assert caller(order=("from",), from_="<sip:1000@pbx>").skipped == (
        ("from", "holds no valid number"),
    )


@pytest.mark.parametrize("from_", ["<sip:+33912345678", "<urn:service:sos>", "<sip:edge>", "?"])
def test_an_unreadable_from_is_an_unknown_caller(from_: str) -> None:
    assert caller(from_=from_).number == ""


PRIVATE = [
    ("Privacy: id\r\n", FROM, "Privacy: id"),
    ("privacy: none\r\nPrivacy: critical;USER\r\n", FROM, "Privacy: user"),
    ("Privacy: id,critical\r\n", FROM, "Privacy: id"),
    ("Privacy:\r\n header\r\n", FROM, "Privacy: header"),
    ("Privacy: full\r\n", FROM, "Privacy: full"),
    (f"{RPID};privacy=full\r\n", FROM, "Remote-Party-ID with privacy"),
    (f'{RPID};party=calling; Privacy = "uri-network"\r\n', FROM, "Remote-Party-ID with privacy"),
    ("Remote-Party-ID: <sip:;privacy=full\r\n", FROM, "Remote-Party-ID with privacy"),
    ("", ANONYMOUS, "an anonymous From"),
    ("", "sip:Anonymous@carrier.example", "an anonymous From"),
    ("", "<sip:anonymous.invalid>", "an anonymous From"),
    ("", "<sip:+33912345678@anonymous.invalid>", "an anonymous From"),
    ("Proxy-Require: privacy\r\n", FROM, "Proxy-Require: privacy"),
    ("Proxy-Require: foo, Privacy\r\nPrivacy: critical\r\n", FROM, "Proxy-Require: privacy"),
    (f"Privacy: none\r\n{RPID};privacy=full\r\n", FROM, "Remote-Party-ID with privacy"),
]


@pytest.mark.parametrize(("extra", "from_", "reason"), PRIVATE)
def test_a_private_number_reaches_no_part_of_a_call(extra: str, from_: str, reason: str) -> None:
    assert caller(PAI + extra, from_=from_) == CallerNumber(privacy=reason)
    trunk = Trunk("carrier", NETWORKS, "FR")
    call = admitted(trunk, PAI + extra, from_)
    assert call.from_number == NOBODY
    assert TRUE[3:] not in str(call)


@pytest.mark.parametrize(("extra", "from_", "reason"), PRIVATE)
def test_a_trunk_may_pass_a_private_number(extra: str, from_: str, reason: str) -> None:
    trunk = Trunk("carrier", NETWORKS, "FR", pass_private_number=True)
    found = read_caller_number(invite(caller=from_, extra=PAI + extra), trunk)
    assert found == CallerNumber(TRUE, "p_asserted_identity", reason)
    assert admitted(trunk, PAI + extra, from_).from_number == TRUE


@pytest.mark.parametrize("privacy", ["none", "session", "history;critical", "identity", ""])
def test_other_privacy_values_keep_the_number(privacy: str) -> None:
    assert caller(f"{PAI}Privacy: {privacy}\r\n").number == TRUE


@pytest.mark.parametrize("from_", [FROM, ANONYMOUS])
@pytest.mark.parametrize("required", ["", "Proxy-Require: privacy\r\n"])
def test_privacy_none_leaves_everything(from_: str, required: str) -> None:
    """RFC 3323 4.2: "The user requests that a privacy service apply no privacy functions to this
    message, regardless of any pre-provisioned profile".
    """
    extra = f"{PAI}{required}Privacy: none\r\n"
    assert caller(extra, from_=from_).number == TRUE
    request = invite(caller=from_, extra=extra)
    assert strip_private_identity(request) is request


STAND_INS = PROFILES["twilio"].stand_ins


def twilio(*, pass_private_number: bool = False) -> Trunk:
    passed = pass_private_number
    return Trunk("twilio", NETWORKS, "FR", pass_private_number=passed, stand_ins=STAND_INS)


@pytest.mark.parametrize("number", sorted(STAND_INS))
@pytest.mark.parametrize("spelling", ["{}", "00{0[1:]}", "{0[1:]}"])
@pytest.mark.parametrize("field", ["From", "P-Asserted-Identity", "Remote-Party-ID"])
def test_a_stand_in_of_the_carrier_is_a_withheld_number(
    number: str, spelling: str, field: str
) -> None:
    """Twilio sends one of five numbers for callers without one; they belong to nobody."""
    written = spelling.replace("0[1:]", "1").format(number, number[1:])
    uri = f"<sip:{written}@pstn.twilio.com>"
    extra = "" if field == "From" else f"{field}: {uri}\r\n"
    request = invite(caller=uri if field == "From" else "<sip:1000@x>", extra=extra + RPID + "\r\n")
    assert read_caller_number(request, twilio()).privacy == "a number that stands for none"
    assert read_caller_number(request, twilio(pass_private_number=True)).number in {"", TRUE}
    assert read_caller_number(request, Trunk("other", NETWORKS, "FR")).privacy == ""
    admission = TrunkAdmission([twilio()], mapped({"+33612345678": AGENT}), on_terms, NOBODY)
    call = admission.admit(request, Flow("UDP", "192.0.2.1", 5060))
    assert isinstance(call, Call)
    assert (call.from_number, call.anonymous) == (NOBODY, True)
    stripped = admission.strip_identity(request, Flow("UDP", "192.0.2.1", 5060))
    assert b"remote-party-id" not in stripped.names


def test_other_callers_of_a_carrier_with_stand_ins_keep_their_numbers() -> None:
    found = read_caller_number(invite(extra=PAI), twilio())
    assert (found.number, found.privacy) == (TRUE, "")


def admitted(trunk: Trunk, extra: str, from_: str) -> Call:
    admission = TrunkAdmission([trunk], mapped({"+33612345678": AGENT}), on_terms, NOBODY)
    call = admission.admit(invite(caller=from_, extra=extra), Flow("UDP", "192.0.2.1", 5060))
    assert isinstance(call, Call)
    return call


FIELDS = [b"from", b"p-asserted-identity", b"remote-party-id", b"privacy"]


@given(st.lists(st.tuples(st.sampled_from(FIELDS), st.binary(max_size=80)), max_size=5))
def test_no_header_field_can_lose_a_call(fields: list[tuple[bytes, bytes]]) -> None:
    request = invite()
    names, values = [name for name, _ in fields], [b"%b: %b" % field for field in fields]
    found = read_caller_number(request.edited(tuple(names), values), Trunk("carrier", (), "FR"))
    assert is_e164(found.number) or not (found.number or found.source)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("text", [b",", b";", b" ", b";privacy", b"; ", b"a", b"@anonymous", b'"'])
def test_a_header_field_is_read_in_linear_time(field: bytes, text: bytes) -> None:
    request, trunk = invite(), Trunk("carrier", (), "FR")

    def read(value: bytes) -> object:
        return read_caller_number(request.edited((field,), [field + b": " + value]), trunk)

    assert grows_linearly(read, lambda size: text * (size // len(text) + 1))


TOLD = (
    f"{PAI}P-Preferred-Identity: <sip:+33912345678@x>\r\n{RPID};privacy=full\r\n"
    "y: eyJhbGciOiJFUzI1NiJ9.eyJvcmlnIjp7InRuIjoiMzM5MTIzNDU2NzgifX0.c2ln;info=<https://x>\r\n"
    "P-Charge-Info: <sip:+33912345678@x>\r\nX-Else: 1\r\n"
)


def of_carrier(*, pass_private_number: bool) -> TrunkAdmission:
    return TrunkAdmission(
        [Trunk("carrier", NETWORKS, "FR", pass_private_number=pass_private_number)],
        mapped({"+33612345678": AGENT}),
        on_terms,
        NOBODY,
    )


def sent_on(
    extra: str, *, pass_private_number: bool = False, source: str = "192.0.2.1"
) -> tuple[bytes, ...]:
    request = invite(caller=ANONYMOUS, extra=extra)
    admission = of_carrier(pass_private_number=pass_private_number)
    return admission.strip_identity(request, Flow("UDP", source, 5060)).names


def test_the_identity_fields_of_an_anonymous_caller_are_stripped() -> None:
    """RFC 3325 7: "proxies MUST remove all the P-Asserted-Identity header fields before forwarding
    messages to elements that are not trusted."
    """
    names = sent_on(f"Privacy: id\r\n{TOLD}")
    assert [name for name in names if b"identity" in name or b"party" in name] == []
    assert {b"privacy", b"from", b"x-else"} <= set(names)
    assert b"p-charge-info" not in names


def test_the_fields_of_a_user_agent_are_stripped_for_user_alone() -> None:
    """RFC 3323 5.3: "the privacy service MUST remove any non-essential informational headers"."""
    extra = "Subject: Jane\r\nUser-Agent: Jane's phone\r\nOrganization: Jane & Sons\r\n"
    assert {b"subject", b"user-agent"} <= set(sent_on(f"Privacy: id\r\n{extra}"))
    for asked in ("Privacy: user", "Privacy: id;full", "Proxy-Require: privacy"):
        of_user = sent_on(f"{asked}\r\n{extra}")
        assert {b"subject", b"user-agent", b"organization"}.isdisjoint(of_user)


def test_a_trusted_trunk_and_the_other_side_keep_identity_fields() -> None:
    """RFC 3325 5: the fields go on to an upstream that the trunk trusts."""
    extra = f"Privacy: id\r\n{TOLD}"
    everything = invite(caller=ANONYMOUS, extra=extra).names
    assert sent_on(extra, pass_private_number=True) == everything
    assert sent_on(extra, source="203.0.113.9") == everything


@pytest.mark.parametrize("pass_private_number", [False, True])
def test_privacy_holds_for_the_dialog_whatever_later_requests_say(
    pass_private_number: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    """The first INVITE and its trunk decide; a later request may come from another address."""
    admission = of_carrier(pass_private_number=pass_private_number)
    call = admission.admit(invite(extra=f"Privacy: id\r\n{TOLD}"), Flow("UDP", "192.0.2.1", 5060))
    assert isinstance(call, Call)
    assert call.anonymous is not pass_private_number
    later = invite(extra=PAI)
    for source in ("192.0.2.1", "203.0.113.9"):
        flow = Flow("UDP", source, 5060)
        assert admission.strip_identity(later, flow, anonymous=False) is later
        assert (
            b"p-asserted-identity"
            not in admission.strip_identity(later, flow, anonymous=True).names
        )


def test_identity_fields_are_kept_without_a_request_for_privacy() -> None:
    request = invite(extra=PAI)
    assert strip_private_identity(request) is request
