"""A setting that another setting switches off is a mistake."""

from __future__ import annotations

import pytest

from sip_stager.config.tables import settings as models
from tests.config.settings_folder import AGENT, KEY, RIGHT, Folder

OTHER = "7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77"
PLAIN = RIGHT.replace('mode = "sync"\n', "") + "[limits]\n"
TCP = '[[listeners]]\ntransport = "tcp"\naddress = "127.0.0.1"\n'


def assert_unused(folder: Folder, text: str, key: str) -> None:
    (mistake,) = folder.mistakes(text, OTHER=KEY, ROUNDED_API_KEY=KEY)
    assert mistake.key == key
    assert mistake.wrong.startswith("has no effect: ")
    assert mistake.right.endswith(", or remove it")
    setting = key.rpartition(".")[2]
    assert text.splitlines()[mistake.line - 1].startswith(f"{setting} = ")


@pytest.mark.parametrize(
    ("table", "line", "off", "on"),
    [
        ("api", "poll_interval_min = 0.5", 'mode = "sync"', 'mode = "async"'),
        ("api", "poll_interval_max = 2.0", 'mode = "sync"', 'mode = "async"'),
        ("api", "max_polls_per_second = 50", 'mode = "sync"', 'mode = "async"'),
        ("api", "retry_delay = 0.5", "retries = 0", "retries = 1"),
        ("api", "retry_ambiguous = true", "retries = 0", "retries = 1"),
        ("api", 'after_hangup = "keep"', "claim_ttl = 0", "claim_ttl = 1"),
        ("api", "aftercare_connections = 9", "label = false", "label = true"),
        ("api", "aftercare_connections = 9", "reconcile = false", "reconcile = true"),
        ("api", "aftercare_connections = 9", "", "terminate_wasted = true"),
        ("api", 'key_env = "OTHER"', 'key_file = "key"', ""),
    ],
)
def test_a_key_that_another_one_switches_off_is_a_mistake(
    folder: Folder, table: str, line: str, off: str, on: str
) -> None:
    folder.write("key", KEY)

    def text(*added: str) -> str:
        return PLAIN.replace(f"[{table}]\n", "\n".join((f"[{table}]", *added, "")))

    assert_unused(folder, text(off, line), f"{table}.{line.split(maxsplit=1)[0]}")
    for added in ((on, line), (off, default(table, line)), (off,)):
        assert folder.mistakes(text(*added), OTHER=KEY, ROUNDED_API_KEY=KEY) == []


@pytest.mark.parametrize(
    "line", ["failover_timeout = 3.0", "trying_timeout = 5.0", "one_platform = true"]
)
def test_failover_needs_a_next_address(folder: Folder, line: str) -> None:
    """A name may have several addresses at any time, so it is no mistake there."""

    def text(uri: str, *added: str) -> str:
        lines = f'uri = "{uri}"', line, *added
        return PLAIN.replace('uri = "sip:sip.example.com"', "\n".join(lines))

    assert_unused(folder, text("sip:192.0.2.9"), f"upstream.{line.split(maxsplit=1)[0]}")
    assert folder.mistakes(text("sip:sip.example.com")) == []
    assert folder.mistakes(text("sip:192.0.2.9", 'backups = ["sip:192.0.2.8"]')) == []
    assert folder.mistakes(text("sip:192.0.2.9", "max_redirects = 1")) == []


def default(table: str, line: str) -> str:
    """Return the line that sets the key to its default, which is no mistake."""
    key = line.split(maxsplit=1)[0]
    value = models.TABLES[table].model_fields[key].default
    return f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}"


@pytest.mark.parametrize(
    "line",
    [
        "connections = 50",
        "connections_of_strangers = 50",
        "connections_per_source = 5",
        "message_timeout = 3.0",
        "idle_timeout = 60.0",
    ],
)
def test_tcp_limits_need_a_tcp_listener(folder: Folder, line: str) -> None:
    assert_unused(folder, f"{PLAIN}{line}\n", f"limits.{line.split(maxsplit=1)[0]}")
    assert folder.mistakes(f"{TCP}{PLAIN}{line}\n") == []


def of_agents(*lines: str) -> str:
    """Return the right settings with an agent for each argument, which holds its other keys."""
    agents = "".join(
        f'[[numbers.agents]]\nagent = "{agent}"\n{line}\n'
        for agent, line in zip((AGENT, OTHER, AGENT), lines, strict=False)
    )
    return RIGHT.replace(f'agent = "{AGENT}"\n', f'timezone = "Europe/Paris"\n{agents}')


SATURDAYS = 'days = ["sat"]'


@pytest.mark.parametrize(
    ("agents", "unused"),
    [
        (("weight = 3", SATURDAYS), 0),
        ((SATURDAYS + "\nweight = 3", ""), 0),
        ((SATURDAYS, "weight = 3"), 1),
        ((SATURDAYS, "weight = 3", ""), None),
        ((SATURDAYS, SATURDAYS + "\nweight = 3", ""), None),
        ((SATURDAYS, 'weight = 3\nhours = ["08:00-12:00"]', ""), None),
    ],
)
def test_a_weight_needs_another_agent_at_the_same_time(
    folder: Folder, agents: tuple[str, ...], unused: int | None
) -> None:
    text = of_agents(*agents)
    if unused is None:
        assert folder.mistakes(text) == []
    else:
        assert_unused(folder, text, f"numbers[0].agents[{unused}].weight")


def test_a_time_zone_needs_days_or_hours(folder: Folder) -> None:
    zone = '[[numbers]]\ntimezone = "Europe/Paris"\n'
    assert_unused(folder, RIGHT.replace("[[numbers]]\n", zone), "numbers[0].timezone")
