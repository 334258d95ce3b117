"""``route`` reports what the API and the upstream learn about a caller, and why."""

from __future__ import annotations

import pytest

from tests.cli.asking import route, steps, with_trunk
from tests.config.settings_folder import RIGHT, Folder


@pytest.mark.parametrize(
    ("header", "line", "said"),
    [
        ("Privacy: id", "", ["anonymous, by Privacy: id"]),
        ("From: <sip:anonymous@anonymous.invalid>;tag=1", "", ["anonymous, by an anonymous From"]),
        ("From: <sip:1000@pbx>;tag=1", "", ["from holds no valid number"]),
        (
            "Privacy: id",
            "pass_private_number = true",
            ["from says +33199990000, passed on by pass_private_number"],
        ),
    ],
)
def test_the_report_says_why_the_api_gets_which_caller(
    folder: Folder, header: str, line: str, said: list[str]
) -> None:
    options = ["--to", "+33612345678", "--from", "+33199990000", "--header", header]
    caller = steps(route(folder, with_trunk(line), *options))["caller"]
    assert set(said) <= set(caller)
    if not line:
        assert "the API gets +10000000000, the anonymous_number of [api]" in caller
        assert "33199990000" not in str(caller)


PRIVATE = ["--to", "+33612345678", "--from", "+33199990000", "--header", "Privacy: id"]
NAMED = ["P-Asserted-Identity: <tel:+33199990000>", "y: x", "Contact: <sip:edge@192.0.2.9>"]
CARRIERS = "is forwarded unchanged, with the number: only the carrier can remove it there"


def test_the_report_says_which_identity_headers_are_stripped(
    folder: Folder,
) -> None:
    options = [*PRIVATE, *(word for header in NAMED for word in ("--header", header))]
    caller = steps(route(folder, RIGHT, *options))["caller"]
    assert caller[-2:] == ["stripped from the INVITE: P-Asserted-Identity, y", f"From {CARRIERS}"]
    passed = steps(route(folder, with_trunk("pass_private_number = true"), *options))["caller"]
    assert passed[-2:] == ["left in the INVITE: P-Asserted-Identity, y", f"From {CARRIERS}"]
    clean = ["From: <sip:anonymous@anonymous.invalid>;tag=1", "Contact: <sip:+33199990000@h>"]
    options = [*PRIVATE, *(word for header in clean for word in ("--header", header))]
    assert steps(route(folder, RIGHT, *options))["caller"][-1] == f"Contact {CARRIERS}"


@pytest.mark.parametrize(
    ("caller", "name"),
    [
        ('"Bob" <sip:+33199990000@h>', "Bob"),
        ("Bob <tel:+33199990000>", "Bob"),
        ("<sip:+33199990000@h>;tag=1", "none"),
        ("+33 1 99 99 00 00", "none"),
    ],
)
def test_a_caller_may_have_a_display_name(folder: Folder, caller: str, name: str) -> None:
    text = f'{RIGHT}[variables]\nname = "${{display_name|none}}"\n'
    shown = steps(route(folder, text, "--to", "+33612345678", "--from", caller))
    assert shown["caller"][-1] == "from says +33199990000"
    assert shown["variables"] == [f'name = "{name}"']


def test_the_report_says_whether_the_from_is_hidden(folder: Folder) -> None:
    options = [*PRIVATE[:-1], "Privacy: user", "--header", "Subject: Zoe"]
    caller = steps(route(folder, RIGHT, *options))["caller"]
    hidden = "From is anonymous in the INVITE, and in the rest of the dialog"
    assert caller[-2:] == ["stripped from the INVITE: Subject", hidden]


def test_proxy_require_privacy_is_performed(folder: Folder) -> None:
    """RFC 3323 5: an anonymous call of a PBX that asks its proxies for privacy."""
    anonymous = '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=1'
    headers = ["Proxy-Require: privacy", "Privacy: id", f"From: {anonymous}", *NAMED[:1]]
    options = [word for header in headers for word in ("--header", header)]
    result = route(folder, RIGHT, "--to", "+33612345678", *options)
    assert result.exit_code == 0, result.output
    assert steps(result)["caller"] == [
        "anonymous, by Privacy: id",
        "the API gets +10000000000, the anonymous_number of [api]",
        "stripped from the INVITE: P-Asserted-Identity",
    ]


def test_critical_privacy_that_cannot_be_performed_is_refused(folder: Folder) -> None:
    options = ["--to", "+33612345678", "--header", "Privacy: header;session;critical"]
    result = route(folder, RIGHT, *options)
    assert result.exit_code == 1
    why = "Privacy is critical, and no proxy can perform header, session"
    assert steps(result)["refused"] == [f"500 Privacy Failure: header, session: {why}"]
