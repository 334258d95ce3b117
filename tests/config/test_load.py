"""Every mistake is reported with its key, its line, what is wrong and what would be right."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING

import pytest

from sip_stager.config import SettingsError, load
from sip_stager.config.tables.settings import TABLES
from tests.config.settings_folder import AGENT, KEY, RIGHT

if TYPE_CHECKING:
    from tests.config.settings_folder import Folder

LISTENER, API, UPSTREAM, TRUNK, NUMBER = RIGHT.strip().split("\n\n")


def with_table(old: str, new: str) -> str:
    """Return the right settings with one table replaced."""
    assert old in RIGHT
    return RIGHT.replace(old, new)


def test_right_settings_load(folder: Folder) -> None:
    settings = folder.load()
    assert settings.agents == {"+33612345678": (AGENT,)}
    assert settings.api.key.get_secret_value() == KEY
    assert settings.warnings == ()


# What is wrong with one table: the table, the key, its line in the table, what is said of it.
MISTAKES = [
    (
        LISTENER,
        "transport = 'tls'",
        "listeners[0].transport",
        'is "tls", which is not supp',
        '"udp" or "tcp"',
    ),
    (LISTENER, "port = '5060'", "listeners[0].port", 'is "5060"', "a whole number, without"),
    (LISTENER, "port = true", "listeners[0].port", "is true", "write a whole number"),
    (LISTENER, "port = 65536", "listeners[0].port", "is 65536", "write 65535 or less"),
    (LISTENER, "port = 0", "listeners[0].port", "is 0", "write 1 or more"),
    (LISTENER, "adress = '::'", "listeners[0].adress", "not a key", 'did you mean "address"?'),
    (
        LISTENER,
        "advertise = '0.0.0.0'",
        "listeners[0].advertise",
        "not an address",
        "public address",
    ),
    (LISTENER, "advertise = '::'", "listeners[0].advertise", "not an address", "public address"),
    (LISTENER, "advertise = 'a:5060'", "listeners[0].advertise", "neither", "without port"),
    (LISTENER, "advertise = '1.2.3.400'", "listeners[0].advertise", "neither", "198.51.100.7"),
    (API, "base_url = 'api.example.com'", "api.base_url", "not the address", "https://"),
    (API, "base_url = 'https://h:x'", "api.base_url", "not the address", "https://"),
    (API, "base_url = 'https://h/v1'", "api.base_url", "ends in /v1", 'write "https://h"'),
    (API, "base_url = 'https://h/x/v1//'", "api.base_url", "ends in /v1", 'write "https://h/x"'),
    (API, "base_url = 'https://u:p@h'", "api.base_url", "not the address", "no password"),
    (API, "deadline = 0", "api.deadline", "is 0", "write more than 0"),
    (API, "deadline = inf", "api.deadline", "is Infinity", "finite"),
    (API, "deadline = '4'", "api.deadline", 'is "4"', "number, without quotes"),
    (API, "deadline = 61", "api.deadline", "is 61", "write 60 or less"),
    (
        API,
        "poll_interval_min = 1.5",
        "api.poll_interval_max",
        "less than poll_interval_min = 1.5",
        "at least poll_interval_min",
    ),
    (
        API,
        "breaker_open_time = 90.0",
        "api.breaker_open_time_max",
        "less than breaker_open_time = 90",
        "at least",
    ),
    (
        API,
        "breaker_failure_ratio = 0.0",
        "api.breaker_failure_ratio",
        "is 0.0",
        "write more than 0",
    ),
    (API, "retries = 11", "api.retries", "is 11", "write 10 or less"),
    (API, "connections = 2", "api.warm_connections", "more than connections = 2", "2 or less"),
    (API, "anonymous_number = 'x'", "api.anonymous_number", "not an E.164", "+33612345678"),
    (API, f"key = '{KEY}'", "api.key", "must not be in this file", "replace this key"),
    (API, f"api_key = '{KEY}'", "api.api_key", "must not be", "$ROUNDED_API_KEY"),
    (
        NUMBER,
        "[http]\nnumbers_csv = 'n'",
        "http.numbers_csv",
        "not a key",
        "above the first [table]",
    ),
    (NUMBER, "[http]\n[http.log]", "http.log", "not a key", "write [log]"),
    (NUMBER, "[http]\ntrunks = []", "http.trunks", "not a key", "write [[trunks]]"),
    (NUMBER, "[http]\nkey = 1", "http.key", "not a key that exists", "address, port"),
    (API, "key_env = 'NO_SUCH'", "api.key_env", "NO_SUCH is not set", "put the API key into it"),
    (
        API,
        "key_env = 'EMPTY'",
        "api.key_env",
        "no API key in the environment variable EMPTY",
        "put",
    ),
    (API, "key_env = 'BROKEN'", "api.key_env", "variable BROKEN is not an API key", "alone"),
    (API, f"key_env = '{KEY}'", "api.key_env", "not the name of", "name in capitals"),
    (API, "key_env = 3", "api.key_env", "is not of the right type", "in quotes"),
    (API, "key_file = 3", "api.key_file", "is not of the right type", "write the path of a file"),
    (
        API,
        "key_file = 'none'",
        "api.key_file",
        "file cannot be read: No such file",
        "never the key",
    ),
    (API, "key_file = '.'", "api.key_file", "cannot be read: Is a directory", "the file in it"),
    (UPSTREAM, "request_uri = 'drop'", "upstream.request_uri", 'is "drop"', '"keep" or "e164"'),
    (TRUNK, "pass_503 = 'x'", "trunks[0].pass_503", 'is "x"', "write true or false"),
    (TRUNK, "pass_503 = []", "trunks[0].pass_503", "is []", "write true or false"),
    (TRUNK, "country = 'fr'", "trunks[0].country", "not an ISO 3166", 'write "FR"'),
    (TRUNK, "country = 'UK'", "trunks[0].country", "not an ISO 3166", 'write "GB"'),
    (TRUNK, "country = 'Mars'", "trunks[0].country", "not an ISO 3166", "two letters"),
    (NUMBER, "agant = 1", "numbers[0].agant", "not a key", 'did you mean "agent"?'),
    (NUMBER, "[sip]\nt1 = 5", "sip.t2", "less than t1 = 5", "at least t1"),
    (NUMBER, "[sip]\ntimer_c = 180", "sip.timer_c", "is 180", "write more than 180"),
    (NUMBER, "[limits]\nconnections = 0", "limits.connections", "is 0", "write 1 or more"),
    (
        NUMBER,
        "[limits]\nmessage_bytes = 4194303",
        "limits.message_bytes",
        "is 4194303",
        "write 4194304 or more",
    ),
    (NUMBER, "[limits]\noverload_delay = -1", "limits.overload_delay", "is -1", "0 or more"),
    (
        NUMBER,
        "[limits]\noverload_retry_after_min = 20",
        "limits.overload_retry_after_max",
        "is 10, less than overload_retry_after_min = 20",
        "at least overload_retry_after_min",
    ),
    (NUMBER, "[limits]\nidle_timeout = 0", "limits.idle_timeout", "is 0", "write more than 0"),
    (NUMBER, "[limits]\nstaging = 1", "limits.staging", "not a key", 'mean "calls_staging"?'),
    (NUMBER, "[http]\naddress = 'localhost'", "http.address", "not an IP address", "192.0.2.10"),
    (NUMBER, "[log]\nlevel = 'loud'", "log.level", 'is "loud"', '"debug", "info"'),
    (NUMBER, "[logs]", "logs", "not a key that exists", 'did you mean "log"?'),
]


@pytest.mark.parametrize(("table", "line", "key", "wrong", "right"), MISTAKES)
def test_a_wrong_key_is_reported_with_its_line(
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


SPOILT = "'x y'", "-1", "1e30", "1.5", "true", "[]", "[1]", "{}", "inf", "nan", "2026-01-31"
OF_A_LIBRARY = re.compile(r"[Ii]nput|String|should|valid|greater|or equal|instance|<class")
PLACES = (
    (LISTENER, "listeners"),
    (API, "api"),
    (UPSTREAM, "upstream"),
    (TRUNK, "trunks"),
    (NUMBER, "numbers"),
    *((NUMBER, name) for name in ("policy", "sip", "limits", "http", "log")),
)


@pytest.mark.parametrize("value", SPOILT)
@pytest.mark.parametrize(("table", "name"), PLACES)
def test_no_value_is_answered_in_the_words_of_a_library(
    folder: Folder, table: str, name: str, value: str
) -> None:
    header = "" if name in table else f"[{name}]\n"
    for key in TABLES[name].model_fields.keys() - {"key"}:
        line = f"{key} = {value}\n"
        own = re.sub(rf"(?m)^{key} = .*\n?", "", table)
        for mistake in folder.mistakes(with_table(table, f"{own}\n{header}{line}")):
            assert not OF_A_LIBRARY.search(mistake.right), (line, mistake.right)


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
        "not an address",
        "write",
    ),
    (
        'uri = "sip:sip.example.com"',
        "uri = 'sip:255.255.255.255'",
        "upstream.uri",
        8,
        '"255.255.255.255" is not an address',
        "write",
    ),
    (
        'uri = "sip:sip.example.com"',
        "uri = 'sip:[::ffff:127.0.0.1]'",
        "upstream.uri",
        8,
        "IPv4-mapped IPv6 address",
        'write "127.0.0.1"',
    ),
    (
        'uri = "sip:sip.example.com"',
        "uri = 'sip:h;transport=ws'",
        "upstream.uri",
        8,
        '"ws" is not supported yet',
        '"udp" or "tcp"',
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
    ('["192.0.2.0/24"]', "[]", "trunks[0].networks", 12, "is empty", "at least one"),
    (
        '"192.0.2.0/24"',
        '"192.0.2.1/24"',
        "trunks[0].networks[0]",
        12,
        "after its prefix",
        "192.0.2.0/24",
    ),
    (
        '"192.0.2.0/24"',
        '"example.com"',
        "trunks[0].networks[0]",
        12,
        "is a host name",
        "write the addresses",
    ),
    ('"192.0.2.0/24"', "7", "trunks[0].networks[0]", 12, "7 is not a network", "192.0.2.17"),
    ('"192.0.2.0/24"', '"::ffff:1.2.3.4"', "trunks[0].networks[0]", 12, "IPv4", "write it as IPv4"),
    ('"carrier"', '"the carrier"', "trunks[0].name", 11, "is not a valid trunk name", "64"),
    ('"+33612345678"', '"+33"', "numbers[0].number", 15, "neither a telephone number", "E.164"),
    ('"+33612345678"', '"a b"', "numbers[0].number", 15, "neither a telephone number", "E.164"),
    ('"+33612345678"', "33612345678", "numbers[0].number", 15, "is 33612345678", "in quotes"),
    (AGENT, "nobody", "numbers[0].agent", 16, "'nobody' is not an agent id", "UUID"),
    (f"{NUMBER}\n", "", "numbers", 1, "no number is mapped", "[api] numbers_refresh_interval"),
]


@pytest.mark.parametrize(("old", "new", "key", "line", "wrong", "right"), REPLACED)
def test_a_wrong_value_is_reported_with_its_line(
    folder: Folder, old: str, new: str, key: str, line: int, wrong: str, right: str
) -> None:
    assert old in RIGHT
    found = [m for m in folder.mistakes(RIGHT.replace(old, new)) if m.key == key]
    assert [(m.key, m.line) for m in found] == [(key, line)]
    assert wrong in found[0].wrong
    assert right in found[0].right


def test_numbers_may_be_empty_if_the_platforms_are_used(folder: Folder) -> None:
    text = RIGHT.replace(f"{NUMBER}\n", "").replace(
        "[api]", "[api]\nnumbers_refresh_interval = 300.0"
    )
    assert folder.load(text).numbers == ()


def test_the_api_table_may_be_missing(folder: Folder) -> None:
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
        ("s.toml", 5, "listeners[0].port"),
        ("s.toml", 10, "trunks[0].networks[1]"),
        ("s.toml", 16, "trunks[1].networks[0]"),
        ("s.toml", 17, "trunks[1].country"),
        ("s.toml", 20, "numbers[0].agent"),
        ("n.csv", 3, "agent"),
    ]


def test_a_value_instead_of_a_table_is_a_mistake(folder: Folder) -> None:
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
        ("nul\0.toml", 0, "is not a valid file name"),
        ("latin.toml", 2, "is not UTF-8 (byte 0xe9)"),
        ("broken.toml", 3, "is not TOML: "),
        ("twice.toml", 2, "a is there twice"),
        ("open.toml", 2, "is not TOML: "),
        ("deep.toml", 0, "cannot be parsed as TOML"),
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


def test_the_text_of_a_mistake_has_place_key_wrong_and_right(folder: Folder) -> None:
    (mistake,) = folder.mistakes(RIGHT.replace("[upstream]", "[upstream]\nurl = 1"))
    path = folder.path / "s.toml"
    assert str(mistake) == (
        f"{path}:8: upstream.url: is not a key that exists\n"
        '    did you mean "uri"? the keys here are: '
        "uri, request_uri, listener, backups, failover_timeout, trying_timeout, one_platform, "
        "max_redirects"
    )


def test_a_byte_order_mark_is_no_mistake(folder: Folder) -> None:
    assert folder.mistakes(b"\xef\xbb\xbf" + RIGHT.encode()) == []


def test_no_text_of_the_settings_has_the_key(folder: Folder) -> None:
    settings = folder.load()
    texts = [repr(settings), str(settings), str(settings.model_dump()), f"{settings.api!r}"]
    texts += [settings.model_dump_json(), repr(copy.deepcopy(settings).api)]
    assert KEY not in "".join(texts)


def test_an_api_key_above_all_tables_is_reported_and_not_shown(folder: Folder) -> None:
    (mistake,) = folder.mistakes(f'API_KEY = "{KEY}"\n{RIGHT}')
    assert mistake.wrong == "the API key must not be in this file"
    assert KEY not in str(mistake)


def test_no_traceback_has_the_key(folder: Folder) -> None:
    with pytest.raises(SettingsError) as caught:
        folder.load(RIGHT.replace(API, f'{API}\nkey = "{KEY}"\ndeadline = "{KEY[:3]}"'))
    error: BaseException | None = caught.value
    assert error is not None
    assert KEY not in str(error)
    assert error.__context__ is None
    assert error.__cause__ is None


def test_settings_are_frozen(folder: Folder) -> None:
    settings = folder.load()
    with pytest.raises(ValueError, match="frozen"):
        settings.log.level = "debug"
