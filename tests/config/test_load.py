"""Every kind of mistake is named with its key, its line, what is wrong and what would be right."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest

from sip_stager.config import SettingsError, load
from sip_stager.trunks.mapping import Row, Share
from tests.config.settings_folder import AGENT, KEY, RIGHT, said

if TYPE_CHECKING:
    from tests.config.settings_folder import Folder

LISTENER, API, UPSTREAM, TRUNK, NUMBER = RIGHT.strip().split("\n\n")


def with_table(old: str, new: str) -> str:
    """The right settings with one table replaced."""
    assert old in RIGHT
    return RIGHT.replace(old, new)


def test_right_settings_load(folder: Folder) -> None:
    settings = folder.load()
    assert settings.agents == {"+33612345678": (AGENT,)}
    assert settings.api.key.get_secret_value() == KEY
    assert settings.warnings == ()


# What is wrong with one table: the table, the key, its line in the table, what is said of it.
MISTAKES = [
    (LISTENER, "transport = 'tls'", "listeners[0].transport", 'is "tls"', "'udp' or 'tcp'"),
    (LISTENER, "port = '5060'", "listeners[0].port", 'is "5060"', "number, without quotes"),
    (LISTENER, "port = true", "listeners[0].port", "is true", "write a number"),
    (LISTENER, "port = 65536", "listeners[0].port", "is 65536", "less than or equal to 65535"),
    (LISTENER, "port = 0", "listeners[0].port", "is 0", "greater than or equal to 1"),
    (LISTENER, "adress = '::'", "listeners[0].adress", "not a key", 'did you mean "address"?'),
    (LISTENER, "advertise = '0.0.0.0'", "listeners[0].advertise", "no address", "public address"),
    (LISTENER, "advertise = '::'", "listeners[0].advertise", "no address", "public address"),
    (LISTENER, "advertise = 'a:5060'", "listeners[0].advertise", "neither", "without port"),
    (LISTENER, "advertise = '1.2.3.400'", "listeners[0].advertise", "neither", "198.51.100.7"),
    (API, "base_url = 'api.example.com'", "api.base_url", "not the address", "https://"),
    (API, "base_url = 'https://h:x'", "api.base_url", "not the address", "https://"),
    (API, "base_url = 'https://u:p@h'", "api.base_url", "not the address", "no password"),
    (API, "deadline = 0", "api.deadline", "is 0", "greater than 0"),
    (API, "deadline = inf", "api.deadline", "is Infinity", "finite"),
    (API, "deadline = '4'", "api.deadline", 'is "4"', "number, without quotes"),
    (API, "deadline = 61", "api.deadline", "is 61", "less than or equal to 60"),
    (API, "poll_first = 1.5", "api.poll_most", "less than poll_first = 1.5", "at least poll_first"),
    (
        API,
        "breaker_pause = 90.0",
        "api.breaker_pause_most",
        "less than breaker_pause = 90",
        "at least",
    ),
    (API, "breaker_share = 0.0", "api.breaker_share", "is 0.0", "write greater than 0"),
    (API, "retries = 11", "api.retries", "is 11", "write less than or equal to 10"),
    (API, "connections = 2", "api.warm_connections", "more than connections = 2", "2 or less"),
    (API, "anonymous_number = 'x'", "api.anonymous_number", "not an E.164", "+33612345678"),
    (API, f"key = '{KEY}'", "api.key", "must not stand in the settings", "take it out"),
    (API, f"api_key = '{KEY}'", "api.api_key", "not a key that exists", "key_env"),
    (API, "key_env = 'NO_SUCH'", "api.key_env", "NO_SUCH is not set", "put the API key into it"),
    (API, "key_env = 'EMPTY'", "api.key_env", "nothing in the environment variable EMPTY", "put"),
    (API, "key_env = 'BROKEN'", "api.key_env", "variable BROKEN is no API key", "alone"),
    (API, f"key_env = '{KEY}'", "api.key_env", "not the name of", "name in capitals"),
    (API, "key_env = 3", "api.key_env", "is 3", "valid string"),
    (API, "key_file = 3", "api.key_file", "is 3", "path"),
    (API, "key_file = 'none'", "api.key_file", "none cannot be read: No such file", "may read"),
    (API, "key_file = '.'", "api.key_file", "cannot be read: Is a directory", "the file in it"),
    (UPSTREAM, "request_uri = 'drop'", "upstream.request_uri", 'is "drop"', "'rewrite' or 'keep'"),
    (TRUNK, "country = 'fr'", "trunks[0].country", "not an ISO 3166", 'write "FR"'),
    (TRUNK, "country = 'UK'", "trunks[0].country", "not an ISO 3166", 'write "GB"'),
    (TRUNK, "country = 'Mars'", "trunks[0].country", "not an ISO 3166", "two letters"),
    (NUMBER, "agant = 1", "numbers[0].agant", "not a key", 'did you mean "agent"?'),
    (NUMBER, "[sip]\nt1 = 5", "sip.t2", "less than t1 = 5", "at least t1"),
    (NUMBER, "[sip]\ntimer_c = 180", "sip.timer_c", "is 180", "greater than 180"),
    (NUMBER, "[limits]\nconnections = 0", "limits.connections", "is 0", "greater than or equal"),
    (NUMBER, "[limits]\nidle = 0", "limits.idle", "is 0", "greater than 0"),
    (NUMBER, "[limits]\nstaging = 1", "limits.staging", "not a key", 'mean "calls_staging"?'),
    (NUMBER, "[http]\naddress = 'localhost'", "http.address", "not an IP address", "192.0.2.10"),
    (NUMBER, "[log]\nlevel = 'loud'", "log.level", 'is "loud"', "'debug', 'info'"),
    (NUMBER, "[logs]", "logs", "not a key that exists", 'did you mean "log"?'),
]


@pytest.mark.parametrize(("table", "line", "key", "wrong", "right"), MISTAKES)
def test_a_wrong_line_is_named(
    folder: Folder, table: str, line: str, key: str, wrong: str, right: str
) -> None:
    text = with_table(table, f"{table}\n{line}")
    environ = {"ROUNDED_API_KEY": KEY, "EMPTY": " \n", "BROKEN": "a b"}
    (mistake,) = folder.mistakes(text, **environ)
    assert mistake.file.name == "s.toml"
    assert mistake.key == key
    assert wrong in mistake.wrong
    assert right in mistake.right
    assert KEY not in str(mistake)
    written = text.split("\n")[mistake.line - 1]
    name = key.rpartition(".")[2]
    assert written.startswith((name, f"[{name}", f"[{key.partition('.')[0]}"))


REPLACED = [
    ('uri = "sip:sip.example.com"', "uri = 'sips:h'", "upstream.uri", 8, "TLS", "sip:sip.ex"),
    ('uri = "sip:sip.example.com"', "uri = 'h:5060'", "upstream.uri", 8, "not a SIP URI", "sip:"),
    ('uri = "sip:sip.example.com"', "uri = 'sip:u@h'", "upstream.uri", 8, "not a SIP URI", "sip:"),
    (
        'uri = "sip:sip.example.com"',
        "uri = 'sip:h:0'",
        "upstream.uri",
        8,
        "0 is not a port",
        "1 to",
    ),
    (
        'uri = "sip:sip.example.com"',
        "uri = 'sip:0.0.0.0'",
        "upstream.uri",
        8,
        "no address",
        "write",
    ),
    (
        'uri = "sip:sip.example.com"',
        "uri = 'sip:h;transport=ws'",
        "upstream.uri",
        8,
        "ws",
        "udp or",
    ),
    ('uri = "sip:sip.example.com"', "uri = 'sip:h;lr'", "upstream.uri", 8, "not a SIP URI", "sip:"),
    ('uri = "sip:sip.example.com"', "", "upstream.uri", 7, "is missing", "add `uri = ...`"),
    (f"{UPSTREAM}\n", "", "upstream", 1, "is missing", "add [upstream]"),
    (f"{LISTENER}\n", "", "listeners", 1, "is missing", "add [[listeners]]"),
    ("[[listeners]]", "[listeners]", "listeners", 1, "is one table", "write [[listeners]]"),
    ("[upstream]", "[[upstream]]", "upstream", 7, "is a list of tables", "write [upstream]"),
    ("[upstream]", "[upstream.x]", "upstream.uri", 7, "is missing", "add `uri"),
    ('address = "127.0.0.1"', "", "listeners[0].address", 1, "is missing", "add `address = ...`"),
    ('"127.0.0.1"', '"localhost"', "listeners[0].address", 2, '"localhost" is not', "192.0.2.10"),
    ('"127.0.0.1"', '"[::1]"', "listeners[0].address", 2, "not an IP address", "without brackets"),
    ('"127.0.0.1"', '"0.0.0.0"', "listeners[0].advertise", 1, "is missing", "198.51.100.7"),
    ('"127.0.0.1"', '"::"', "listeners[0].advertise", 1, "cannot send to the wildcard ::", "add"),
    ('["192.0.2.0/24"]', "[]", "trunks[0].networks", 12, "is empty", "at least one"),
    ('"192.0.2.0/24"', '"192.0.2.1/24"', "trunks[0].networks[0]", 12, "behind", "192.0.2.0/24"),
    ('"192.0.2.0/24"', '"example.com"', "trunks[0].networks[0]", 12, "not a network", "192.0.2.17"),
    ('"192.0.2.0/24"', "7", "trunks[0].networks[0]", 12, "7 is not a network", "192.0.2.17"),
    ('"192.0.2.0/24"', '"::ffff:1.2.3.4"', "trunks[0].networks[0]", 12, "IPv4", "write it as IPv4"),
    ('"carrier"', '"the carrier"', "trunks[0].name", 11, 'is "the carrier"', "pattern"),
    ('"+33612345678"', '"+33"', "numbers[0].number", 15, "neither a telephone number", "E.164"),
    ('"+33612345678"', '"a b"', "numbers[0].number", 15, "neither a telephone number", "E.164"),
    ('"+33612345678"', "33612345678", "numbers[0].number", 15, "is 33612345678", "valid string"),
    (AGENT, "nobody", "numbers[0].agent", 16, "'nobody' is not the id of an agent", "UUID"),
    (f"{NUMBER}\n", "", "numbers", 1, "no number is mapped", "[api] numbers_refresh"),
]


@pytest.mark.parametrize(("old", "new", "key", "line", "wrong", "right"), REPLACED)
def test_a_wrong_value_is_named(
    folder: Folder, old: str, new: str, key: str, line: int, wrong: str, right: str
) -> None:
    assert old in RIGHT
    found = [m for m in folder.mistakes(RIGHT.replace(old, new)) if m.key == key]
    assert [(m.key, m.line) for m in found] == [(key, line)]
    assert wrong in found[0].wrong
    assert right in found[0].right


def test_no_number_need_be_mapped_where_the_platforms_are(folder: Folder) -> None:
    text = RIGHT.replace(f"{NUMBER}\n", "").replace("[api]", "[api]\nnumbers_refresh = 300.0")
    assert folder.load(text).numbers == ()


def test_everything_but_the_key_has_a_default_in_the_api(folder: Folder) -> None:
    assert folder.load(RIGHT.replace(API, "")).api.deadline == 4.0


def test_all_mistakes_come_at_once_in_the_order_of_the_file(folder: Folder) -> None:
    text = """\
