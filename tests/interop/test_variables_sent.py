"""What an agent is told of a call, and what strangers write into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import TALKS, number, put_through, told
from tests.interop.program import AGENT

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

CALLED, FROM_A_STRANGER = map(number, range(2))
SOURCE = "127.0.0.2"
HEADERS = (
    "X-Customer: 4711",
    "X-Account: <sip:acme@example.com>;tier=gold",
    "Diversion: <sip:+33611111111@example.com>;reason=no-answer",
    "User-to-User: 56a390f3;encoding=hex",
)
LONGEST = 1024  # characters of a value


def start(scene: Scene) -> None:
    """Let all calls, a trunk and a number have variables."""
    trunk = {
        "name": "carrier",
        "networks": [f"{SOURCE}/32"],
        "variables": {"brand": "the trunk's", "line": "${called} by ${trunk} from ${source}"},
    }
    variables = {
        "brand": "the number's",
        "who": "${display_name}",
        "customer": "${header:X-Customer}",
        "tier": "${header:X-Account;tier|none}",
        "diverted": "${diversion}",
        "uui": "${user_to_user}",
        "missing": "${header:X-Missing}",
        "instead": "${header:X-Missing|nothing}",
        "vip": True,
        "level": 3,
    }
    stranger = {"customer": "${header:X-Customer|unknown}"}
    scene.start(
        tables=[
            ("[[trunks]]", trunk),
            ("[[numbers]]", {"number": CALLED, "agent": AGENT, "variables": variables}),
            ("[[numbers]]", {"number": FROM_A_STRANGER, "agent": AGENT, "variables": stranger}),
            ("[variables]", {"brand": "everybody's", "shop": "Example"}),
        ]
    )


def test_an_agent_is_told_what_the_headers_say(started: Scene) -> None:
    script = TALKS.replace("INVITE", f"INVITE | {' | '.join(HEADERS)}")
    asked = told(started, put_through(started, script, number=CALLED, source=SOURCE))
    assert asked["dynamic_variables_values"] == {
        "shop": "Example",
        "brand": "the number's",
        "line": f"{CALLED} by carrier from {SOURCE}",
        "who": "Alice",
        "customer": "4711",
        "tier": "gold",
        "diverted": "+33611111111",
        "uui": "56a390f3",
        "instead": "nothing",
        "vip": True,
        "level": 3,
    }
    assert "56a390f3" not in started.program.printed()


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        pytest.param('","agent_id":"evil', '","agent_id":"evil', id="JSON"),
        pytest.param("${caller}$$", "${caller}$$", id="a template"),
        pytest.param("one\r\n two", "one two", id="a fold"),
        pytest.param("a\x01\x1b[31mb", "a  [31mb", id="control characters"),
        pytest.param("a\u202eb", "a b", id="right to left"),
        pytest.param("a\udcffb", "a\ufffdb", id="no UTF-8"),
        pytest.param("é😀", "é😀", id="UTF-8"),
        pytest.param("x" * LONGEST, "x" * LONGEST, id="long"),
        pytest.param("x" * (LONGEST + 1), "unknown", id="too long"),
    ],
)
def test_what_a_stranger_writes_stays_one_value(started: Scene, written: str, heard: str) -> None:
    asked = told(
        started,
        put_through(
            started,
            TALKS.replace("INVITE", "INVITE | X-Customer: [written]"),
            number=FROM_A_STRANGER,
            options=("-key", "written", written),
        ),
    )
    values = {"shop": "Example", "brand": "everybody's", "customer": heard}
    assert asked["dynamic_variables_values"] == values
    assert asked["agent_id"] == AGENT
