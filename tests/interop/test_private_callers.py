"""The caller's number that the API gets, and callers who request privacy."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.interop.calls import TALKS, number, place_answered_call, staged_request
from tests.interop.program import AGENT

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

CALLED = number(0)
REAL = "+33698765432"
PLACEHOLDER = "+10000000000"
UNTRUSTED, TRUSTED = "127.0.0.1", "127.0.0.2"
IDENTITY_FIELDS = ("P-Asserted-Identity", "Remote-Party-ID")
ASSERTED = f'P-Asserted-Identity: "Bob" <sip:{REAL}@carrier.example>'
TAG = "tag=alice-[pid]-[call_number]"
PRIVATE = [
    f"{ASSERTED} | Privacy: id",
    f"{ASSERTED} | Privacy: user;id",
    f"{ASSERTED} | Privacy: id | Proxy-Require: privacy",
    f'From: "Bob" <sip:{REAL}@carrier.example>;{TAG} | Privacy: user;critical',
    f'{ASSERTED} | From: "Anonymous" <sip:anonymous@anonymous.invalid>;{TAG}',
    f"Remote-Party-ID: <sip:{REAL}@carrier.example>;party=calling;privacy=full",
]


def start(scene: Scene) -> None:
    """Start with variables that would identify the caller."""
    variables = {
        "caller": "${caller|nobody}",
        "name": "${display_name|nobody}",
        "identity": "${header:P-Asserted-Identity|nobody}",
        "party": "${header:Remote-Party-ID|nobody}",
    }
    trusted = {"name": "trusted", "networks": [f"{TRUSTED}/32"], "pass_private_number": True}
    mapped = {"number": CALLED, "agent": AGENT, "variables": variables}
    scene.start(tables=[("[[trunks]]", trusted), ("[[numbers]]", mapped)])


def invite(field: str) -> str:
    """Return the script of a caller who sends this field."""
    return TALKS.replace("INVITE", f"INVITE | {field}")


@pytest.mark.parametrize("fields", PRIVATE)
def test_a_private_number_reaches_neither_api_nor_upstream_nor_log(
    module_scene: Scene, fields: str
) -> None:
    """RFC 3323, RFC 3325 7: a caller who requests privacy is anonymous beyond the trunk."""
    came = place_answered_call(module_scene, invite(fields), number=CALLED)
    assert came.values(*IDENTITY_FIELDS, "Proxy-Require") == []
    assert REAL.encode() not in came.data
    asked = staged_request(module_scene, came)
    assert asked["from_number"] == PLACEHOLDER
    assert set(asked["dynamic_variables_values"].values()) == {"nobody"}
    for text in (json.dumps(asked), module_scene.program.printed()):
        assert REAL.removeprefix("+33") not in text


@pytest.mark.parametrize("fields", PRIVATE)
def test_a_trunk_may_pass_a_private_number(module_scene: Scene, fields: str) -> None:
    came = place_answered_call(module_scene, invite(fields), number=CALLED, source=TRUSTED)
    assert REAL.encode() in came.data
    assert staged_request(module_scene, came)["from_number"] == REAL


@pytest.mark.parametrize(
    ("fields", "heard"),
    [
        (ASSERTED, REAL),
        (f"P-Asserted-Identity: <sip:bob@carrier.example>, <tel:{REAL}>", REAL),
        (f"Remote-Party-ID: <sip:{REAL}@carrier.example>;party=calling", REAL),
        ("Subject: From alone", "+33912345678"),
        (f'From: "Bob" <sip:bob@example.com>;{TAG}', PLACEHOLDER),
        (f"P-Asserted-Identity: DOE, BOB;JR <sip:{REAL}@carrier.example>", REAL),
        (f'P-Asserted-Identity: "DOE, BO <sip:{REAL}@carrier.example>', REAL),
        (f"From: DOE, BOB;JR <sip:{REAL}@carrier.example>;{TAG}", REAL),
        (f'From: "DOE, BO <sip:{REAL}@carrier.example>;{TAG}', REAL),
    ],
)
def test_an_asserted_number_is_preferred_to_from(
    module_scene: Scene, fields: str, heard: str
) -> None:
    asked = staged_request(
        module_scene, place_answered_call(module_scene, invite(fields), number=CALLED)
    )
    assert asked["from_number"] == heard
