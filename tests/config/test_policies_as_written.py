"""Policies: their forms, their mistakes, and their precedence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from sip_stager.config.tables.policy import CAUSES, CallPolicy, merge_policies
from sip_stager.model.call import Cause, Policy, Treatment
from sip_stager.model.vocabulary import StagingOutcome, TreatmentKind
from tests.config.settings_folder import RIGHT, Folder

AGENT = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("forward", [Treatment(TreatmentKind.FORWARD)]),
        ("refuse", [Treatment(TreatmentKind.REFUSE)]),
        ("refuse 480", [Treatment(TreatmentKind.REFUSE, 480)]),
        ("refuse 603 Not today", [Treatment(TreatmentKind.REFUSE, 603, "Not today")]),
        (
            "redirect sip:queue@h:5080",
            [Treatment(TreatmentKind.REDIRECT, target="sip:queue@h:5080")],
        ),
        (
            "moved sip:+331@h;user=phone",
            [Treatment(TreatmentKind.MOVED, target="sip:+331@h;user=phone")],
        ),
        (
            [f"agent {AGENT.upper()}", "forward"],
            [Treatment(TreatmentKind.AGENT, target=AGENT), Treatment(TreatmentKind.FORWARD)],
        ),
    ],
)
def test_a_treatment_is_written_in_words(written: Any, meant: list[Treatment]) -> None:
    assert CallPolicy(timeout=written).timeout == tuple(meant)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("drop", "is not a treatment"),
        ("refuse 200", "is not a treatment"),
        ("refuse 302", "is not a treatment"),
        (f"agent {AGENT} then refuse", "in the form for CSV files"),
        ("refuse 401", "asks for credentials"),
        ("refuse 407 Who are you", "asks for credentials"),
        ("refuse 700", "is not a treatment"),
        ("refuse 480 \r\nX-Evil: 1", "is not a treatment"),
        ("redirect", "is not a treatment"),
        ("redirect queue", "is not a SIP URI"),
        ("redirect sips:queue@h", "asks for TLS, which is not supported yet"),
        ("redirect sip:queue@h?X=y", "is not a SIP URI"),
        ("agent smith", "is not an agent id"),
        (f"agent {AGENT}", "if that agent cannot be staged either"),
        ([], "what happens"),
        (["forward", "refuse"], 'treatments after "forward"'),
        (["redirect sip:queue@h", f"agent {AGENT}"], 'after "redirect sip:queue@h"'),
        ([f"agent {AGENT}", "forward", "refuse"], 'after "forward"'),
        ([f"agent {AGENT}", f"agent {AGENT}", "refuse"], "more than one other agent"),
        (7, "is not a treatment"),
        ([7], "is not a treatment"),
    ],
)
def test_an_invalid_treatment_is_a_mistake(written: Any, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        CallPolicy(timeout=written)


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("refuse 200", "write a code from 400 to 699"),
        ("refuse then forward", "write a code from 400 to 699"),
        ("agent X then refuse 480 Now then", 'write a list: ["agent X", "refuse 480 Now then"]'),
        (["redirect sip:queue@h", f"agent {AGENT}"], "put the agent first"),
    ],
)
def test_an_invalid_treatment_is_answered_with_a_valid_form(
    folder: Folder, written: str | list[str], right: str
) -> None:
    (mistake,) = folder.mistakes(f"{RIGHT}[policy]\nbusy = {json.dumps(written)}\n")
    assert mistake.key == "policy.busy"
    assert right in mistake.right


@pytest.mark.parametrize("status", [200, 302, 401, 407, 700])
def test_a_refusal_is_a_final_error_status(status: int) -> None:
    with pytest.raises(ValidationError, match=r"credentials|greater than|less than"):
        CallPolicy(refusal=status)


def test_each_key_comes_from_the_first_policy_that_has_it() -> None:
    number = CallPolicy(timeout="forward", ringing_delay=1.0)  # type: ignore[arg-type]
    trunk = CallPolicy(timeout="refuse 480", refusal=480, ringing="183")  # type: ignore[arg-type]
    everybody = CallPolicy(api_unreachable="refuse 500", refusal=500, ringing_delay=9.0)  # type: ignore[arg-type]
    policy = merge_policies(number, trunk, everybody)
    assert policy.treatments[StagingOutcome.TIMEOUT] == (Treatment(TreatmentKind.FORWARD),)
    assert policy.treatments[StagingOutcome.API_UNREACHABLE] == (
        Treatment(TreatmentKind.REFUSE, 500),
    )
    assert (policy.refusal, policy.ringing, policy.ringing_delay) == (480, 183, 1.0)


def test_an_open_breaker_is_treated_as_an_unreachable_api() -> None:
    policy = merge_policies(CallPolicy(api_unreachable="forward"))  # type: ignore[arg-type]
    assert policy.treatments[StagingOutcome.BREAKER_OPEN] == (Treatment(TreatmentKind.FORWARD),)
    assert policy.treatments[StagingOutcome.AGENT_BREAKER_OPEN] == (
        Treatment(TreatmentKind.FORWARD),
    )
    assert policy.treatments[StagingOutcome.FAILED] == (Treatment(TreatmentKind.FORWARD),)


def test_the_default_policy_refuses_by_cause_and_rings_after_two_seconds() -> None:
    causes = [*CAUSES, StagingOutcome.FAILED, StagingOutcome.BREAKER_OPEN]
    causes += [StagingOutcome.AGENT_BREAKER_OPEN]
    refused: dict[Cause, tuple[Treatment, ...]] = dict.fromkeys(
        causes, (Treatment(TreatmentKind.REFUSE),)
    )
    policy = merge_policies(CallPolicy())
    assert policy == Policy(refused, ringing=180, ringing_delay=2.0)
    assert (policy.refusal, policy.call_refusal, policy.error_refusal) == (503, 480, 500)


def test_a_refusal_that_is_set_applies_to_every_cause() -> None:
    policy = merge_policies(CallPolicy(), CallPolicy(refusal=486))
    assert (policy.refusal, policy.call_refusal, policy.error_refusal) == (486, 486, 486)


def test_ringing_can_be_switched_off() -> None:
    assert merge_policies(CallPolicy(ringing="never"), CallPolicy(ringing="180")).ringing == 0
