"""A call is for the agent of its number, else of the longest prefix, else of the default."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sip_stager.model.call import Call
from sip_stager.model.flow import Flow
from sip_stager.sip.parser import parse_request
from sip_stager.trunks.admission import TrunkAdmission
from sip_stager.trunks.mapping import Moment, NumberMapping, Row, Share
from sip_stager.trunks.phone_numbers import is_e164
from tests.support.fakes import on_terms
from tests.support.mapping import mapped, monday_noon
from tests.trunks.test_admission import NOBODY, TRUNKS, invite

NUMBERS = ["+33612345678", "+336*", "+3361*", "+33612*", "+1*", "support", "support-*", "10*"]
MAPPING = mapped({number: number for number in NUMBERS})
WITH_DEFAULT = mapped({number: number for number in [*NUMBERS, "*"]})


def found(mapping: NumberMapping, number: str) -> tuple[str, str]:
    match = mapping.find(number)
    return (match.key, match.number) if match else ("", number)


@pytest.mark.parametrize(
    ("number", "row", "as_mapped"),
    [
        ("+33612345678", "+33612345678", "+33612345678"),
        ("+33612345679", "+33612*", "+33612345679"),
        ("+33613345679", "+3361*", "+33613345679"),
        ("+33699999999", "+336*", "+33699999999"),
        ("+3361", "+3361*", "+3361"),
        ("15550001234", "+1*", "+15550001234"),
        ("0015550001234", "+1*", "+15550001234"),
        ("1000", "10*", "1000"),
        ("support", "support", "support"),
        ("support-fr", "support-*", "support-fr"),
        ("Support", "", "Support"),
        ("+33712345678", "", "+33712345678"),
        ("33", "", "33"),
        ("", "", ""),
    ],
)
def test_the_most_specific_row_wins(number: str, row: str, as_mapped: str) -> None:
    assert found(MAPPING, number) == (row, as_mapped)
    assert found(WITH_DEFAULT, number)[0] == (row or ("*" if number else ""))


@pytest.mark.parametrize("number", ["support-\r\nX: 1", "a b", "\u0660", "<x>", "a" * 129, '"'])
def test_neither_prefix_nor_default_takes_a_name_that_needs_escapes(number: str) -> None:
    assert found(WITH_DEFAULT, number) == ("", number)
    assert found(WITH_DEFAULT, f"support-{number}") == ("", f"support-{number}")


@given(st.text("+0136*s", max_size=8), st.lists(st.text("+0136s", max_size=5), max_size=8))
def test_the_longest_prefix_is_found_as_by_a_full_search(number: str, stems: list[str]) -> None:
    assume(not is_e164(f"+{number.removeprefix('00')}"))  # which is looked up as that, too
    mapping = mapped({f"{stem}*": stem for stem in stems})
    match = mapping.find(number)
    fit = [stem for stem in stems if number.startswith(stem)] if number else []
    assert (match.key if match else None) == (f"{max(fit, key=len)}*" if fit else None)


@pytest.mark.parametrize("rows", [100, 100_000])
def test_the_cost_of_a_look_up_does_not_grow_with_the_rows(rows: int) -> None:
    numbers = [f"+336{number:08}" for number in range(rows)]
    prefixes = [f"+4930{number:05}*" for number in range(rows)]
    mapping = mapped(dict.fromkeys([*numbers, *prefixes, "+49*", "*"], "agent"))
    assert len(list(mapping.candidates("+493099999999"))) == 4
    assert found(mapping, "+3360000009900000")[0] == "*"
    assert found(mapping, numbers[-1])[0] == numbers[-1]
    assert found(mapping, "+49300000099")[0] == prefixes[0]


def test_rows_of_the_settings_override_those_of_the_platform() -> None:
    mapping = mapped({"+33612345678": "settings", "+3361*": "prefix"})
    mapping.platform = {
        number: Row((Share("platform"),), generation=1)
        for number in ("+33612345678", "+33612345679", "+33712345678", "support")
    }
    called = ["+33612345678", "+33612345679", "+33612345670", "0033712345678", "support", "x"]
    found = [mapping.find(number) for number in called]
    assert [match and (match.row.shares[0].agent, match.row.generation) for match in found] == [
        *(("settings", 0), ("platform", 1), ("prefix", 0)),
        *(("platform", 1), ("platform", 1), None),
    ]


def test_a_number_that_the_platform_redirects_is_mapped_to_no_agent() -> None:
    mapping = mapped({"+3361*": "prefix"})
    mapping.platform = {"+33612345678": Row((), generation=3)}
    admission = TrunkAdmission(TRUNKS, mapping, on_terms, NOBODY)
    call = admission.admit(invite("sip:+33612345678@edge"), Flow("UDP", "192.0.2.1", 5060))
    assert isinstance(call, Call)
    assert (call.agent_id, call.generation) == ("", 3)


NOON = Moment(0, 720)


def agent(row: Row, caller: str = "+33912345678", moment: Moment = NOON) -> str:
    return row.choose_agent(caller, "+33612345678", lambda _: moment)


def test_weights_divide_callers_and_each_keeps_the_same_agent() -> None:
    row = Row((Share("a", 3), Share("b", 1)))
    callers = [f"+3391{number:07}" for number in range(4000)]
    first = [agent(row, caller) for caller in callers]
    assert 2850 < Counter(first)["a"] < 3150
    assert [agent(row, caller) for caller in callers] == first


def test_each_number_divides_the_callers_in_its_own_way() -> None:
    row = Row((Share("a"), Share("b")))
    chosen = {row.choose_agent("+33912345678", f"+3361{n}", monday_noon) for n in range(64)}
    assert chosen == {"a", "b"}


def test_the_agent_of_a_caller_is_the_same_in_every_process() -> None:
    row = Row((Share("a"), Share("b"), Share("c")))
    assert [agent(row, str(number)) for number in range(6)] == list("cccaac")


WEEK = frozenset(range(5))
OFFICE = Row(
    (
        Share("day", days=WEEK, hours=((540, 720), (840, 1080))),
        Share("party", days=frozenset({4, 5}), hours=((1320, 360),)),
        Share("else"),
    ),
    "Europe/Paris",
)


@pytest.mark.parametrize(
    ("weekday", "hour", "expected"),
    [
        (0, "08:59", "else"),
        (0, "09:00", "day"),
        (4, "11:59", "day"),
        (4, "12:00", "else"),
        (4, "14:00", "day"),
        (5, "14:00", "else"),
        (4, "21:59", "else"),
        (4, "22:00", "party"),
        (5, "05:59", "party"),
        (5, "06:00", "else"),
        (5, "23:59", "party"),
        (6, "00:00", "party"),
        (6, "22:00", "else"),
        (0, "00:00", "else"),
        (4, "00:00", "else"),
    ],
)
def test_agents_with_days_or_hours_go_before_the_rest(
    weekday: int, hour: str, expected: str
) -> None:
    minute = int(hour[:2]) * 60 + int(hour[3:])
    assert agent(OFFICE, moment=Moment(weekday, minute)) == expected


def test_a_day_without_hours_is_a_whole_day() -> None:
    row = Row((Share("sunday", days=frozenset({6})), Share("else")))
    times = [(5, 1439), (6, 0), (6, 1439), (0, 0)]
    chosen = [agent(row, moment=Moment(*time)) for time in times]
    assert chosen == ["else", "sunday", "sunday", "else"]


def test_agents_with_the_same_hours_share_by_weight() -> None:
    night = ((1320, 360),)
    row = Row((Share("a", hours=night), Share("b", hours=night), Share("day")))
    chosen = {agent(row, str(number), Moment(2, 60)) for number in range(64)}
    assert chosen == {"a", "b"}


def test_the_time_of_the_zone_is_read_only_for_rows_with_hours() -> None:
    asked: list[str] = []

    def moment(zone: str) -> Moment:
        asked.append(zone)
        return Moment(0, 720)

    assert Row((Share("a"), Share("b"))).choose_agent("c", "x", moment) in {"a", "b"}
    assert asked == []
    assert OFFICE.choose_agent("c", "x", moment) == "else"
    assert asked == ["Europe/Paris"]


def admitted(caller: str, call_id: str) -> Call:
    row = Row(tuple(Share(str(number)) for number in range(1000)))
    admission = TrunkAdmission(
        TRUNKS, NumberMapping([("+33612345678", row)], monday_noon), on_terms, NOBODY
    )
    request = invite(caller=caller)
    fields = [
        b"Call-ID: " + call_id.encode() if name == b"call-id" else field
        for name, field in zip(request.names, request.fields, strict=True)
    ]
    edited = parse_request(bytes(request.edited(request.names, fields)))
    call = admission.admit(edited, Flow("UDP", TRUNKS[0].networks[0][1].exploded, 5060))
    assert isinstance(call, Call)
    return call


def test_a_redial_reaches_the_same_agent() -> None:
    known = "<sip:+33912345678@carrier>"
    assert admitted(known, "one").agent_id == admitted(known, "two").agent_id


def test_callers_without_a_number_are_divided_by_call_id() -> None:
    nobody = "<sip:anonymous@anonymous.invalid>"
    assert admitted(nobody, "one").agent_id == admitted(nobody, "one").agent_id
    assert admitted(nobody, "one").agent_id != admitted(nobody, "two").agent_id


def test_the_called_number_of_a_prefix_is_the_dialled_one() -> None:
    admission = TrunkAdmission(TRUNKS, mapped({"+3361*": "a"}), on_terms, NOBODY)
    call = admission.admit(invite("sip:0612345678@edge"), Flow("UDP", "192.0.2.1", 5060))
    assert isinstance(call, Call)
    assert (call.to_number, call.agent_id) == ("+33612345678", "a")


def test_a_call_without_a_number_has_no_agent() -> None:
    admission = TrunkAdmission(TRUNKS, mapped({"*": "a"}), on_terms, NOBODY)
    decision = admission.admit(invite("sip:edge"), Flow("UDP", "192.0.2.1", 5060))
    assert not isinstance(decision, Call)
    assert decision.cause == "unmapped_number"
