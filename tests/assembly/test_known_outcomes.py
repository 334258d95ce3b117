"""The refusals and treatments that the settings allow are known before the first call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.assembly.known_outcomes import known_outcomes
from sip_stager.config import load

if TYPE_CHECKING:
    from pathlib import Path

    from sip_stager.observability.call_metrics import KnownOutcomes

AGENT = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29"
OTHER = "511b82c8-462a-4e1b-89bc-10ab3ce1ed29"


def known(folder: Path, policy: str = "", number: str = "") -> KnownOutcomes:
    file = folder / "s.toml"
    file.write_text(f"""
        listeners = [{{ address = "127.0.0.1" }}]
        upstream = {{ uri = "sip:127.0.0.1:9" }}
        trunks = [{{ name = "carrier", networks = ["127.0.0.1"] }}]
        policy = {{ {policy} }}
        numbers = [
          {{ number = "+33366725520", agent = "{AGENT}" }},
          {{ number = "+33366725521", agent = "{AGENT}"{number} }},
        ]
    """)
    return known_outcomes(load(file, {"ROUNDED_API_KEY": "x"}))


def test_each_refusal_of_the_default_policy_is_known(tmp_path: Path) -> None:
    refused = known(tmp_path).refused
    assert {
        ("", "unknown_source", "403"),
        ("", "invalid_request", "400"),
        ("carrier", "unmapped_number", "404"),
        ("carrier", "timeout", "480"),
        ("carrier", "overload", "503"),
        ("carrier", "stopped", "503"),
        ("carrier", "internal_error", "500"),
    } <= set(refused)
    assert known(tmp_path).treated == frozenset()


def test_the_treatments_of_a_policy_and_of_a_number_are_known(tmp_path: Path) -> None:
    timeout = f'timeout = ["agent {OTHER}", "refuse 603"]'
    found = known(tmp_path, timeout, ', policy = { busy = "forward" }')
    assert ("carrier", "timeout", "agent") in found.treated
    assert ("carrier", "busy", "forward") in found.treated
    assert ("carrier", "timeout", "603") in found.refused
    assert ("carrier", "refused", "603") in found.refused, "the other agent was refused"


def test_a_status_for_all_causes_is_known(tmp_path: Path) -> None:
    assert ("carrier", "timeout", "486") in known(tmp_path, "refusal = 486").refused
