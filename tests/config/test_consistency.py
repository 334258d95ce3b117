"""Mistakes between tables are reported with both places."""

from __future__ import annotations

import pytest

from tests.config.settings_folder import AGENT, RIGHT, Folder, said

LISTENER = '[[listeners]]\naddress = "127.0.0.1"\n'
TRUNK = '[[trunks]]\nname = "carrier"\nnetworks = ["192.0.2.0/24"]\n'


def listener(address: str, **keys: object) -> str:
    lines = [f'address = "{address}"', *(f"{name} = {value!r}" for name, value in keys.items())]
    return "\n".join(["[[listeners]]", *lines, ""])


@pytest.mark.parametrize(
    ("other", "collide"),
    [
        (listener("127.0.0.1"), True),
        (listener("127.0.0.1", port=5060, transport="udp"), True),
        (listener("0.0.0.0", advertise="192.0.2.1"), True),
        (listener("127.0.0.2"), False),
        (listener("127.0.0.1", port=5061), False),
        (listener("127.0.0.1", transport="tcp"), False),
        (listener("::", advertise="192.0.2.1"), False),
    ],
)
def test_listeners_do_not_share_a_socket(folder: Folder, other: str, *, collide: bool) -> None:
    mistakes = folder.mistakes(RIGHT.replace(LISTENER, LISTENER + other))
    assert [(m.line, m.key) for m in mistakes] == ([(3, "listeners[1]")] if collide else [])
    assert all(m.wrong.startswith("takes the same udp port 5060 (see") for m in mistakes)
    assert all(m.wrong.endswith("s.toml:1)") for m in mistakes)


@pytest.mark.parametrize(
    ("uri", "wrong"),
    [
        ("sip:sip.example.com;transport=tcp", "goes over tcp, but no listener does"),
        ("sip:[2001:db8::1]", "goes over udp and IPv6, but no listener does"),
        ("sip:127.0.0.1", "is this program itself: calls would loop"),
        ("sip:edge.example.com:5070", "is this program itself: calls would loop"),
        ("sip:edge.example.com", None),
        ("sip:127.0.0.1:5061", None),
        ("SIP:192.0.2.1:5080;TRANSPORT=UDP", None),
    ],
)
def test_an_upstream_needs_a_listener_and_is_not_this_program(
    folder: Folder, uri: str, wrong: str | None
) -> None:
    named = f'{LISTENER}advertise = "edge.example.com"\nadvertise_port = 5070\n'
    text = RIGHT.replace(LISTENER, named).replace("sip:sip.example.com", uri)
    found = [(m.line, m.key, m.wrong) for m in folder.mistakes(text)]
    assert found == ([(10, "upstream.uri", wrong)] if wrong else [])


def test_backups_are_checked_like_the_first_upstream(folder: Folder) -> None:
    backups = 'backups = ["sip:192.0.2.9", "sip:192.0.2.9;transport=tcp"]'
    uri = 'uri = "sip:sip.example.com"'
    (mistake,) = folder.mistakes(RIGHT.replace(uri, f"{uri}\n{backups}"))
    assert mistake.key == "upstream.backups[1]"
    assert mistake.wrong == "goes over tcp, but no listener does"


def test_a_mistaken_listener_does_not_also_blame_the_upstream(folder: Folder) -> None:
    (mistake,) = folder.mistakes(RIGHT.replace(LISTENER, LISTENER + 'transport = "tls"\n'))
    assert mistake.key == "listeners[0].transport"


@pytest.mark.parametrize(
    ("transport", "address", "port", "wrong"),
    [
        ("tcp", "127.0.0.1", 9090, True),
        ("tcp", "0.0.0.0", 9090, True),
        ("udp", "127.0.0.1", 9090, False),
        ("tcp", "127.0.0.1", 9091, False),
        ("tcp", "127.0.0.2", 9090, False),
        ("tcp", "::1", 9090, False),
    ],
)
def test_metrics_have_a_port_of_their_own(
    folder: Folder, transport: str, address: str, port: int, *, wrong: bool
) -> None:
    listener = (
        f'[[listeners]]\ntransport = "{transport}"\naddress = "{address}"\nport = {port}\n'
        'advertise = "edge.example.com"\n'
    )
    mistakes = folder.mistakes(RIGHT.replace(LISTENER, LISTENER + listener) + "[http]\n")
    assert [mistake.key for mistake in mistakes] == (["http.port"] if wrong else [])


def test_trunk_names_are_unique(folder: Folder) -> None:
    other = '[[trunks]]\nnetworks = ["198.51.100.1"]\nname = "carrier"\n'
    (mistake,) = folder.mistakes(RIGHT.replace(TRUNK, TRUNK + other))
    assert (mistake.line, mistake.key) == (15, "trunks[1].name")
    assert mistake.wrong.startswith('"carrier" is the name of two trunks (see ')
    assert mistake.wrong.endswith("s.toml:11)")
    assert mistake.right == "rename one of them"


