"""A call is admitted by its source, and staged for the agent of the dialled number."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

from sip_stager.model.call import Call, Policy, Refusal
from sip_stager.model.flow import Flow
from sip_stager.model.vocabulary import RefusalCause
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.message import Request
from sip_stager.sip.parser import parse
from sip_stager.trunks.admission import TrunkAdmission, TrunkNetworks
from sip_stager.trunks.budget import Terms
from sip_stager.trunks.mapping import NumberMapping, Row, Share
from sip_stager.trunks.variables import CallVariables
from tests.support.fakes import on_terms
from tests.support.mapping import mapped, monday_noon
from tests.support.trunks import Trunk

if TYPE_CHECKING:
    from sip_stager.model.call import Value
    from sip_stager.ports import Admission

AGENT, OTHER = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29", "7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77"
NOBODY = "+10000000000"


def trunk(name: str, *networks: str, country: str | None = None) -> Trunk:
    return Trunk(name, tuple(map(ip_network, networks)), country)


TRUNKS = [
    trunk("french", "192.0.2.0/24", "2001:db8::/32", country="FR"),
    trunk("american", "198.51.100.7", country="US"),
    trunk("bare", "203.0.113.0/25"),
]
ADMISSION: Admission = TrunkAdmission(
    TRUNKS,
    mapped({"+33612345678": AGENT, "+15550001234": OTHER, "sip_username": OTHER, "1000": OTHER}),
    terms_of=lambda *_: Terms(Policy(), 3.5),
    anonymous_number=NOBODY,
)


def invite(
    uri: str = "sip:+33612345678@edge", caller: str = "<sip:+33912345678@carrier>", extra: str = ""
) -> Request:
    message = parse(
        (
            f"INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
            f"From: {caller};tag=1\r\nTo: <{uri}>\r\nCall-ID: abc@carrier\r\n"
            f"CSeq: 1 INVITE\r\n{extra}\r\n"
        ).encode()
    )
    assert isinstance(message, Request)
    return message


def admit(request: Request, source: str = "192.0.2.1") -> Call | Refusal:
    return ADMISSION.admit(request, Flow("UDP", source, 5060))


def admitted(request: Request, source: str = "192.0.2.1") -> Call:
    call = admit(request, source)
    assert isinstance(call, Call)
    return call


def test_a_call_holds_what_staging_needs() -> None:
    assert admitted(invite())._replace(row="") == Call(
        call_id="abc@carrier",
        trunk="french",
        from_number="+33912345678",
        to_number="+33612345678",
        agent_id=AGENT,
        deadline=3.5,
    )


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("192.0.2.255", "french"),
        ("2001:db8:1::1", "french"),
        ("::ffff:192.0.2.1", "french"),
        ("198.51.100.7", "american"),
        ("203.0.113.127", "bare"),
    ],
)
def test_the_source_address_decides_the_trunk(source: str, name: str) -> None:
    assert admitted(invite(), source).trunk == name


@pytest.mark.parametrize(
    "source", ["192.0.3.1", "198.51.100.8", "203.0.113.128", "2001:db9::1", "::1", "fe80::1%eth0"]
)
def test_a_source_without_a_trunk_is_refused(source: str) -> None:
    assert admit(invite(), source) == Refusal(
        *(403, "Forbidden", RefusalCause.UNKNOWN_SOURCE, f"{source} belongs to no trunk"),
        from_number="+33912345678",
        to_number="+33612345678",
    )


@pytest.mark.parametrize(
    ("uri", "source"),
    [
        ("sip:+33612345678@edge", "203.0.113.1"),
        ("sip:%2B33612345678@edge:5060;user=phone", "203.0.113.1"),
        ("sip:0033612345678@edge", "203.0.113.1"),
        ("sip:33612345678@edge", "203.0.113.1"),
        ("sip:+330612345678@edge", "203.0.113.1"),
        ("sip:00330612345678@edge", "198.51.100.7"),
        ("tel:+33(0)612345678", "203.0.113.1"),
        ("sip:0612345678;phone-context=+33@edge;user=phone", "203.0.113.1"),
        ("sip:+33612345678;npdi;rn=+33199@edge;user=phone", "203.0.113.1"),
        ("tel:+33612345678;npdi;rn=+33199", "203.0.113.1"),
        ("TEL:+33-6-12345678;RN=+33199;CIC=+1-6789", "203.0.113.1"),
        ("sip:33612345678;phone-context=x:secret@edge", "203.0.113.1"),
        ("tel:+33-6-12-34-56-78;npdi", "203.0.113.1"),
        ("sip:0612345678@edge", "192.0.2.1"),
        ("tel:06-12-34-56-78;phone-context=+33", "192.0.2.1"),
        ("sip:01133612345678@edge", "198.51.100.7"),
    ],
)
def test_a_number_is_found_in_every_spelling(uri: str, source: str) -> None:
    call = admitted(invite(uri), source)
    assert (call.agent_id, call.to_number) == (AGENT, "+33612345678")


@pytest.mark.parametrize("uri", ["sip:15550001234@edge", "sip:0015550001234@edge"])
def test_digits_outside_every_numbering_plan_are_found_if_mapped(uri: str) -> None:
    call = admitted(invite(uri))
    assert (call.agent_id, call.to_number) == (OTHER, "+15550001234")


def test_a_very_long_call_id_is_cut() -> None:
    long = bytes(invite()).replace(b"abc@carrier", b"\xff" * 60_000)
    message = parse(long)
    assert isinstance(message, Request)
    assert admitted(message).call_id == "\\xff" * 256


def test_only_a_trunk_that_asks_for_it_hears_of_an_outage() -> None:
    wants = replace(trunk("wants", "192.0.2.0/24"), options_503=True)
    admission = TrunkAdmission(
        [wants, trunk("bare", "198.51.100.7")], mapped({}), on_terms, NOBODY,
        outage_of=lambda name: f"{name} is down",
    )  # fmt: skip
    said = [
        admission.out_of_service(Flow("UDP", host, 5060))
        for host in ("192.0.2.1", "198.51.100.7", "203.0.113.66")
    ]
    assert said == ["wants is down", "", ""]
    assert ADMISSION.out_of_service(Flow("UDP", "192.0.2.1", 5060)) == ""


def test_a_call_knows_whether_its_trunk_gets_a_503_unchanged() -> None:
    unchanged = Trunk("unchanged", (ip_network("192.0.2.0/24"),), pass_503=True)
    admission = TrunkAdmission([unchanged], mapped({"+33612345678": AGENT}), on_terms, NOBODY)
    call = admission.admit(invite(), Flow("UDP", "192.0.2.1", 5060))
    assert isinstance(call, Call)
    assert call.pass_503


VARIABLES: dict[str, Value] = {
    "caller": "${caller}",
    "name": "${display_name}",
    "line": "${called}",
}


@pytest.mark.parametrize(
    ("extra", "pass_private_number", "told"),
    [
        ("", False, {"caller": "+33912345678", "name": "Zoe"}),
        ("Privacy: id\r\n", False, {}),
        ("Privacy: id\r\n", True, {"caller": "+33912345678", "name": "Zoe"}),
    ],
)
def test_variables_identify_the_caller_unless_the_caller_is_anonymous(
    extra: str, told: dict[str, str], *, pass_private_number: bool
) -> None:
    line = Trunk("line", (ip_network("192.0.2.0/24"),), pass_private_number=pass_private_number)
    admission = TrunkAdmission(
        [line], mapped({"+33612345678": AGENT}), on_terms, NOBODY, CallVariables(VARIABLES)
    )
    request = invite(caller='"Zoe" <sip:+33912345678@carrier>', extra=extra)
    call = admission.admit(request, Flow("UDP", "192.0.2.1", 5060))
    assert isinstance(call, Call)
    assert call.variables == {"line": "+33612345678"} | told


@pytest.mark.parametrize("name", ["sip_username", "1000"])
def test_a_name_is_found_unchanged(name: str) -> None:
    assert admitted(invite(f"sip:{name}@edge")).to_number == name


@pytest.mark.parametrize(
    ("uri", "masked"),
    [
        ("sip:+33699999999@edge", "+336******99"),
        ("sip:0612345678@edge", "061*****78"),
        ("sip:SIP_USERNAME@edge", "SIP_USERNAME"),
        ("sip:edge", "(none)"),
        ("sip:%22%0d%0aX:%3cscript%3e@edge", "???X"),
        ("sip:%22%0d%0a%3cscript%3e@edge", "????script?"),
    ],
)
def test_an_unmapped_number_is_refused_and_masked(uri: str, masked: str) -> None:
    refusal = admit(invite(uri), "203.0.113.1")
    assert isinstance(refusal, Refusal)
    assert replace(refusal, to_number="") == Refusal(
        404,
        "Not Found",
        RefusalCause.UNMAPPED_NUMBER,
        f"no agent is mapped to {masked}",
        trunk="bare",
        from_number="+33912345678",
    )


@pytest.mark.parametrize("source", ["203.0.113.1", "192.0.3.1"])
def test_a_refused_call_has_its_numbers_for_the_log_unless_they_are_withheld(source: str) -> None:
    plain = admit(invite("sip:+33699999999@edge"), source)
    private = admit(invite("sip:+33699999999@edge", extra="Privacy: id\r\n"), source)
    for refusal, caller in ((plain, "+33912345678"), (private, "")):
        assert isinstance(refusal, Refusal)
        assert (refusal.from_number, refusal.to_number) == (caller, "+33699999999")


@pytest.mark.parametrize(
    ("caller", "number"),
    [
        ('"Alice" <sip:+33912345678@carrier>', "+33912345678"),
        ("<sip:0912345678@carrier;user=phone>", "+33912345678"),
        ("<tel:+33-9-12-34-56-78;cpc=ordinary>", "+33912345678"),
        ("sip:0033912345678@carrier", "+33912345678"),
        ('"Anonymous" <sip:anonymous@anonymous.invalid>', NOBODY),
        ("<sip:anonymous.invalid>", NOBODY),
        ("<sip:1000@pbx>", NOBODY),
        ("<urn:service:sos>", NOBODY),
    ],
)
def test_a_caller_without_a_number_gets_the_anonymous_number(caller: str, number: str) -> None:
    assert admitted(invite(caller=caller)).from_number == number


@pytest.mark.parametrize(
    ("privacy", "number"),
    [
        ("id", NOBODY),
        ("header; ID", NOBODY),
        ("id;critical", NOBODY),
        ("user; critical; id", NOBODY),
        ("full", NOBODY),
        ("user", NOBODY),
        ("none", "+33912345678"),
        ("header", NOBODY),
        ("session", "+33912345678"),
        ("none;critical", "+33912345678"),
    ],
)
def test_a_caller_who_requests_privacy_gets_the_anonymous_number(privacy: str, number: str) -> None:
    assert admitted(invite(extra=f"Privacy: {privacy}\r\n")).from_number == number


@pytest.mark.parametrize(
    ("privacy", "unmet"),
    [
        ("header;critical", "header"),
        ("critical;session", "session"),
        ("Critical , Header; SESSION", "header, session"),
        ("id;header;critical", "header"),
        ("header\r\nPrivacy: critical", "header"),
        ("history;critical", "history"),
        ("id;<b>;critical", "an unknown value"),
    ],
)
def test_critical_privacy_that_no_proxy_can_perform_is_refused(privacy: str, unmet: str) -> None:
    """RFC 3323 5: "it MUST fail the request with a 500 (Server Error) response code", and the
    reason names the values.
    """
    assert admit(invite(extra=f"Privacy: {privacy}\r\n")) == Refusal(
        500,
        f"Privacy Failure: {unmet}",
        RefusalCause.PRIVACY,
        f"Privacy is critical, and no proxy can perform {unmet}",
        trunk="french",
        to_number="+33612345678",
    )


def test_a_trunk_that_passes_private_numbers_performs_no_privacy() -> None:
    line = Trunk("line", (ip_network("192.0.2.0/24"),), pass_private_number=True)
    admission = TrunkAdmission([line], mapped({"+33612345678": AGENT}), on_terms, NOBODY)
    request = invite(extra="Privacy: header;critical\r\n")
    call = admission.admit(request, Flow("UDP", "192.0.2.1", 5060))
    assert isinstance(call, Call)
    assert call.from_number == "+33912345678"


def test_an_invalid_request_uri_raises() -> None:
    with pytest.raises(Malformed):
        admit(invite("sip:@"))


def test_non_ascii_bytes_in_a_call_id_are_escaped() -> None:
    request = parse(bytes(invite()).replace(b"abc@carrier", b"ab\xff@carrier"))
    assert isinstance(request, Request)
    assert admitted(request).call_id == r"ab\xff@carrier"


@pytest.mark.parametrize("turned", [False, True])
def test_the_narrowest_network_wins(*, turned: bool) -> None:
    trunks = [
        trunk("wide", "0.0.0.0/0", "::/0"),
        trunk("middle", "10.0.0.0/8"),
        trunk("narrow", "10.1.2.3"),
    ]
    networks = TrunkNetworks(reversed(trunks) if turned else trunks)
    found = [networks.trunk_of(host) for host in ("10.1.2.3", "10.1.2.4", "11.0.0.0", "::1")]
    assert [each.name for each in found if each] == ["narrow", "middle", "wide", "wide"]


def test_the_cache_of_source_addresses_is_bounded() -> None:
    networks = TrunkNetworks(TRUNKS)
    for number in range(5000):
        networks.trunk_of(f"10.0.{number // 250}.{number % 250}")
    assert networks.trunk_of.cache_info().currsize <= 4096


def test_a_call_gets_the_terms_of_its_trunk_and_number() -> None:
    asked: list[tuple[str, str]] = []
    policy = Policy(refusal=480)

    def terms_of(trunk: str, number: str) -> Terms:
        asked.append((trunk, number))
        return Terms(policy, 8.0, ringback_timeout=5.0, margin=0.5)

    admission = TrunkAdmission(TRUNKS, mapped({"+33612345678": AGENT}), terms_of, NOBODY)
    call = admission.admit(invite("sip:0612345678@edge"), Flow("UDP", "192.0.2.1", 5060))
    assert isinstance(call, Call)
    assert asked == [("french", "+33612345678")]
    assert (call.policy, call.deadline) == (policy, 4.5)


@pytest.mark.parametrize(
    ("key", "user", "given"),
    [
        ("reception", "reception", "+33366725529"),
        ("1000", "1000", "+33366725529"),
        ("support-*", "support-fr", "+33366725529"),
        ("*", "reception", "+33366725529"),
        ("*", "+33612345678", "+33612345678"),
        ("*", "0612345678", "+33612345678"),
    ],
)
def test_the_api_gets_the_number_of_a_name(key: str, user: str, given: str) -> None:
    row = Row((Share(AGENT),), e164="+33366725529")
    variables = CallVariables({"line": "${called}"})
    mapping = NumberMapping([(key, row)], monday_noon)
    admission = TrunkAdmission(TRUNKS, mapping, on_terms, NOBODY, variables)
    call = admission.admit(invite(f"sip:{user}@edge"), Flow("UDP", "192.0.2.1", 5060))
    assert isinstance(call, Call)
    assert call.to_number == given
    assert call.variables == {"line": "+33612345678" if given.endswith("678") else user}


class Full:
    """Limits that are exceeded by every call to one row."""

    def exceeded(self, trunk: str, row: str) -> str:
        return f"{trunk} has 2 calls" if row == "+33612345678" else ""


@pytest.mark.parametrize("status", [503, 486])
def test_a_call_beyond_the_limit_of_its_trunk_or_number_is_refused_with_the_trunks_code(
    status: int,
) -> None:
    admission = TrunkAdmission(
        TRUNKS,
        mapped({"+33612345678": AGENT, "1000": OTHER}),
        terms_of=lambda *_: Terms(Policy(refusal=status), 3.5),
        anonymous_number=NOBODY,
        limits=Full(),
    )
    refusal = admission.admit(invite(), Flow("UDP", "192.0.2.1", 5060))
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.cause) == (status, RefusalCause.CALL_LIMIT)
    assert (refusal.text, refusal.retry_after) == ("french has 2 calls", None)
    assert (refusal.trunk, refusal.to_number) == ("french", "+33612345678")
    call = admission.admit(invite("sip:1000@edge"), Flow("UDP", "192.0.2.1", 5060))
    assert isinstance(call, Call)
    assert call.row == "1000"


@pytest.mark.parametrize(
    ("host", "uri", "why"),
    [
        ("198.51.100.200", "sip:1@edge", "it is next to the networks of the trunk american"),
        ("::ffff:198.51.100.8", "sip:1@edge", "it is next to the networks of the trunk american"),
        ("203.0.113.200", "sip:1@edge", "it is next to the networks of the trunk bare"),
        ("100.64.0.1", "sip:+33612345678@edge", "it calls a number that is mapped"),
        ("100.64.0.1", "sip:+33612345679@edge", ""),
        ("100.64.0.1", "sip:9011441234567890@edge", ""),
        ("198.51.101.7", "sip:100@edge", ""),
        ("2001:db9::1", "sip:100@edge", ""),
        ("no-address", "sip:100@edge", ""),
    ],
)
def test_a_strangers_call_may_be_one_of_a_trunk(host: str, uri: str, why: str) -> None:
    """The log then asks for the address in the trunk's networks: a carrier may have added it."""
    assert ADMISSION.resembles_trunk(invite(uri), Flow("UDP", host, 5060)) == why


def test_a_number_of_a_wide_row_is_none_that_only_a_carrier_knows() -> None:
    """Scanners dial at random, and "*" maps whatever they dial."""
    admission = TrunkAdmission(TRUNKS, mapped({"*": AGENT, "+336*": AGENT}), on_terms, NOBODY)
    source = Flow("UDP", "100.64.0.1", 5060)
    assert admission.resembles_trunk(invite(), source) == ""
    assert admission.resembles_trunk(invite("sip:100@edge"), source) == ""


def test_a_number_that_is_reserved_for_a_trunk_is_not_mapped_for_another() -> None:
    row = Row((Share(AGENT),), trunks=frozenset({"french"}))
    admission = TrunkAdmission(
        TRUNKS,
        NumberMapping([("+33612345678", row)], monday_noon),
        terms_of=lambda *_: Terms(Policy(), 3.5),
        anonymous_number=NOBODY,
    )
    assert isinstance(admission.admit(invite(), Flow("UDP", "192.0.2.1", 5060)), Call)
    refusal = admission.admit(invite(), Flow("UDP", "203.0.113.1", 5060))
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.cause) == (404, RefusalCause.UNMAPPED_NUMBER)
    assert refusal.text.endswith("is reserved for other trunks")
