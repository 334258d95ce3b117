"""Scripts and their SIPp scenarios, without SIPp."""

from __future__ import annotations

import re

import pytest

from tests.interop.script import scenario

CALLER = """
    INVITE | Supported: 100rel
    < 100?
    < 180
    one: < 200
    one: ACK
    ~
    BYE
    < 200
    """


def sent(script: str) -> list[str]:
    """Return the messages that a script sends, in their order."""
    return re.findall(r"<!\[CDATA\[\n(.*?)\n\n?\]\]>", scenario(script), re.DOTALL)


def test_a_request_within_a_dialog_has_its_route_tags_and_the_next_cseq() -> None:
    invite, ack, bye = sent(CALLER)
    assert "[routes]" not in invite
    assert "[peer_tag_param]" not in invite
    assert "Supported: 100rel\n" in invite
    assert ack.startswith("ACK [$one_target] SIP/2.0\n")
    assert "To: [$one_peer]\n" in ack
    assert "CSeq: 1 ACK\n" in ack
    assert bye.startswith("BYE [next_url] SIP/2.0\n")
    assert "[routes]\n" in bye
    assert "CSeq: 2 BYE\n" in bye


@pytest.mark.parametrize(("last", "steps_back"), [("CANCEL", 2), ("< 486\nACK", 3)])
def test_a_hop_by_hop_request_has_the_branch_of_its_invite(last: str, steps_back: int) -> None:
    request = sent(f"INVITE\n< 180\n{last}")[-1]
    assert f"branch=[branch-{steps_back}];" in request
    assert "[routes]" not in request
    assert "CSeq: 1 " in request


def test_a_callee_adds_its_tag_to_a_to_without_one() -> None:
    ringing, answer, end = sent("< INVITE\n180\n200\n< ACK\n< BYE\n200")
    for each in (ringing, answer):
        assert "[last_To:];tag=bob" in each
    assert "[last_To:]\n" in end


def test_an_invite_can_be_answered_after_another_request() -> None:
    _, cancelled, terminated = sent("< INVITE\n180\n< CANCEL\n200\n487 INVITE")
    assert "[last_Via:]" in cancelled
    assert "[$hops]" in terminated
    assert "CSeq: [$cseq]" in terminated


def test_a_retransmitted_request_is_answered_again() -> None:
    xml = scenario("< INVITE\n180\n< CANCEL\n200\n487 INVITE\n< CANCEL?\n< ACK")
    assert '<recv request="CANCEL"/><label id="2"/>\n<send>' in xml
    assert '<recv request="CANCEL" optional="true" next="2"/>' in xml


def test_an_invalid_step_is_an_error() -> None:
    with pytest.raises(ValueError, match="not a step of a script: 'INVITE!'"):
        scenario("INVITE!")
