"""The variables that an agent gets, and hostile values in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import TALKS, number, place_answered_call, staged_request
from tests.interop.program import AGENT

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

CALLED, FROM_HEADER = map(number, range(2))
SOURCE = "127.0.0.2"
HEADERS = (
    "X-Customer: 4711",
    "X-Account: <sip:acme@example.com>;tier=gold",
    "Diversion: <sip:+33611111111@example.com>;reason=no-answer",
    "User-to-User: 56a390f3;encoding=hex",
)
MAX_VALUE = 1024  # characters of a value


def start(scene: Scene) -> None:
    """Start with variables for all calls, for a trunk and for numbers."""
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
    from_header = {"customer": "${header:X-Customer|unknown}"}
    scene.start(
        tables=[
            ("[[trunks]]", trunk),
            ("[[numbers]]", {"number": CALLED, "agent": AGENT, "variables": variables}),
            ("[[numbers]]", {"number": FROM_HEADER, "agent": AGENT, "variables": from_header}),
            ("[variables]", {"brand": "everybody's", "shop": "Example"}),
        ]
    )


def test_an_agent_gets_variables_from_header_fields(module_scene: Scene) -> None:
    script = TALKS.replace("INVITE", f"INVITE | {' | '.join(HEADERS)}")
    asked = staged_request(
        module_scene, place_answered_call(module_scene, script, number=CALLED, source=SOURCE)
    )
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
    assert "56a390f3" not in module_scene.program.printed()


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        pytest.param('","agent_id":"evil', '","agent_id":"evil', id="JSON"),
        pytest.param("${caller}$$", "${caller}$$", id="a template"),
        pytest.param("one\r\n two", "one two", id="a fold"),
        pytest.param("a\x01\x1b[31mb", "a  [31mb", id="control characters"),
        pytest.param("a\u202eb", "a b", id="right to left"),
        pytest.param("a\udcffb", "a\ufffdb", id="no UTF-8"),
        pytest.param("é😀", "é😀", id="UTF-8"),
        pytest.param("x" * MAX_VALUE, "x" * MAX_VALUE, id="long"),
        pytest.param("x" * (MAX_VALUE + 1), "unknown", id="too long"),
    ],
)
def test_a_hostile_value_stays_a_single_value(
    module_scene: Scene, sent: str, received: str
) -> None:
    asked = staged_request(
        module_scene,
        place_answered_call(
            module_scene,
            TALKS.replace("INVITE", "INVITE | X-Customer: [written]"),
            number=FROM_HEADER,
            options=("-key", "written", sent),
        ),
    )
    values = {"shop": "Example", "brand": "everybody's", "customer": received}
    assert asked["dynamic_variables_values"] == values
    assert asked["agent_id"] == AGENT
