"""A setting that is allowed, and may not be meant, is a warning."""

from __future__ import annotations

import pytest

from tests.config.settings_folder import AGENT, RIGHT, Folder, said

TRUNK = '[[trunks]]\nname = "carrier"\nnetworks = ["192.0.2.0/24"]'


def warned(folder: Folder, text: str) -> list[tuple[str, str]]:
    return [(warning.key, warning.wrong) for warning in folder.load(text).warnings]


@pytest.mark.parametrize(
    ("trunk", "key", "ends"),
    [
        ('profile = "telnyx"\npolicy = { deadline = 8.0 }', "policy.deadline", "4.7"),
        ('profile = "telnyx"\npolicy = { deadline = 4.0 }', None, ""),
        ("ringback_timeout = 5.0\npolicy = { deadline = 8.0 }", None, ""),  # it hears our 180
    ],
)
def test_a_deadline_beyond_the_ringback_timeout_is_a_warning(
    folder: Folder, trunk: str, key: str | None, ends: str
) -> None:
    found = warned(folder, RIGHT.replace("[[trunks]]\n", f"[[trunks]]\n{trunk}\n"))
    wrong = f'is 8, but staging ends after {ends} s: the trunk "carrier" waits 5 s for ringing'
    assert found == ([(f"trunks[0].{key}", wrong)] if key else [])


@pytest.mark.parametrize(("margin", "named"), [(4.0, True), (3.9, False)])
def test_a_margin_beyond_the_deadline_is_a_warning(
    folder: Folder, margin: float, *, named: bool
) -> None:
    found = warned(folder, f"{RIGHT}[policy]\nmargin = {margin}\n")
    assert [key for key, _ in found] == (["policy.margin"] if named else [])


def test_more_connections_than_calls_are_a_warning(folder: Folder) -> None:
    text = RIGHT.replace("[api]\n", "[api]\nconnections = 5001\n")
    assert [key for key, _ in warned(folder, text)] == ["api.connections"]
    assert warned(folder, text + "[limits]\ncalls_staging = 5001\n") == []


@pytest.mark.parametrize(("host", "here"), [("127.0.0.1", True), ("sip.example.com", False)])
def test_a_302_to_this_program_is_a_warning(folder: Folder, host: str, *, here: bool) -> None:
    found = warned(folder, f'{RIGHT}[policy]\nbusy = "moved sip:desk@{host}"\n')
    wrong = "sends the carrier back here: the call is staged again"
    assert found == ([("policy.busy", wrong)] if here else [])


def test_thousands_of_warnings_do_not_bury_the_others(folder: Folder) -> None:
    rows = "".join(f"01999{number:05},{AGENT}\n" for number in range(3000))
    folder.write("n.csv", f"number,agent\n{rows}")
    trunks = '[[trunks]]\nname = "fr"\nnetworks = ["198.51.100.7"]\ncountry = "FR"\n'
    text = 'numbers_csv = "n.csv"\n' + RIGHT.replace("[[numbers]]", trunks + "[[numbers]]")
    settings = folder.load(text + '[policy]\nbusy = "moved sip:desk@127.0.0.1"\n')
    assert settings.warnings[0].key == "policy.busy"
    assert len(settings.warnings) == 52
    assert settings.warnings[-1].wrong == "and 2950 more like these"


def test_a_network_inside_one_of_another_trunk_is_a_warning(folder: Folder) -> None:
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
def test_an_unencrypted_api_is_a_warning(folder: Folder, url: str, *, warned: bool) -> None:
    warnings = folder.load(RIGHT.replace("[api]", f'[api]\nbase_url = "{url}"')).warnings
    assert [(w.key, w.line) for w in warnings] == ([("api.base_url", 5)] if warned else [])


@pytest.mark.parametrize("key", ["agents_refresh_interval", "numbers_refresh_interval"])
@pytest.mark.parametrize(("pause", "named"), [(0, False), (0.1, True), (9.9, True), (10, False)])
def test_a_very_short_refresh_interval_is_a_warning(
    folder: Folder, key: str, pause: float, *, named: bool
) -> None:
    found = warned(folder, RIGHT.replace("[api]", f"[api]\n{key} = {pause}"))
    wrong = f"is {pause}: the API is asked every {pause} s, even without calls"
    assert found == ([(f"api.{key}", wrong)] if named else [])


def test_a_number_that_a_trunk_reads_otherwise_is_a_warning(folder: Folder) -> None:
    other = '\n[[trunks]]\nname = "fr"\nnetworks = ["198.51.100.7"]\ncountry = "FR"\n'
    text = RIGHT.replace('number = "+33612345678"', 'number = "0612345678"') + other
    (warning,) = folder.load(text).warnings
    assert said(warning)[2:] == (
        "numbers[0].number",
        '"0612345678" is +33612345678 on the trunk "fr": not found there',
        'write "+33612345678"',
    )


def test_a_national_prefix_is_a_warning(folder: Folder) -> None:
    text = RIGHT.replace("+33612345678", "06*").replace(TRUNK, f'{TRUNK}\ncountry = "FR"')
    (warning,) = folder.load(text).warnings
    assert said(warning)[2:] == (
        "numbers[0].number",
        '"06*" begins a national number, but those of the trunk "carrier" are looked up as +...',
        'write it with the country\'s code, like "+336*"',
    )


@pytest.mark.parametrize(
    ("address", "warns"),
    [
        *((address, True) for address in ("0.0.0.0", "::", "8.8.8.8", "2600::1")),
        *((address, False) for address in ("127.0.0.1", "10.0.0.1", "::1", "fd00::1")),
    ],
)
def test_metrics_on_a_public_address_are_a_warning(
    folder: Folder, address: str, *, warns: bool
) -> None:
    found = warned(folder, f'{RIGHT}[http]\naddress = "{address}"\n')
    assert [key for key, _ in found] == (["http.address"] if warns else [])


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"HTTPS_PROXY": "http://user:secret@proxy.example:3128"}, "HTTPS_PROXY"),
        ({"https_proxy": "http://proxy.example:3128"}, "https_proxy"),
        ({"ALL_PROXY": "socks5://proxy.example"}, "ALL_PROXY"),
        ({"HTTP_PROXY": "http://proxy.example:3128"}, ""),
        ({"HTTPS_PROXY": ""}, ""),
        ({"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": "localhost, .callrounded.com"}, ""),
        ({"HTTPS_PROXY": "http://proxy.example", "no_proxy": "*"}, ""),
        ({"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": "rounded.com"}, "HTTPS_PROXY"),
    ],
)
def test_a_proxy_of_the_environment_that_is_not_used_is_a_warning(
    folder: Folder, environ: dict[str, str], named: str
) -> None:
    settings = folder.load(RIGHT, ROUNDED_API_KEY="key", **environ)
    wrong = f"{named} is set and not used: the API is connected to directly"
    assert [each.wrong for each in settings.warnings] == ([wrong] if named else [])
    assert "secret" not in repr(settings.warnings)