def test_a_network_belongs_to_one_trunk(folder: Folder) -> None:
    other = '[[trunks]]\nname = "b"\nnetworks = [\n  "10.0.0.1",\n  "192.0.2.0/24"\n]\n'
    (mistake,) = folder.mistakes(RIGHT.replace(TRUNK, TRUNK + other))
    assert (mistake.line, mistake.key) == (15, "trunks[1].networks[1]")
    assert mistake.wrong.startswith('192.0.2.0/24 belongs to the trunk "carrier" as well (see ')
    assert mistake.wrong.endswith("s.toml:12)")


@pytest.mark.parametrize(
    "spelling", ["+33612345678", "0033612345678", "33612345678", "+33 6 12-34.56(78)"]
)
def test_a_number_is_mapped_once_in_any_spelling(folder: Folder, spelling: str) -> None:
    other = f'[[numbers]]\nagent = "{AGENT}"\nnumber = "{spelling}"\n'
    (mistake,) = folder.mistakes(RIGHT + other)
    assert (mistake.line, mistake.key) == (19, "numbers[1].number")
    assert mistake.wrong.startswith("+33612345678 is mapped twice (see ")
    assert mistake.wrong.endswith("s.toml:15)")


def test_a_number_in_both_the_file_and_the_csv_is_a_mistake(folder: Folder) -> None:
    folder.write("n.csv", f"number,agent\n+33612345670,{AGENT}\n33612345678,{AGENT}\n")
    (mistake,) = folder.mistakes('numbers_csv = "n.csv"\n' + RIGHT)
    assert said(mistake)[:3] == ("n.csv", 3, "number")
    assert mistake.wrong.endswith("s.toml:16)")


@pytest.mark.parametrize(
    ("country", "number", "right"),
    [
        ("FR", "0612345678", 'write "+33612345678"'),
        ("US", "2125551234", 'write "+12125551234"'),
        (None, "0612345678", None),
        ("FR", "1000", None),
        ("FR", "sip_username", None),
    ],
)
def test_a_national_number_that_no_trunk_can_match_is_a_mistake(
    folder: Folder, country: str | None, number: str, right: str | None
) -> None:
    text = RIGHT.replace("+33612345678", number)
    if country:
        text = text.replace(TRUNK, f'{TRUNK}country = "{country}"\n')
    found = [(m.line, m.key, m.wrong, m.right) for m in folder.mistakes(text)]
    expected = (16, "numbers[0].number", f'"{number}" is a national number', right)
    assert found == ([expected] if right else [])


def test_a_mistake_in_one_table_does_not_hide_others(folder: Folder) -> None:
    text = RIGHT.replace("[upstream]", "[upstream]\nrequest_uri = 1") + TRUNK
    assert [(m.line, m.key) for m in folder.mistakes(text)] == [
        (8, "upstream.request_uri"),
        (19, "trunks[1].name"),
        (20, "trunks[1].networks[0]"),
    ]


@pytest.mark.parametrize(
    ("address", "transport", "wrong"),
    [
        ("127.0.0.1", "udp", None),
        ("127.0.0.1", "tcp", "is 127.0.0.1, but no listener of tcp has that address"),
        ("127.0.0.2", "tcp", None),
        ("127.0.0.3", "udp", "is 127.0.0.3, but no listener of udp has that address"),
    ],
)
def test_the_listener_of_the_upstream_is_one_of_its_transport(
    folder: Folder, address: str, transport: str, wrong: str | None
) -> None:
    listeners = LISTENER + listener("127.0.0.2", transport="tcp")
    uri = 'uri = "sip:sip.example.com"'
    wanted = f'uri = "sip:192.0.2.9;transport={transport}"\nlistener = "{address}"'
    mistakes = folder.mistakes(RIGHT.replace(LISTENER, listeners).replace(uri, wanted))
    assert [(m.key, m.wrong) for m in mistakes] == ([("upstream.listener", wrong)] if wrong else [])


def test_a_number_that_is_reserved_for_a_trunk_that_does_not_exist_is_a_mistake(
    folder: Folder,
) -> None:
    reserved = RIGHT.replace("[[numbers]]\n", '[[numbers]]\ntrunks = ["carrierr"]\n')
    (mistake,) = folder.mistakes(reserved)
    assert (mistake.key, mistake.wrong) == (
        "numbers[0].trunks[0]",
        '"carrierr" is not the name of a trunk',
    )
    assert mistake.right == 'did you mean "carrier"? write "carrier"'
    folder.load(reserved.replace("carrierr", "carrier"))
