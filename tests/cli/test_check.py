"""``sip-stager check`` shows what the settings do, or all of their mistakes."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sip_stager import __version__
from sip_stager.cli import app
from tests.cli.asking import OTHER, check, lines, route, steps
from tests.config.settings_folder import AGENT, KEY, REAL, RIGHT, Folder

STAND_IN = f'timeout = ["agent {OTHER}", "refuse 480"]\n'
NEVER = "never (ringing_delay is 2 s, and staging may take "


def test_all_shows_defaults_and_never_the_key(folder: Folder) -> None:
    result = check(folder, REAL, "--all")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert 'address = "127.0.0.1"\nport = 5060  # default\n' in result.stdout
    assert 'networks = ["10.0.2.0/24"]\n# profile is not set\n' in result.stdout
    assert "deadline = 4.0  # default\n" in result.stdout
    assert "# the API key was found, and is not shown\n" in result.stdout
    assert KEY not in result.output


def test_the_verdict_comes_first_and_defaults_are_left_out(folder: Folder) -> None:
    shown = check(folder, REAL.replace("[api]", "[api]\nretries = 2\nlabel = true")).stdout
    assert (
        shown
        == f"""\
OK: peers reach it at udp:127.0.0.1:5060; trunks: 1, numbers: 1, agents: 1

[[listeners]]
address = "127.0.0.1"

[api]
# the API key was found, and is not shown
label = true

[upstream]
uri = "sip:sip.platform.test"

[[trunks]]
name = "carrier"
networks = ["10.0.2.0/24"]

What each number does: staged (sync) for its agent, then forwarded as
  sip:<user as dialled>@sip.platform.test:5060 over UDP
+33612345678  {AGENT}

When a call is not staged
By default: refuse 480 (breaker_open, overload: refuse 503 with Retry-After); rings: 180 after 2 s.
No trunk or number differs.

A call lasts 24 hours at most: its seal cannot be renewed, and a request that comes later gets \
481 ([seal] lifetime).
The seal's key is made from the API key: after a new API key and a restart, a hang-up does not \
reach the other side of the calls that are up. Set [seal] key_file, or run as a systemd unit with \
StateDirectory=, which keeps a key.

