"""`check` warns of refusals and ringing that keep a carrier from trying its next route."""

from __future__ import annotations

import pytest

from tests.config.settings_folder import RIGHT, Folder


def warned(folder: Folder, trunk: str, policy: str = "", number: str = "") -> list[tuple[str, str]]:
    text = RIGHT.replace("[[trunks]]\n", f"[[trunks]]\n{trunk}\n")
    text = text.replace("[[numbers]]\n", f"[[numbers]]\n{number}\n")
    settings = folder.load(f"{text}\n[policy]\n{policy}\n")
    return [(warning.key, warning.wrong) for warning in settings.warnings]


@pytest.mark.parametrize(
    ("profile", "status", "ends"),
    [
        ("telnyx", 503, False),
        ("telnyx", 486, True),
        ("telnyx", 603, True),
        ("didww", 486, False),
        ("didww", 503, True),
        ("twilio", 503, False),
        ("twilio", 480, True),
        ("teams", 486, False),
    ],
)
def test_a_refusal_that_stops_the_carriers_failover_is_a_warning(
    folder: Folder, profile: str, status: int, *, ends: bool
) -> None:
    found = warned(folder, f'profile = "{profile}"\npolicy = {{ refusal = {status} }}')
    wrong = f'refuses with {status}, after which {profile} (trunk "carrier") tries no other route'
    assert found == ([("trunks[0].policy.refusal", wrong)] if ends else [])


def test_the_warning_is_at_the_setting_that_decides(folder: Folder) -> None:
    wrong = 'refuses with 486, after which telnyx (trunk "carrier") tries no other route'
    telnyx, refuse = 'profile = "telnyx"', "refuse 486 Busy"
    assert warned(folder, telnyx, f'busy = "{refuse}"') == [("policy.busy", wrong)]
    of_number = f'policy = {{ busy = "{refuse}" }}'
    assert warned(folder, telnyx, number=of_number) == [("numbers[0].policy.busy", wrong)]


def test_a_refusal_that_another_policy_hides_is_no_warning(folder: Folder) -> None:
    telnyx = 'profile = "telnyx"\npolicy = { busy = "forward" }'
    assert warned(folder, telnyx, 'busy = "refuse 486"\nrefusal = 486') == []


def test_without_a_profile_there_is_no_warning(folder: Folder) -> None:
    assert warned(folder, "", "refusal = 486") == []


@pytest.mark.parametrize(
    ("trunk", "key"),
    [
        ('profile = "telnyx"\npolicy = { ringing = "180" }', "policy.ringing"),
        ('profile = "teams"\npolicy = { ringing = "183" }', "policy.ringing"),
        ('profile = "telnyx"\npolicy = { ringing = "180", after_ringing = "forward" }', None),
        ('profile = "telnyx"\npolicy = { ringing = "180", deadline = 1.9 }', None),
        ('profile = "didww"\npolicy = { ringing = "180" }', None),
        ('profile = "telnyx"', None),
    ],
)
def test_ringing_that_stops_the_carriers_failover_is_a_warning(
    folder: Folder, trunk: str, key: str | None
) -> None:
    found = warned(folder, trunk)
    assert [place for place, _ in found] == ([f"trunks[0].{key}"] if key else [])
    assert all(wrong.startswith("rings after 2 s, and ") for _, wrong in found)


def test_ringing_without_a_refusal_is_no_warning(folder: Folder) -> None:
    causes = "timeout", "api_unreachable", "refused", "busy", "invalid_response"
    forward = "\n".join(f'{cause} = "forward"' for cause in causes)
    assert warned(folder, 'profile = "telnyx"\npolicy = { ringing = "180" }', forward) == []


def test_a_passed_on_503_that_stops_the_failover_is_a_warning(folder: Folder) -> None:
    wrong = 'passes on 503, after which didww (trunk "carrier") tries no other route'
    found = warned(folder, 'profile = "didww"\npass_503 = true')
    assert found == [("trunks[0].pass_503", wrong)]
