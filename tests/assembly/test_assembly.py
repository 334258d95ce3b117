"""Values that the composition root derives from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.assembly.staging import make_breaker_rules
from sip_stager.config import load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("api", "trunk", "number", "slow"),
    [
        ("deadline = 8.0", "", "", 1.0),
        ("deadline = 8.0, breaker_slow_call = 0.5", "", "", 0.5),
        ("deadline = 8.0, breaker_slow_call = 5.0", "", "", 2.0),
        ("deadline = 0.8", "", "", 0.2),
        ("deadline = 8.0", ", ringback_timeout = 1.1, policy = { ringing = 'never' }", "", 0.2),
        (
            "deadline = 8.0",
            "",
            ", policy = { deadline = 0.4 }",
            1.0,
        ),  # the policy of one number does not count
    ],
)
def test_a_slow_call_is_at_most_a_quarter_of_the_usual_time(
    tmp_path: Path, api: str, trunk: str, number: str, slow: float
) -> None:
    file = tmp_path / "s.toml"
    file.write_text(
        f"""
        listeners = [{{ address = "127.0.0.1" }}]
        api = {{ base_url = "http://127.0.0.1:1", {api} }}
        upstream = {{ uri = "sip:127.0.0.1:9" }}
        trunks = [
          {{ name = "patient", networks = ["127.0.0.2"] }},
          {{ name = "carrier", networks = ["127.0.0.1"]{trunk} }},
        ]
        numbers = [
          {{ number = "+33366725520", agent = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29"{number} }}
        ]
        """
    )
    settings = load(file, {"ROUNDED_API_KEY": "x"})
    assert make_breaker_rules(settings).slow_call == pytest.approx(slow)