numbers_csv = "n.csv"
colour = "red"
[[listeners]]
address = "0.0.0.0"
port = "x"
[upstream]
uri = "sip:192.0.2.1;transport=tcp"
[[trunks]]
name = "a"
networks = [
  "10.0.0.0/8",
  "10.0.0.1/8",
]
[[trunks]]
name = "b"
networks = ["10.0.0.0/33"]
country = "XX"
[[numbers]]
number = "+33612345678"
agent = "1"
"""
    folder.write("n.csv", f"number,agent\n+33612345679,{AGENT}\n+33612345679,2\n")
    mistakes = folder.mistakes(text, HOME="/")
    assert [(m.file.name, m.line, m.key) for m in mistakes] == [
        ("s.toml", 1, "api.key_env"),
        ("s.toml", 2, "colour"),
        ("s.toml", 3, "listeners[0].advertise"),
        ("s.toml", 5, "listeners[0].port"),
        ("s.toml", 10, "trunks[0].networks[1]"),
        ("s.toml", 16, "trunks[1].networks[0]"),
        ("s.toml", 17, "trunks[1].country"),
        ("s.toml", 20, "numbers[0].agent"),
        ("n.csv", 3, "agent"),
    ]


def test_what_should_be_a_table_and_is_none_is_named(folder: Folder) -> None:
    text = 'api = 3\nnumbers = 3\nlisteners = 3\ntrunks = [1]\nupstream = "x"\nnumbers_csv = "n"\n'
    assert [(m.line, m.key, m.wrong, m.right) for m in folder.mistakes(text)] == [
        (1, "api", "is 3", "make it a table"),
        (2, "numbers", "is 3", "make it a list"),
        (3, "listeners", "is 3", "make it a list"),
        (4, "trunks[0]", "is 1", "make it a table"),
        (5, "upstream", 'is "x"', "make it a table"),
    ]


@pytest.mark.parametrize(
    ("name", "line", "wrong"),
    [
        ("missing.toml", 0, "cannot be read: No such file or directory"),
        (".", 0, "cannot be read: Is a directory"),
        ("nul\0.toml", 0, "no file can be called this"),
        ("latin.toml", 2, "is not UTF-8 (byte 0xe9)"),
        ("broken.toml", 3, "is not TOML: "),
        ("twice.toml", 2, "is not TOML: Cannot overwrite a value"),
        ("open.toml", 2, "is not TOML: "),
        ("deep.toml", 0, "is not TOML that can be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_mistake(
    folder: Folder, name: str, line: int, wrong: str
) -> None:
    folder.write("latin.toml", b"[log]\n# caf\xe9\n")
    folder.write("broken.toml", "[log]\n\nlevel = = 1\n[x]\n")
    folder.write("twice.toml", "a = 1\na = 2\n\n")
    folder.write("open.toml", "[log]\nlevel = [\n")
    folder.write("deep.toml", "a = " + "[" * 5000 + "]" * 5000)
    with pytest.raises(SettingsError) as caught:
        load(folder.path / name, {})
    (mistake,) = caught.value.mistakes
    assert mistake.line == line
    assert mistake.wrong.startswith(wrong)


def test_a_mistake_reads_as_place_key_wrong_right(folder: Folder) -> None:
    (mistake,) = folder.mistakes(RIGHT.replace("[upstream]", "[upstream]\nurl = 1"))
    path = folder.path / "s.toml"
    assert str(mistake) == (
        f"{path}:8: upstream.url: is not a key that exists\n"
        '    did you mean "uri"? the keys here are: '
        "uri, request_uri, backups, next_after, redirects"
    )


def test_a_byte_order_mark_is_no_mistake(folder: Folder) -> None:
    assert folder.mistakes(b"\xef\xbb\xbf" + RIGHT.encode()) == []


def test_what_is_nested_is_worth_a_second_look(folder: Folder) -> None:
    other = '\n[[trunks]]\nname = "other"\nnetworks = ["192.0.2.7", "2001:db8::/32"]\n'
    (warning,) = folder.load(RIGHT + other).warnings
    assert said(warning)[1:4] == (
        20,
        "trunks[1].networks[0]",
        '192.0.2.7/32 lies in 192.0.2.0/24 of the trunk "carrier"',
    )


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://api.example.com", True),
        ("https://api.example.com", False),
        ("http://127.0.0.1:8080", False),
        ("http://[::1]:8080", False),
        ("http://localhost", False),
    ],
)
def test_a_key_in_the_clear_is_worth_a_second_look(
    folder: Folder, url: str, *, warned: bool
) -> None:
    warnings = folder.load(RIGHT.replace(API, f'{API}\nbase_url = "{url}"')).warnings
    assert [(w.key, w.line) for w in warnings] == ([("api.base_url", 6)] if warned else [])


def test_the_key_is_in_no_text_that_settings_give(folder: Folder) -> None:
    settings = folder.load()
    texts = [repr(settings), str(settings), str(settings.model_dump()), f"{settings.api!r}"]
    texts += [settings.model_dump_json(), repr(copy.deepcopy(settings).api)]
    assert KEY not in "".join(texts)


def test_the_key_is_in_no_traceback(folder: Folder) -> None:
    with pytest.raises(SettingsError) as caught:
        folder.load(RIGHT.replace(API, f'{API}\nkey = "{KEY}"\ndeadline = "{KEY[:3]}"'))
    error: BaseException | None = caught.value
    assert error is not None
    assert KEY not in str(error)
    assert error.__context__ is None
    assert error.__cause__ is None


def test_settings_do_not_change(folder: Folder) -> None:
    settings = folder.load()
    with pytest.raises(ValueError, match="frozen"):
        settings.log.level = "debug"


def test_a_number_that_a_trunk_reads_otherwise_is_worth_a_second_look(folder: Folder) -> None:
    other = '\n[[trunks]]\nname = "fr"\nnetworks = ["198.51.100.7"]\ncountry = "FR"\n'
    text = RIGHT.replace('number = "+33612345678"', 'number = "0612345678"') + other
    (warning,) = folder.load(text).warnings
    assert said(warning)[2:] == (
        "numbers[0].number",
        '"0612345678" is +33612345678 on the trunk "fr": not found there',
        'write "+33612345678"',
    )


@pytest.mark.parametrize(
    ("line", "key", "wrong", "right"),
    [
        ("called = []", "trunks[0].called", "is empty", "at least one entry"),
        ('called = ["from"]', "trunks[0].called[0]", "no place for a called number", '"diversion"'),
        ('called = ["header:a b"]', "trunks[0].called[0]", "no place", "header:X-Original-To"),
        ('called = ["to", "to"]', "trunks[0].called", 'has "to" twice', "take one"),
        ('called = "to"', "trunks[0].called", 'is "to"', "make it a list"),
        ('strip = [""]', "trunks[0].strip[0]", "no prefix of a number", '"99"'),
        ('strip = ["9 9"]', "trunks[0].strip[0]", "no prefix of a number", '"99"'),
        ('strip = ["99", "99"]', "trunks[0].strip", 'has "99" twice', "take one"),
        ("caller = []", "trunks[0].caller", "is empty", "at least one entry"),
        ('caller = ["to"]', "trunks[0].caller[0]", 'is "to"', "'p_asserted_identity'"),
        ('caller = ["from", "from"]', "trunks[0].caller", 'has "from" twice', "take one"),
    ],
)
def test_where_numbers_stand_is_checked(
    folder: Folder, line: str, key: str, wrong: str, right: str
) -> None:
    (mistake,) = folder.mistakes(RIGHT.replace(TRUNK, f"{TRUNK}\n{line}"))
    assert (mistake.key, mistake.line) == (key, 13)
    assert wrong in mistake.wrong
    assert right in mistake.right


@pytest.mark.parametrize(
    ("number", "right"),
    [
        ("+33*61*", "+3361*"),
        ("+*", "+3361*"),
        ("+0*", "+3361*"),
        ("0033*", "+3361*"),
        ("**", "+3361*"),
        ("+336 1*", "+3361*"),
        ("+3361234567890123*", "+3361*"),
    ],
)
def test_a_prefix_has_its_form(folder: Folder, number: str, right: str) -> None:
    (mistake,) = folder.mistakes(RIGHT.replace("+33612345678", number))
    assert mistake.key == "numbers[0].number"
    assert "is no beginning of a number or name" in mistake.wrong
    assert right in mistake.right


@pytest.mark.parametrize("number", ["*", "+3*", "+3361*", "support-*", "10*", "0*"])
def test_a_prefix_is_mapped_once(folder: Folder, number: str) -> None:
    text = RIGHT.replace("+33612345678", number)
    assert folder.load(text).agents == {number: (AGENT,)}
    (mistake,) = folder.mistakes(f'{text}[[numbers]]\nagent = "{AGENT}"\nnumber = "{number}"\n')
    assert (mistake.line, mistake.key) == (19, "numbers[1].number")
    assert f"{number} is mapped twice (see " in mistake.wrong


def test_prefixes_and_the_default_may_stand_in_the_csv(folder: Folder) -> None:
    folder.write("n.csv", f"number,agent\n+336*,{AGENT}\n*,{AGENT}\n")
    assert list(folder.load('numbers_csv = "n.csv"\n' + RIGHT).agents)[1:] == ["+336*", "*"]


def test_a_prefix_in_national_form_is_worth_a_second_look(folder: Folder) -> None:
    text = RIGHT.replace("+33612345678", "06*").replace(TRUNK, f'{TRUNK}\ncountry = "FR"')
    (warning,) = folder.load(text).warnings
    assert said(warning)[2:] == (
        "numbers[0].number",
        '"06*" begins a national number, and those of the trunk "carrier" are found as +...',
        'write it with the country\'s code, like "+336*"',
    )


OTHER = "7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77"
SHARES = f'''[[numbers.agents]]
agent = "{AGENT}"
weight = 3
days = ["mon", "fri"]
hours = ["09:00-12:00", "22:00-06:00"]
[[numbers.agents]]
agent = "{OTHER}"
'''
SHARED = RIGHT.replace(f'agent = "{AGENT}"\n', f'timezone = "Europe/Paris"\n{SHARES}')


def test_agents_share_a_number(folder: Folder) -> None:
    settings = folder.load(SHARED)
    assert settings.agents == {"+33612345678": (AGENT, OTHER)}
    hours = ((540, 720), (1320, 360))
    day, rest = Share(AGENT, 3, frozenset({0, 4}), hours), Share(OTHER)
    assert settings.numbers[0].row() == Row("+33612345678", (day, rest), "Europe/Paris")


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "wrong", "right"),
    [
        ("timezone", f'agent = "{AGENT}"\ntimezone', 18, "agents", "beside `agent`", "not both"),
        (SHARES, "", 14, "agents", "and `agent` are missing", "write `agent`"),
        ('timezone = "Europe/Paris"\n', "", 14, "timezone", "is missing", "Europe/Paris"),
        ("Europe/Paris", "Europe/Pariss", 16, "timezone", "no time zone", "Europe/Paris"),
        ("Europe/Paris", "../etc", 16, "timezone", "no time zone", "Europe/Paris"),
        ("Europe/Paris", "Europe", 16, "timezone", "no time zone", "Europe/Paris"),
        (OTHER, f'{OTHER}"\ndays = ["sun"]\n#"', 17, "agents", "leave nobody", "of one of them"),
        ("weight = 3", "weight = 0", 19, "agents[0].weight", "is 0", "greater than or equal to 1"),
        ("weight = 3", "wieght = 3", 19, "agents[0].wieght", "not a key", 'mean "weight"?'),
        ('"mon"', '"Monday"', 20, "agents[0].days[0]", 'is "Monday"', "'mon'"),
        ('"mon"', '"fri"', 20, "agents[0].days", 'has "fri" twice', "take one"),
        ("09:00", "9:00", 21, "agents[0].hours[0]", "no hours of a day", "09:00-18:00"),
        ("09:00", "12:00", 21, "agents[0].hours[0]", "no hours of a day", "22:00-06:00"),
        ("12:00", "24:01", 21, "agents[0].hours[0]", "no hours of a day", "09:00-18:00"),
        (OTHER, "x", 23, "agents[1].agent", "not the id of an agent", "UUID"),
        (
            f'"{OTHER}"\n',
            f'"{OTHER}"\n[[numbers.agents]]\nagent = "{OTHER}"\n',
            *(17, "agents", "have the same agent twice", "add its weight"),
        ),
    ],
)
def test_what_contradicts_itself_in_shared_numbers_is_named(
    folder: Folder, old: str, new: str, line: int, key: str, wrong: str, right: str
) -> None:
    assert SHARED.count(old) == 1
    (mistake,) = folder.mistakes(SHARED.replace(old, new))
    assert (mistake.line, mistake.key) == (line, f"numbers[0].{key}")
    assert wrong in mistake.wrong
    assert right in mistake.right
