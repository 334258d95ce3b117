"""Settings that another setting disables are mistakes, at the line of the one without effect."""

from __future__ import annotations

import pytest

from sip_stager.model.call import MAX_STAGED_ID_AGE
from tests.config.settings_folder import AGENT, RIGHT, Folder

OTHER = "7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77"
TCP = '[[listeners]]\ntransport = "tcp"\naddress = "127.0.0.1"\n'
SECOND = '[[trunks]]\nname = "second"\nnetworks = ["198.51.100.7"]\n'


def written(trunk: str = "", number: str = "", api: str = "", upstream: str = "") -> str:
    """Return the right settings with lines added to their tables."""
    text = RIGHT
    for header, lines in (
        ("[[trunks]]\n", trunk),
        ("[[numbers]]\n", number),
        ("[api]\n", api),
        ("[upstream]\n", upstream),
    ):
        text = text.replace(header, f"{header}{lines}\n" if lines else header)
    return text


def found(folder: Folder, text: str) -> list[tuple[str, str]]:
    return [(mistake.key, mistake.wrong) for mistake in folder.mistakes(text)]


NEVER = 'has no effect: ringing = "never"'


@pytest.mark.parametrize(
    ("text", "key", "wrong"),
    [
        (
            RIGHT + '[policy]\nringing = "never"\nafter_ringing = "forward"\n',
            "policy.after_ringing",
            NEVER,
        ),
        (
            written('policy = { after_ringing = "forward" }') + '[policy]\nringing = "never"\n',
            "trunks[0].policy.after_ringing",
            NEVER,
        ),
        (
            written('profile = "telnyx"\npolicy = { ringing_delay = 1.0 }'),
            "trunks[0].policy.ringing_delay",
            f'{NEVER} by profile = "telnyx"',
        ),
        (
            written('policy = { ringing = "never" }', "policy = { ringing_delay = 1.0 }"),
            "numbers[0].policy.ringing_delay",
            NEVER,
        ),
        (
            RIGHT + "[policy]\nringing_delay = 4.0\n",
            "policy.ringing_delay",
            "has no effect: ringing begins after 4 s, staging ends at 4",
        ),
        (
            written(api="deadline = 1.5") + '[policy]\nafter_ringing = "forward"\n',
            "policy.after_ringing",
            "has no effect: ringing begins after 2 s, staging ends at 1.5",
        ),
        (
            written("ringback_timeout = 5.0\npolicy = { ringing_delay = 6.0, deadline = 9.0 }"),
            "trunks[0].policy.ringing_delay",
            "has no effect: ringing begins after 6 s, staging ends at 4.7",
        ),
    ],
)
def test_ringing_settings_that_no_caller_can_hear_are_mistakes(
    folder: Folder, text: str, key: str, wrong: str
) -> None:
    assert found(folder, text) == [(key, wrong)]


@pytest.mark.parametrize(
    "text",
    [
        RIGHT + '[policy]\nafter_ringing = "forward"\nringing_delay = 3.9\n',
        RIGHT + '[policy]\nringing = "never"\n',
        written('profile = "telnyx"', "") + SECOND + '[policy]\nafter_ringing = "forward"\n',
        written('policy = { ringing = "183" }')
        + '[policy]\nringing = "never"\nringing_delay = 1.0\n',
        written(api="deadline = 1.0"),
        written("", "policy = { deadline = 1.0 }") + '[policy]\nafter_ringing = "forward"\n',
    ],
)
def test_ringing_settings_that_some_callers_hear_are_right(folder: Folder, text: str) -> None:
    assert found(folder, text) == []


@pytest.mark.parametrize(
    ("trunk", "key"),
    [
        ("ringback_timeout = 0.3", "ringback_timeout"),
        ('profile = "telnyx"\npolicy = { margin = 5.0 }', "policy.margin"),
        ('profile = "telnyx"\npolicy = { margin = 4.0 }', None),
        ("ringback_timeout = 3.0\npolicy = { margin = 1.0 }", None),  # it hears our 180
        ("ringback_timeout = 3.0\npolicy = { margin = 9.0 }", "policy.margin"),
    ],
)
def test_a_margin_leaves_time_to_stage(folder: Folder, trunk: str, key: str | None) -> None:
    mistakes = folder.mistakes(written(trunk))
    assert [mistake.key for mistake in mistakes] == ([f"trunks[0].{key}"] if key else [])
    assert all(mistake.wrong.startswith("leaves no time to stage: ") for mistake in mistakes)


