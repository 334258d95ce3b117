"""The address that peers send to can be in the environment."""

from __future__ import annotations

import pytest

from tests.config.settings_folder import KEY, RIGHT, Folder, said

WILDCARD = RIGHT.replace('"127.0.0.1"', '"0.0.0.0"\nadvertise_env = "HOST_IP"')


@pytest.mark.parametrize("value", ["198.51.100.7", " 198.51.100.7\n", "edge.example.com"])
def test_an_advertised_address_can_come_from_the_environment(folder: Folder, value: str) -> None:
    (listener,) = folder.load(WILDCARD, HOST_IP=value, ROUNDED_API_KEY=KEY).listeners
    assert (listener.advertise, listener.sent_by) == (value.strip(), f"{value.strip()}:5060")


def test_an_advertised_ipv6_address_gets_its_brackets(folder: Folder) -> None:
    text = WILDCARD.replace("0.0.0.0", "::")
    (listener,) = folder.load(text, HOST_IP="2001:db8::7", ROUNDED_API_KEY=KEY).listeners
    assert listener.sent_by == "[2001:db8::7]:5060"


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        (None, "the environment variable HOST_IP is not set"),
        ("", "the environment variable HOST_IP is not set"),
        ("0.0.0.0", "holds no address or name that a peer can send to"),
        ("198.51.100.7:5060", "holds no address or name that a peer can send to"),
        ("::ffff:192.0.2.1", "holds no address or name that a peer can send to"),
        ("sk-secret value", "holds no address or name that a peer can send to"),
    ],
)
def test_a_variable_without_an_address_is_one_mistake_that_shows_no_value(
    folder: Folder, value: str | None, wrong: str
) -> None:
    environ = {} if value is None else {"HOST_IP": value}
    (mistake,) = folder.mistakes(WILDCARD, ROUNDED_API_KEY=KEY, **environ)
    assert said(mistake)[:3] == ("s.toml", 3, "listeners[0].advertise_env")
    assert wrong in mistake.wrong
    if value:
        assert value not in str(mistake)


def test_an_address_in_the_place_of_a_variable_is_a_mistake(folder: Folder) -> None:
    (mistake,) = folder.mistakes(WILDCARD.replace("HOST_IP", "198.51.100.7"), ROUNDED_API_KEY=KEY)
    assert mistake.key == "listeners[0].advertise_env"
    assert mistake.wrong == "is not the name of an environment variable"


def test_an_address_that_is_given_twice_is_a_mistake(folder: Folder) -> None:
    text = WILDCARD.replace("advertise_env", 'advertise = "198.51.100.7"\nadvertise_env')
    (mistake,) = folder.mistakes(text, HOST_IP="198.51.100.8", ROUNDED_API_KEY=KEY)
    assert (mistake.line, mistake.wrong) == (4, "stands beside advertise")
