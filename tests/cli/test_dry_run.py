"""``route`` reports what the core does with a call."""

from __future__ import annotations

import pytest

from tests.cli.asking import OTHER, route, steps, with_trunk
from tests.config.settings_folder import RIGHT, Folder


def test_an_invalid_request_uri_is_refused(folder: Folder) -> None:
    result = route(folder, RIGHT, "--to", "sip:@")
    said = ["400 Bad Request", 'Warning: 399 sip-stager "invalid SIP URI"']
    assert (result.exit_code, steps(result)["refused"]) == (1, said)


@pytest.mark.parametrize(
    ("to", "header", "said"),
    [
        ("sips:+33612345678@h", "", ["416 Unsupported URI Scheme"]),
        ("+33612345678", "Max-Forwards: 0", ["483 Too Many Hops"]),
        ("+33612345678", "Proxy-Require: foo", ["420 Bad Extension", "Unsupported: foo"]),
        ("+33612345678", "Max-Breadth: 0", ["440 Max-Breadth Exceeded"]),
        (
            "+33612345678",
            "CSeq: 1 BYE",
            ["400 Bad Request: the method in CSeq is not that of the request"],
        ),
        (
            "+33612345678",
            "Via: x",
            ["no response: invalid Via value"],
        ),
    ],
)
def test_the_validation_of_the_proxy_applies(
    folder: Folder, to: str, header: str, said: list[str]
) -> None:
    result = route(folder, RIGHT, "--to", to, *(["--header", header] if header else []))
    shown = steps(result)
    assert (result.exit_code, shown["refused"]) == (1, said)
    assert shown.keys() & {"called number", "agent", "upstream"} == set()


def test_a_to_tag_of_an_unknown_dialog_is_refused(folder: Folder) -> None:
    result = route(folder, RIGHT, "--to", "1", "--header", "To: <sip:1@h>;tag=abc")
    assert result.exit_code == 1
    assert steps(result)["refused"][0] == "481 Call/Transaction Does Not Exist"
    assert "no Route of ours" in steps(result)["refused"][1]


@pytest.mark.parametrize(
    ("policy", "header", "said"),
    [
        ("ringing_delay = 1.5", "X-A: 1", "180 after 1.5 s"),
        ('ringing = "183"', "X-A: 1", "183 after 2 s"),
        ('ringing = "never"', "X-A: 1", "never"),
        ("", "Require: 100rel", "never (the INVITE requires 100rel)"),
        ("", "Expires: 2", "never (ringing_delay is 2 s, and staging may take 1.7 s)"),
    ],
)
def test_the_report_says_whether_the_call_rings(
    folder: Folder, policy: str, header: str, said: str
) -> None:
    text = f"{RIGHT}[policy]\n{policy}\n"
    shown = steps(route(folder, text, "--to", "+33612345678", "--header", header))
    assert shown["if not staged"][-1] == f"rings: {said}"


def test_the_report_says_how_much_time_the_first_agent_has(folder: Folder) -> None:
    text = f'{RIGHT}[policy]\ntimeout = ["agent {OTHER}", "refuse"]\n'
    assert steps(route(folder, text, "--to", "+33612345678"))["deadline"] == [
        "4 s for the whole staging",
        "2 s of it for this agent, the rest for the policy's other agent",
    ]


def test_targets_are_shown_in_order_with_their_transport(folder: Folder) -> None:
    text = RIGHT.replace(
        'uri = "sip:sip.example.com"',
        'uri = "sip:sip.example.com"\nbackups = ["sip:192.0.2.77:5070"]\nrequest_uri = "keep"',
    )
    assert steps(route(folder, text, "--to", "sip:+33612345678@edge"))["upstream"] == [
        "INVITE sip:+33612345678@edge to udp:sip.example.com:5060",
        "INVITE sip:+33612345678@edge to udp:192.0.2.77:5070",
    ]


@pytest.mark.parametrize(
    ("to", "asked"),
    [("sip:ovhuser@edge", "+33612345678"), ("sip:0912345678@edge", "+33612345678")],
)
def test_the_upstream_uri_has_the_mapped_number_with_request_uri_e164(
    folder: Folder, to: str, asked: str
) -> None:
    text = with_trunk('called = ["to"]\ncountry = "FR"')
    text = text.replace("[upstream]", '[upstream]\nrequest_uri = "e164"')
    header = "To: <sip:0612345678@edge>"
    assert steps(route(folder, text, "--to", to, "--header", header))["upstream"] == [
        f"INVITE sip:{asked}@sip.example.com to udp:sip.example.com:5060"
    ]


def test_a_tcp_upstream_is_resolved_for_the_tcp_listener(folder: Folder) -> None:
    listeners = '[[listeners]]\ntransport = "tcp"\naddress = "::1"\n'
    text = listeners + RIGHT.replace("sip.example.com", "sip.example.com;transport=tcp")
    uri = "sip:+33612345678@sip.example.com;transport=tcp"
    upstream = steps(route(folder, text, "--to", "+33612345678"))["upstream"]
    assert upstream == [f"INVITE {uri} to tcp:sip.example.com:5060"]


def test_an_upstream_without_a_usable_address_is_a_mistake(folder: Folder) -> None:
    text = RIGHT.replace("sip.example.com", "255.255.255.255")
    result = route(folder, text, "--to", "+33612345678")
    assert (result.exit_code, result.stdout) == (2, "")
    assert '"255.255.255.255" is not an address that a peer can send to' in result.stderr
