"""A common mistake is answered with the word that was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from sip_stager.config.suggestions import did_you_mean, one_of
from tests.config.settings_folder import AGENT, RIGHT, Folder

URI = "sip:sip.example.com"
LISTENER = 'address = "127.0.0.1"\n'
TRUNK = 'name = "carrier"\n'
NUMBER = f'agent = "{AGENT}"\n'
BRACKETS = "put the address into brackets: "


def test_the_closest_word_is_suggested_in_any_case() -> None:
    assert did_you_mean("Foward", ["forward", "refuse"]) == 'did you mean "forward"? '
    assert did_you_mean("xyz", ["forward", "refuse"]) == ""
    assert did_you_mean("184", ["180", "183"]) == ""
    assert one_of("foward", ["forward"]) == 'did you mean "forward"? write "forward"'
    assert one_of(7, ["a", "b", "c"]) == 'write "a", "b" or "c"'


@pytest.mark.parametrize(
    ("old", "new", "key", "meant"),
    [
        (LISTENER, f'{LISTENER}transport = "UDP"\n', "listeners[0].transport", "udp"),
        ('"sync"', '"snyc"', "api.mode", "sync"),
        ('mode = "sync"', 'after_hangup = "kept"', "api.after_hangup", "keep"),
        (URI, f"{URI};transport=utp", "upstream.uri", "udp"),
        ("[api]\n", '[log]\nlevel = "warn"\n[api]\n', "log.level", "warning"),
        ("[api]\n", '[log]\nnumbers = "mask"\n[api]\n', "log.numbers", "masked"),
        ("[api]\n", '[policy]\nbusy = "foward"\n[api]\n', "policy.busy", "forward"),
        ("[api]\n", '[policy]\nbusy = "redirct sip:a@h"\n[api]\n', "policy.busy", "redirect"),
        ("[api]\n", '[policy]\nringing = "newer"\n[api]\n', "policy.ringing", "never"),
        (TRUNK, f'{TRUNK}profile = "twillio"\n', "trunks[0].profile", "twilio"),
        (TRUNK, f'{TRUNK}called = ["diverson"]\n', "trunks[0].called[0]", "diversion"),
        (TRUNK, f'{TRUNK}caller = ["form"]\n', "trunks[0].caller[0]", "from"),
        (TRUNK, f"{TRUNK}contry = 'FR'\n", "trunks[0].contry", "country"),
        (NUMBER, f'{NUMBER}timezone = "Europe/Pariss"\n', "numbers[0].timezone", "Europe/Paris"),
        (NUMBER, NUMBER + '[variables]\na = "${calle}"\n', "variables.a", "caller"),
    ],
)
def test_a_word_that_is_almost_right_is_answered_with_the_right_one(
    folder: Folder, old: str, new: str, key: str, meant: str
) -> None:
    assert old in RIGHT
    (mistake,) = folder.mistakes(RIGHT.replace(old, new))
    assert mistake.key == key
    assert f'did you mean "{meant}"? ' in mistake.right


def test_a_csv_column_that_is_almost_right_is_answered_with_the_right_one(folder: Folder) -> None:
    folder.write("n.csv", f"number,agent,refusall\n+33612345679,{AGENT},480\n")
    (mistake,) = folder.mistakes('numbers_csv = "n.csv"\n' + RIGHT)
    assert mistake.right.startswith('did you mean "refusal"? ')


@pytest.mark.parametrize("transport", ["tls", "TLS", "ws", "wss", "sctp"])
def test_a_known_transport_without_support_is_not_supported_yet(
    folder: Folder, transport: str
) -> None:
    for old, new in (
        (LISTENER, f'{LISTENER}transport = "{transport}"\n'),
        (URI, f"{URI};transport={transport}"),
        ("[api]\n", f'[policy]\nbusy = "redirect sip:a@h;transport={transport}"\n[api]\n'),
    ):
        (mistake,) = folder.mistakes(RIGHT.replace(old, new))
        assert mistake.wrong.endswith("not supported yet")
        assert "udp" in mistake.right
        assert "tcp" in mistake.right


@pytest.mark.parametrize(
    "text", [RIGHT.replace("sip:", "sips:"), f'{RIGHT}[policy]\nbusy = "redirect sips:a@h"\n']
)
def test_a_sips_uri_is_not_supported_yet(folder: Folder, text: str) -> None:
    (mistake,) = folder.mistakes(text)
    assert mistake.wrong.endswith("not supported yet")


@pytest.mark.parametrize(
    ("old", "new", "right"),
    [
        (URI, "sip:2001:db8::1:5060", '"sip:[2001:db8::1]:5060"'),
        (URI, "sip:2001:db8::1", '"sip:[2001:db8::1]"'),
        (URI, "sip:::1;transport=tcp", '"sip:[::1];transport=tcp"'),
        (URI, "sip:1:2:3:4:5:6:7:8:5070", '"sip:[1:2:3:4:5:6:7:8]:5070"'),
        (
            "[api]\n",
            '[api]\nbase_url = "https://2001:db8::1:8443/x"\n',
            '"https://[2001:db8::1]:8443/x"',
        ),
        (
            "[api]\n",
            '[policy]\nbusy = "moved sip:q@2001:db8::1:5060"\n[api]\n',
            '"sip:q@[2001:db8::1]:5060"',
        ),
    ],
)
def test_an_ipv6_address_in_a_uri_needs_brackets(
    folder: Folder, old: str, new: str, right: str
) -> None:
    (mistake,) = folder.mistakes(RIGHT.replace(old, new))
    assert mistake.right == BRACKETS + right


@pytest.mark.parametrize("host", ["sip.carrier.com", "carrier", "sip.carrier.com."])
def test_a_host_name_is_not_a_network(folder: Folder, host: str) -> None:
    (mistake,) = folder.mistakes(RIGHT.replace("192.0.2.0/24", host))
    assert (mistake.key, mistake.wrong) == (
        "trunks[0].networks[0]",
        f'"{host}" is a host name',
    )
    assert "names are not resolved" in mistake.right


def test_a_number_without_an_agent_is_a_mistake_of_the_key_agent(folder: Folder) -> None:
    (mistake,) = folder.mistakes(RIGHT.replace(NUMBER, ""))
    assert (mistake.key, mistake.wrong) == (
        "numbers[0].agent",
        "is missing: no agent answers this number",
    )
    assert mistake.right.startswith('add `agent = "..."`')


@pytest.mark.parametrize(
    ("network", "part"),
    [
        ("0.0.0.0/0", "all of the Internet"),
        ("::/0", "all of the Internet"),
        ("128.0.0.0/1", "a large part of the Internet"),
        ("2000::/3", "a large part of the Internet"),
        ("10.0.0.0/8", None),
        ("fd00::/16", None),
    ],
)
def test_a_network_as_wide_as_the_internet_is_a_warning(
    folder: Folder, network: str, part: str | None
) -> None:
    warnings = folder.load(RIGHT.replace("192.0.2.0/24", network)).warnings
    expected = [f"{network} is {part}: anyone there can place calls"] if part else []
    assert [warning.wrong for warning in warnings] == expected


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("+3361234567", "too short for +33"),
        ("+336123456789", "too long for +33"),
        ("+99912345678", "no country has that code"),
        ("+33612345678", None),
        ("+33199990000", None),  # reserved, but as long as a number is
        ("+3361*", None),
        ("*", None),
    ],
)
def test_an_impossible_number_is_a_warning(folder: Folder, number: str, why: str | None) -> None:
    warnings = folder.load(RIGHT.replace("+33612345678", number)).warnings
    expected = [f'"{number}" is an impossible number: {why}'] if why else []
    assert [warning.wrong for warning in warnings] == expected


def refuse_to_read(_: Path) -> bytes:
    raise PermissionError(13, "Permission denied")


def test_an_unreadable_file_is_reported_with_its_owner_and_mode(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder.write("s.toml", RIGHT)
    path.chmod(0o640)
    monkeypatch.setattr(Path, "read_bytes", refuse_to_read)
    monkeypatch.setattr("os.access", lambda each, _: each != path)
    (mistake,) = folder.mistakes()
    assert mistake.wrong == "cannot be read: Permission denied"
    assert f"read {path}, which belongs to " in mistake.right
    assert "(mode 640)" in mistake.right


def test_a_closed_folder_is_reported_instead_of_the_file(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "read_bytes", refuse_to_read)
    monkeypatch.setattr("os.access", lambda each, _: each != folder.path)
    (mistake,) = folder.mistakes()
    assert f" enter {folder.path}, which belongs to " in mistake.right


def test_a_missing_file_is_reported_with_its_folder(folder: Folder) -> None:
    (mistake,) = folder.mistakes('numbers_csv = "n.csv"\n' + RIGHT)
    assert mistake.right.endswith(f"begins in this folder: {folder.path}")