@pytest.mark.parametrize(
    ("uri", "wrong"),
    [
        ("sip:queue@127.0.0.1", "is this program itself: calls would loop"),
        ("sip:queue@127.0.0.1:5061", None),
        ("sip:queue@h;transport=tcp", "goes over tcp, but no listener does"),
        ("sip:queue@h;transport=tls", "goes over tls, which is not supported yet"),
        ("sip:queue@[2001:db8::1]", "goes over udp and IPv6, but no listener does"),
        ("sip:queue@sip.example.com", None),
    ],
)
def test_a_redirect_needs_a_listener_and_is_not_this_program(
    folder: Folder, uri: str, wrong: str | None
) -> None:
    expected = [("trunks[0].policy.after_ringing", wrong)] if wrong else []
    policy = f'policy = {{ after_ringing = "redirect {uri}" }}'
    assert found(folder, written(policy)) == expected


@pytest.mark.parametrize(
    ("api", "key", "wrong"),
    [
        ("retry_delay = 4.0", "retry_delay", "is 4, but no call waits longer than 4 s"),
        (
            'mode = "async"\npoll_interval_min = 4.0\npoll_interval_max = 4.0',
            "poll_interval_min",
            "is 4, but no call",
        ),
        (f"claim_ttl = {MAX_STAGED_ID_AGE + 0.1}", "claim_ttl", "is 55.1"),
        (f"claim_ttl = {MAX_STAGED_ID_AGE}", "", ""),
        (
            "breaker_open_time = 90.0",
            "breaker_open_time_max",
            "is 60, less than breaker_open_time = 90",
        ),
        ("deadline = 0.1", "", ""),
        ("claim_ttl = 0\nterminate_wasted = true", "", ""),
    ],
)
def test_the_keys_of_the_api_fit_one_another(
    folder: Folder, api: str, key: str, wrong: str
) -> None:
    text = RIGHT.replace('mode = "sync"\n', f"{api}\n")
    assert [mistake.key for mistake in folder.mistakes(text)] == ([f"api.{key}"] if key else [])
    assert all(mistake.wrong.startswith(wrong) for mistake in folder.mistakes(text))


def test_a_delay_that_fits_into_some_calls_is_right(folder: Folder) -> None:
    assert found(folder, written("policy = { deadline = 9.0 }", api="retry_delay = 5.0")) == []


@pytest.mark.parametrize(
    ("limits", "key", "wrong"),
    [
        ("connections_per_source = 101", "connections_per_source", "is 101, more than"),
        ("connections_of_strangers = 1001", "connections_of_strangers", "is 1001, more than"),
        (
            "transactions = 8\ncalls_staging = 9",
            "calls_staging",
            "is 9, more than transactions = 8",
        ),
        ("connections = 50", "", ""),
        ("transactions = 50", "", ""),
    ],
)
def test_no_limit_is_hidden_by_another(folder: Folder, limits: str, key: str, wrong: str) -> None:
    mistakes = folder.mistakes(f"{TCP}{RIGHT}[limits]\n{limits}\n")
    assert [mistake.key for mistake in mistakes] == ([f"limits.{key}"] if key else [])
    assert all(mistake.wrong.startswith(wrong) for mistake in mistakes)


@pytest.mark.parametrize(
    ("upstream", "key", "wrong"),
    [
        (
            'backups = ["sip:192.0.2.9"]\nfailover_timeout = 32.0',
            "failover_timeout",
            "gives up after 32 s",
        ),
        ('backups = ["sip:192.0.2.9"]\nfailover_timeout = 31.0', "", ""),
        ('backups = ["sip:sip.example.com:5060"]', "backups", "which is tried before"),
        ('backups = ["sip:h", "sip:h;transport=udp"]', "backups", "which is tried before"),
    ],
)
def test_every_upstream_can_be_tried(folder: Folder, upstream: str, key: str, wrong: str) -> None:
    mistakes = folder.mistakes(written(upstream=upstream))
    assert [mistake.key for mistake in mistakes] == ([f"upstream.{key}"] if key else [])
    assert all(wrong in mistake.wrong for mistake in mistakes)


def test_a_default_that_a_sip_timer_hides_is_no_mistake(folder: Folder) -> None:
    text = written(upstream='backups = ["sip:192.0.2.9"]')
    assert found(folder, f"{text}[sip]\nt1 = 0.01\n") == []


def test_a_version_belongs_to_one_agent(folder: Folder) -> None:
    text = RIGHT.replace(
        f'agent = "{AGENT}"', f'version = 3\n[[numbers.agents]]\nagent = "{AGENT}"'
    )
    wrong = "belongs to `agent`, but the number has `agents`"
    assert found(folder, text) == [("numbers[0].version", wrong)]