Settings at their defaults are left out; --all shows them.
"""
    )


def test_only_fallbacks_that_differ_from_the_defaults_are_shown(folder: Folder) -> None:
    of_trunk = 'policy = { busy = "forward" }'
    text = REAL.replace("[[trunks]]", f"[[trunks]]\n{of_trunk}")
    shown = check(folder, text).stdout.splitlines()
    assert [line for line in shown if line.startswith("carrier ")] == [
        "carrier  all others  busy: forward"
    ]


def test_placeholders_are_warned_of_and_counted_in_the_verdict(
    folder: Folder,
) -> None:
    nil = "00000000-0000-0000-0000-000000000000"
    result = check(folder, RIGHT.replace(AGENT, nil))
    assert result.exit_code == 0
    assert result.stdout.startswith("NOT READY, 3 placeholders to replace: peers reach it at ")
    path = folder.path / "s.toml"
    network = "192.0.2.0/24 is a placeholder: no carrier sends calls from it"
    assert result.stderr.splitlines()[::2] == [
        f'warning: {path}:8: upstream.uri: "sip.example.com" is a placeholder',
        f"warning: {path}:12: trunks[0].networks[0]: {network}",
        f'warning: {path}:16: numbers[0].agent: "{nil}" is a placeholder',
    ]


@pytest.mark.parametrize(("prefix", "verdict"), [("", "OK: "), ("10.0.0.0/6", "OK, 1 warning: ")])
def test_the_verdict_counts_the_warnings(folder: Folder, prefix: str, verdict: str) -> None:
    text = REAL.replace("10.0.2.0/24", prefix.replace("10", "8") or "10.0.2.0/24")
    assert check(folder, text).stdout.startswith(verdict)


@pytest.mark.parametrize(
    ("old", "new", "target"),
    [
        ("[x]", "[x]", "sip:<user as dialled>@sip.example.com:5060 over UDP"),
        (
            'uri = "sip:sip.example.com"',
            'uri = "sip:[2001:db8::1]:5070"\nrequest_uri = "e164"\n[[listeners]]\naddress = "::1"',
            "sip:<called number>@[2001:db8::1]:5070 over UDP",
        ),
        (
            "[upstream]",
            '[upstream]\nrequest_uri = "keep"\nbackups = ["sip:h"]',
            "the Request-URI as dialled, to sip.example.com:5060 over UDP, then 1 more",
        ),
    ],
)
def test_each_number_is_shown_with_its_agent_and_its_upstream(
    folder: Folder, old: str, new: str, target: str
) -> None:
    result = check(folder, RIGHT.replace(old, new))
    assert result.exit_code == 0
    shown = "What each number does: staged (sync) for its agent, then forwarded as"
    assert f"\n{shown}\n  {target}\n+33612345678  {AGENT}\n" in result.stdout


def check_in_terminal(folder: Folder, text: str, columns: int) -> str:
    """Return the output in a terminal of that width."""
    path = folder.write("s.toml", text)
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "sip_stager", "check", "--all", "--config", str(path)]
    environ = {**os.environ, "COLUMNS": str(columns), "TERM": "dumb", "ROUNDED_API_KEY": KEY}
    with (
        os.fdopen(ours, "rb", buffering=0) as reader,
        subprocess.Popen(command, stdout=theirs, env=environ) as process,
    ):
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # Linux says EIO at the end of a terminal
            while piece := reader.read(4096):
                shown += piece
        assert process.wait() == 0
    return shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [0, 40, 80, 120])
def test_numbers_agents_and_uris_are_never_wrapped(folder: Folder, columns: int) -> None:
    uri = "sip:a-queue-with-a-long-name@queues.sip.example.com:5080"
    policy = f'policy = {{ busy = ["agent {OTHER}", "redirect {uri}"] }}'
    text = RIGHT.replace("[[numbers]]", f"[[numbers]]\n{policy}")
    shown = (
        check_in_terminal(folder, text, columns) if columns else check(folder, text, "--all").stdout
    )
    assert f"\n+33612345678  {AGENT}\n" in shown
    assert f"\ncarrier  +33612345678  busy: agent {OTHER}, then redirect {uri}\n" in shown
    assert "\ncarrier  all others    busy: refuse 480\n" in shown
    assert "\ncarrier  all others    rings: 180 after 2 s\n" in shown


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ('timeout = "forward"\nafter_ringing = "refuse 480"', "forward (before ringing only)"),
        ('timeout = "forward"\nafter_ringing = "refuse"\nringing = "183"\nringing_delay = 3.9',
         "forward (before ringing only)"),
        (f'{STAND_IN}after_ringing = "forward"\nringing_delay = 1.9',
         f"agent {OTHER}, then refuse 480 (before ringing only)"),
        (f'{STAND_IN}after_ringing = "forward"\nringing_delay = 2.1',
         f"agent {OTHER}, then refuse 480"),
        ('timeout = "forward"', "forward"),
    ],
)  # fmt: skip
def test_a_fallback_that_applies_only_before_ringing_says_so(
    folder: Folder, policy: str, said: str
) -> None:
    shown = check(folder, f"{RIGHT}[policy]\n{policy}\n", "--all").stdout
    assert f"\ncarrier  all others  timeout: {said}\n" in shown


def test_variables_are_shown_as_written(folder: Folder) -> None:
    of_trunk = '[[trunks]]\nvariables = { vip = true, "a.b" = 0.5 }'
    text = RIGHT.replace("[[trunks]]", of_trunk) + '[variables]\nline = "${called} $$"\n'
    result = check(folder, text)
    assert result.exit_code == 0
    assert 'variables = {vip = true, "a.b" = 0.5}\n' in result.stdout
    assert '[variables]\nline = "${called} $$"\n' in result.stdout


def test_values_from_a_carrier_profile_say_so(folder: Folder) -> None:
    own = '[[trunks]]\nprofile = "telnyx"\npass_503 = false\npolicy = { refusal = 503 }\n'
    shown = check(folder, RIGHT.replace("[[trunks]]\n", own), "--all").stdout
    for line in (
        'profile = "telnyx"',
        "pass_503 = false",
        'ringback_timeout = 5.0  # profile "telnyx"',
        'policy = {refusal = 503, ringing = "never"}  # ringing: profile "telnyx"',
    ):
        assert f"\n{line}\n" in shown
    assert "\ncarrier  all others  timeout: refuse 503\n" in shown


def test_all_shows_the_default_policy(folder: Folder) -> None:
    shown = check(folder, RIGHT, "--all").stdout
    assert '[policy]\ntimeout = "refuse"  # default\n' in shown
    assert '# refusal is not set\nringing = "180"  # default\n' in shown
    assert "# deadline is not set\nmargin = 0.3  # default\n" in shown


def test_agents_that_share_a_number_are_shown_with_their_weights(folder: Folder) -> None:
    agents = (
        'timezone = "Europe/Paris"\n'
        f'[[numbers.agents]]\nagent = "{AGENT}"\ndays = ["sat"]\nhours = ["09:00-12:00"]\n'
        f'[[numbers.agents]]\nagent = "{OTHER}"\nweight = 2\n'
        f'[[numbers.agents]]\nagent = "{AGENT}"\n'
    )
    result = check(folder, RIGHT.replace(f'agent = "{AGENT}"\n', agents))
    assert result.exit_code == 0, result.output
    assert f"{AGENT} (weight 1, sat 09:00-12:00 Europe/Paris)" in result.stdout
    assert f"{OTHER} (weight 2)" in result.stdout
    assert f"{AGENT} (weight 1)" in result.stdout
    assert result.stdout.splitlines()[0].endswith("numbers: 1, agents: 2")


def test_only_the_first_of_many_numbers_are_shown(folder: Folder) -> None:
    rows = "".join(f"+3361234{number:04},{AGENT}\n" for number in range(2000))
    folder.write("n.csv", f"number,agent\n{rows}")
    text = 'numbers_csv = "n.csv"\n' + RIGHT
    some, every = check(folder, text), check(folder, text, "--all")
    assert sum(AGENT in line for line in lines(some)) == 50
    assert "... and 1951 more (--all shows them)\n" in some.stdout
    assert sum(AGENT in line for line in lines(every)) == 2001
    assert "more (--all" not in every.stdout


def test_all_mistakes_go_to_stderr(folder: Folder) -> None:
    result = check(folder, RIGHT.replace("[api]", '[api]\nmodus = "[bold]"\nkey = "x"'))
    path = folder.path / "s.toml"
    assert result.exit_code == 2
    assert result.stdout == ""
    first, _, second, _, verdict = result.stderr.splitlines()
    assert first == f"{path}:5: api.modus: is not a key that exists"
    assert second == f"{path}:6: api.key: the API key must not be in this file"
    assert verdict == "NOT OK, 2 mistakes: the settings cannot be used"


def test_a_settings_file_that_this_user_may_not_read_is_a_mistake_with_its_cure(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path).name != "s.toml")
    monkeypatch.setattr(Path, "read_bytes", refuse)
    result = check(folder, RIGHT)
    path = folder.path / "s.toml"
    assert result.exit_code == 2
    wrong, right, _ = result.stderr.splitlines()
    assert wrong == f"{path}: cannot be read: Permission denied"
    assert f"read {path}, which belongs to" in right


def test_a_warning_goes_to_stderr_and_the_exit_code_stays_0(folder: Folder) -> None:
    result = check(folder, RIGHT.replace("[api]", '[api]\nbase_url = "http://api.example.com"'))
    assert result.exit_code == 0
    assert result.stderr.startswith(f"warning: {folder.path / 's.toml'}:5: api.base_url: ")


def test_version_prints_the_version() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"sip-stager {__version__}\n"


@pytest.mark.parametrize(
    ("command", "example"),
    [("check", "--online"), ("run", "--config"), ("route", "--to 0366725520")],
)
def test_help_has_an_example_and_the_exit_codes(command: str, example: str) -> None:
    shown = " ".join(CliRunner().invoke(app, [command, "--help"]).stdout.split())
    assert "Example:" in shown
    assert example in shown
    assert "Exit codes: 0 " in shown


@pytest.mark.parametrize("command", [[], ["check"], ["demo"], ["run"]], ids=str)
def test_help_shows_no_type_for_flags(command: list[str]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"]).stdout
    assert "--help" in shown
    assert "bool" not in shown.lower()


def test_run_rejects_wrong_settings_like_check(folder: Folder) -> None:
    path = folder.write("s.toml", "x = 1\n")
    result = CliRunner().invoke(app, ["run", "--config", str(path)])
    assert result.exit_code == 2
    assert f"{path}:1: x: is not a key that exists" in result.stderr


def test_it_runs_as_a_module(folder: Folder) -> None:
    path = folder.write("s.toml", REAL)
    command = [sys.executable, "-m", "sip_stager", "check", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("OK: ")


def test_fallbacks_are_shown_by_trunk_and_number(folder: Folder) -> None:
    text = RIGHT.replace(
        f'agent = "{AGENT}"\n',
        f'agent = "{AGENT}"\npolicy = {{ timeout = ["agent {OTHER}", "refuse 486 Busy"] }}\n',
    )
    text += '[policy]\napi_unreachable = "forward"\nrefusal = 480\nringing = "never"\n'
    shown = check(folder, text).stdout
    own = f"timeout: agent {OTHER}, then refuse 486 Busy"
    assert f"\ncarrier  +33612345678  {own}\n" in shown
    assert "\ncarrier  +33612345678  api_unreachable: forward\n" in shown
    assert "\ncarrier  all others    overload: refuse 480 with Retry-After\n" in shown
    assert "\ncarrier  all others    breaker_open: forward\n" in shown
    assert "\ncarrier  all others    rings: never\n" in shown


def test_the_fallbacks_say_which_refusals_have_retry_after(folder: Folder) -> None:
    """RFC 3261 21.5.4: only those that concern every call, so that one keeps no others away."""
    shown = check(folder, RIGHT, "--all").stdout
    for cause in ("timeout", "api_unreachable", "refused", "busy", "invalid_response"):
        assert f"\ncarrier  all others  {cause}: refuse 480\n" in shown
    for cause in ("breaker_open", "overload"):
        assert f"\ncarrier  all others  {cause}: refuse 503 with Retry-After\n" in shown


UNIT = "/run/credentials/sip-stager.service/api-key"
"""The key of the unit in `deploy`."""


def test_check_works_outside_the_unit(folder: Folder) -> None:
    result = check(folder, REAL.replace("[api]", f'[api]\nkey_file = "{UNIT}"'))
    assert result.exit_code == 0
    assert result.stdout.startswith("OK, 1 warning: ")
    assert "# the API key was not looked for, or is not readable here\n" in result.stdout
    wrong = f"{UNIT} exists only in its systemd unit: the key was not checked"
    assert result.stderr.startswith(f"warning: {folder.path / 's.toml'}:5: api.key_file: {wrong}\n")


@pytest.mark.parametrize("line", ["", 'key_file = "sk-secret"', f'key_file = "{UNIT}"'])
def test_check_works_without_the_key(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.delenv("ROUNDED_API_KEY")
    text = REAL.replace("[api]", f"[api]\n{line}")
    assert check(folder, text).exit_code == (0 if UNIT in line else 2)
    result = check(folder, text, "--without-key", "--all")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "sk-secret" not in result.output


def test_an_advertised_address_shows_the_variable_that_it_comes_from(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST_IP", "8.8.4.4")
    text = REAL.replace('"127.0.0.1"', '"0.0.0.0"\nadvertise_env = "HOST_IP"')
    shown = check(folder, text).stdout
    assert 'advertise = "8.8.4.4"  # $HOST_IP\n' in shown
    assert shown.startswith("OK: peers reach it at udp:8.8.4.4:5060;")


def test_a_profile_has_its_own_code_for_every_cause(folder: Folder) -> None:
    text = RIGHT.replace("[[trunks]]\n", '[[trunks]]\nprofile = "twilio"\n')
    shown = check(folder, text, "--all").stdout
    assert "\ncarrier  all others  refused: refuse 503\n" in shown
    assert "\ncarrier  all others  overload: refuse 503 with Retry-After\n" in shown


@pytest.mark.parametrize(
    ("api", "trunk", "policy", "rings"),
    [
        ("", "", "", "180 after 2 s"),
        ("", "", 'ringing = "never"', "never"),
        ("deadline = 1.5", "", "", f"{NEVER}1.5 s)"),
        ("deadline = 1.5", "", "deadline = 3.0", "180 after 2 s"),
        ("", "ringback_timeout = 1.0", "", f"{NEVER}0.7 s)"),
        ("", "ringback_timeout = 2.4", 'ringing = "183"', "183 after 2 s"),
        ("", 'profile = "telnyx"', "", "never"),
    ],
)
def test_check_and_route_agree_on_ringing(
    folder: Folder, api: str, trunk: str, policy: str, rings: str
) -> None:
    text = RIGHT.replace("[api]\n", f"[api]\n{api}\n")
    text = text.replace("[[trunks]]\n", f"[[trunks]]\n{trunk}\n") + f"[policy]\n{policy}\n"
    of_check = [
        line.removeprefix("carrier  all others  ")
        for line in check(folder, text, "--all").stdout.splitlines()
        if line.startswith("carrier ")
    ]
    of_route = steps(route(folder, text, "--to", "+33612345678"))["if not staged"]
    assert of_check == of_route
    assert of_check[-1] == f"rings: {rings}"
    rang = [line for line in of_check if line.startswith("after ringing: ")]
    assert len(rang) == (not rings.startswith("never"))


def test_a_service_manager_that_kills_before_the_drain_is_over_is_a_warning(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIP_STAGER_STOP_TIMEOUT", "30")
    result = check(folder, REAL)
    assert result.exit_code == 0
    assert "a stop may take 32 s, and the service manager kills the program after 30 s" in (
        result.stderr
    )
    assert "OK, 1 warning" in result.output
