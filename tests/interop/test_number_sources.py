"""Where carriers put the called number, and the entry of [[numbers]] that applies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import TALKS, number_row, place_answered_call, staged_request
from tests.interop.program import AGENT, NUMBER

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

EXACT, SHORT, LONG, NAMED, DEFAULT = (AGENT[:-1] + digit for digit in "01234")
USER = "customer-4711"  # what a carrier's Request-URI holds instead of the number
TRUNKS: dict[str, dict[str, object]] = {
    "127.0.0.2": {"called": ["to"]},
    "127.0.0.3": {"called": ["p_called_party_id", "to"]},
    "127.0.0.4": {"called": ["diversion"]},
    "127.0.0.5": {"called": ["header:X-Original-To"]},
    "127.0.0.6": {"strip": ["99"], "country": "FR"},
}
ROWS = {NUMBER: EXACT, "+336123*": SHORT, "+33612399*": LONG, "support-*": NAMED, "*": DEFAULT}
CALLS = [
    ("127.0.0.2", USER, f"To: <sip:{NUMBER}@example.com>", NUMBER, EXACT),
    ("127.0.0.3", USER, f"P-Called-Party-ID: <tel:{NUMBER}>", NUMBER, EXACT),
    ("127.0.0.3", USER, "To: <sip:+33612300001@example.com>", "+33612300001", SHORT),
    (
        "127.0.0.4",
        USER,
        f"Diversion: <sip:{NUMBER}@a.example>;reason=no-answer, <sip:+33611111111@b.example>",
        NUMBER,
        EXACT,
    ),
    ("127.0.0.5", USER, f"X-Original-To: {NUMBER}", NUMBER, EXACT),
    ("127.0.0.6", f"990{NUMBER.removeprefix('+33')}", "Subject: 99 first", NUMBER, EXACT),
    ("127.0.0.1", f"00{NUMBER.removeprefix('+')}", "Subject: no plus", NUMBER, EXACT),
    ("127.0.0.1", NUMBER.replace("+33", "+330"), "Subject: a national zero", NUMBER, EXACT),
    ("127.0.0.1", f"{NUMBER};npdi;rn=+33199", "Subject: a ported number", NUMBER, EXACT),
    ("127.0.0.1", "+33612300002", "Subject: a prefix", "+33612300002", SHORT),
    ("127.0.0.1", "+33612399002", "Subject: the longest", "+33612399002", LONG),
    ("127.0.0.1", "support-emea", "Subject: a name", "support-emea", NAMED),
    ("127.0.0.1", "+33987654321", "Subject: any other", "+33987654321", DEFAULT),
]


def start(scene: Scene) -> None:
    """Start with one address per carrier."""
    rows = [number_row(number, agent) for number, agent in ROWS.items() if number != NUMBER]
    trunks = [
        ("[[trunks]]", {"name": f"trunk-{address}", "networks": [f"{address}/32"], **keys})
        for address, keys in TRUNKS.items()
    ]
    scene.start(agent=EXACT, tables=[*trunks, *rows])


@pytest.mark.parametrize(("source", "dialled", "field", "number", "agent"), CALLS)
def test_the_number_is_read_where_the_trunk_puts_it_and_the_most_specific_entry_applies(
    module_scene: Scene, source: str, dialled: str, field: str, number: str, agent: str
) -> None:
    script = TALKS.replace("INVITE", f"INVITE | {field}")
    asked = staged_request(
        module_scene, place_answered_call(module_scene, script, source=source, number=dialled)
    )
    assert (asked["to_number"], asked["agent_id"]) == (number, agent)
