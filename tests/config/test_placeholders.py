"""A value that only shows the form is reported until a real one replaces it."""

from __future__ import annotations

import pytest

from tests.config.settings_folder import AGENT, REAL, Folder

NIL = "00000000-0000-0000-0000-000000000000"
NETWORK = 'networks = ["10.0.2.0/24"]'
LISTENER = 'address = "127.0.0.1"'


def found(folder: Folder, text: str) -> list[tuple[str, str]]:
    return [(each.key, each.wrong) for each in folder.load(text).placeholders]


def test_real_values_are_no_placeholders(folder: Folder) -> None:
    assert found(folder, REAL) == []


@pytest.mark.parametrize(
    "host",
    [
        *("sip.example.com", "example.net", "Example.org", "sip.example", "sip.invalid"),
        *("UPSTREAM-HOST", "192.0.2.9", "198.51.100.9", "203.0.113.9"),
    ],
)
def test_a_reserved_host_is_a_placeholder(folder: Folder, host: str) -> None:
    text = REAL.replace("sip.platform.test", host)
    assert found(folder, text) == [("upstream.uri", f'"{host}" is a placeholder')]


@pytest.mark.parametrize("host", ["notexample.com", "example.com.platform.test", "10.0.0.1"])
def test_a_host_that_resembles_a_reserved_one_is_real(folder: Folder, host: str) -> None:
    assert found(folder, REAL.replace("sip.platform.test", host)) == []


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        (LISTENER, f'{LISTENER}\nadvertise = "198.51.100.7"', "listeners[0].advertise"),
        (LISTENER, f'{LISTENER}\nadvertise = "edge.example.com"', "listeners[0].advertise"),
        ("[api]", '[api]\nbase_url = "https://api.example.com"', "api.base_url"),
        ("[upstream]", '[upstream]\nbackups = ["sip:192.0.2.9"]', "upstream.backups[0]"),
        (
            "[[numbers]]",
            '[policy]\nbusy = "redirect sip:q@example.com"\n[[numbers]]',
            "policy.busy",
        ),
        ("[[numbers]]", '[policy]\nbusy = "moved sip:q@example.com"\n[[numbers]]', "policy.busy"),
        (
            "[[numbers]]",
            f'[policy]\nbusy = ["agent {NIL}", "refuse"]\n[[numbers]]',
            "policy.busy",
        ),
        (
            f'agent = "{AGENT}"',
            f'[[numbers.agents]]\nagent = "{NIL}"',
            "numbers[0].agents[0].agent",
        ),
    ],
)
def test_a_placeholder_is_reported_at_its_key(folder: Folder, old: str, new: str, key: str) -> None:
    assert old in REAL
    assert [each for each, _ in found(folder, REAL.replace(old, new))] == [key]


@pytest.mark.parametrize(
    "network",
    ["192.0.2.0/24", "192.0.2.17/32", "198.51.100.0/25", "203.0.113.0/24", "2001:db8:5060::/48"],
)
def test_a_documentation_network_is_a_placeholder(folder: Folder, network: str) -> None:
    text = REAL.replace(NETWORK, f'networks = ["{network}"]')
    wrong = f"{network} is a placeholder: no carrier sends calls from it"
    assert found(folder, text) == [("trunks[0].networks[0]", wrong)]


@pytest.mark.parametrize(
    ("agent", "left"),
    [
        (NIL, True),
        ("00000000-0000-0000-0000-000000000003", True),
        ("11111111-1111-1111-1111-111111111111", True),
        ("00000001-0000-0000-0000-000000000000", False),
        (AGENT, False),
    ],
)
def test_a_made_up_agent_id_is_a_placeholder(folder: Folder, agent: str, *, left: bool) -> None:
    expected = [("numbers[0].agent", f'"{agent}" is a placeholder')] if left else []
    assert found(folder, REAL.replace(AGENT, agent)) == expected
