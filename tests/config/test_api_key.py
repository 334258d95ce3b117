"""The API key is read from the environment or from a file."""

from __future__ import annotations

import os

import pytest

from sip_stager.config import Settings, SettingsError, load
from tests.config.settings_folder import KEY, RIGHT, Folder, said

IN_FILE = RIGHT.replace("[api]", '[api]\nkey_file = "key"')


def test_the_environment_variable_can_be_chosen(folder: Folder) -> None:
    text = RIGHT.replace("[api]", '[api]\nkey_env = "OTHER"')
    settings = folder.load(text, OTHER=f" {KEY}\n", ROUNDED_API_KEY="wrong")
    assert settings.api.key.get_secret_value() == KEY


def test_a_file_takes_precedence_over_the_variable(folder: Folder) -> None:
    folder.write("key", f"{KEY}\n").chmod(0o600)
    settings = folder.load(IN_FILE, ROUNDED_API_KEY="wrong")
    assert settings.api.key.get_secret_value() == KEY
    assert settings.api.key_file == folder.path / "key"
    assert settings.warnings == ()


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_file_that_others_can_read_is_a_warning(folder: Folder, mode: int) -> None:
    folder.write("key", KEY).chmod(mode)
    (warning,) = folder.load(IN_FILE).warnings
    assert (warning.line, warning.key) == (5, "api.key_file")
    assert warning.wrong == f"other users can read {folder.path / 'key'}"
    assert "chmod 600" in warning.right


@pytest.mark.parametrize(("mode", "warnings"), [(0o440, 0), (0o444, 1)])
def test_a_file_of_another_user_may_be_readable_by_its_group(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, mode: int, warnings: int
) -> None:
    """Secrets of Kubernetes belong to root, and are read through the group of the service."""
    folder.write("key", KEY).chmod(mode)
    monkeypatch.setattr(os, "geteuid", lambda: 10001)
    assert len(folder.load(IN_FILE).warnings) == warnings


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "there is no API key in the file "),
        (b" \n\n", "there is no API key in the file "),
        (b"one\ntwo\n", "is not an API key: it has blanks or unusual characters"),
        (b"cl\xc3\xa9", "is not an API key: it has blanks or unusual characters"),
        (b"\xff", "is not UTF-8 (byte 0xff)"),
    ],
)
def test_a_file_without_a_key_is_a_mistake(folder: Folder, content: bytes, wrong: str) -> None:
    folder.write("key", content)
    (mistake,) = folder.mistakes(IN_FILE)
    assert said(mistake)[:3] == ("s.toml", 5, "api.key_file")
    assert wrong in mistake.wrong
    assert str(folder.path / "key") in mistake.wrong


def test_an_unset_variable_is_reported_at_the_api_table(folder: Folder) -> None:
    (mistake,) = folder.mistakes(RIGHT, HOME="/")
    assert said(mistake) == (
        "s.toml",
        4,
        "api.key_env",
        "the environment variable ROUNDED_API_KEY is not set",
        "put the API key into it, or set key_file",
    )


SECRET = "sk-live-0123456789"


@pytest.mark.parametrize(
    "line",
    [
        *(f'key_file = "{value}"' for value in (SECRET, f"{SECRET}/abc+==", f"./{SECRET}")),
        f'key_file = "{SECRET * 40}"',
        f'key_file = "{SECRET}\\u0000"',
        f'key_file = ["{SECRET}"]',
        f'key_file = {{ path = "{SECRET}" }}',
        f'key_env = "{SECRET}"',
        f'key_env = ["{SECRET}"]',
        f'key = "{SECRET}"',
        f'token = "{SECRET}"',
        f"key_file = {SECRET}",
    ],
)
def test_a_key_in_the_wrong_place_is_never_shown(folder: Folder, line: str) -> None:
    found = folder.mistakes(RIGHT.replace("[api]", f"[api]\n{line}"))
    assert found
    assert SECRET not in "\n".join(map(str, found))


UNIT = "/run/credentials/sip-stager.service/api-key"
IN_UNIT = RIGHT.replace("[api]", f'[api]\nkey_file = "{UNIT}"')


def check(folder: Folder, text: str, **environ: str) -> Settings:
    """Load settings as ``check`` does."""
    return load(folder.write("s.toml", text), environ, key_use="of_unit")


def test_a_credential_of_the_unit_is_a_warning_outside_of_it(folder: Folder) -> None:
    settings = check(folder, IN_UNIT)
    (warning,) = settings.warnings
    wrong = f"{UNIT} exists only in its systemd unit: the key was not checked"
    assert said(warning)[:4] == ("s.toml", 5, "api.key_file", wrong)
    assert settings.api.key.get_secret_value() == ""


@pytest.mark.parametrize(
    ("file", "environ"),
    [
        (UNIT, {"CREDENTIALS_DIRECTORY": "/run/credentials/sip-stager.service"}),
        ("/run/credentials/../secrets/key", {}),
        ("/run/secrets/key", {}),
        ("key", {}),
    ],
)
def test_any_other_missing_key_is_a_mistake_of_check_too(
    folder: Folder, file: str, environ: dict[str, str]
) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        check(folder, IN_UNIT.replace(UNIT, file), **environ)
    with pytest.raises(SettingsError, match="is not set"):
        check(folder, RIGHT)


def test_the_program_itself_needs_the_key_of_the_unit(folder: Folder) -> None:
    (mistake,) = folder.mistakes(IN_UNIT)
    assert mistake.key == "api.key_file"


@pytest.mark.parametrize("text", [RIGHT, IN_UNIT, IN_FILE])
def test_without_the_key_the_other_settings_are_checked(folder: Folder, text: str) -> None:
    path = folder.write("s.toml", text)
    settings = load(path, {}, key_use="unused")
    assert (settings.warnings, settings.api.key.get_secret_value()) == ((), "")
    path.write_text(text.replace('mode = "sync"', 'mode = "soon"'))
    with pytest.raises(SettingsError, match=r"api\.mode"):
        load(path, {}, key_use="unused")
