"""The keys of the seal: in a file, in the state directory of the unit, or made from the API key."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from sip_stager.assembly.core import make_seal
from sip_stager.config import load
from sip_stager.config.errors import SettingsError
from sip_stager.config.loading.seal_keys import create_key, find_seal_keys, state_file
from tests.config.settings_folder import KEY, RIGHT, Folder
from tests.proxy.test_seal import route
from tests.support.messages import request

if TYPE_CHECKING:
    from pathlib import Path

    from sip_stager.config import Settings

OLD, NEW = "0123456789abcdef" * 2, "fedcba9876543210" * 2


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def with_file(folder: Folder, text: str, name: str = "seal.key", key: str = KEY) -> Settings:
    (folder.path / name).write_text(text)
    (folder.path / name).chmod(0o600)
    return folder.load(f'{RIGHT}\n[seal]\nkey_file = "{name}"\n', ROUNDED_API_KEY=key)


def outlives(before: Settings, after: Settings) -> bool:
    """Return True if a call that began before a restart still has its seal afterwards."""
    made = route(make_seal(before).seal_for(request(), "carrier"))
    return make_seal(after).is_valid(made, request("BYE", to_tag="bob"))


def test_a_new_api_key_ends_no_call_if_the_seal_has_a_key(folder: Folder) -> None:
    before, after = with_file(folder, OLD), with_file(folder, OLD, key="another-api-key")
    assert before.has_seal_key
    assert outlives(before, after)


def test_without_a_key_of_its_own_the_seal_depends_on_the_api_key(folder: Folder) -> None:
    before = folder.load(RIGHT, ROUNDED_API_KEY=KEY)
    assert not before.has_seal_key
    assert outlives(before, folder.load(RIGHT, ROUNDED_API_KEY=KEY))
    assert not outlives(before, folder.load(RIGHT, ROUNDED_API_KEY="another-api-key"))


def test_a_key_is_changed_without_ending_a_call(folder: Folder) -> None:
    before = with_file(folder, f"{OLD}\n")
    both = with_file(folder, f"{NEW}\n{OLD}\n")
    assert outlives(before, both)
    assert outlives(both, with_file(folder, f"{NEW}\n"))
    assert not outlives(before, with_file(folder, f"{NEW}\n"))


@pytest.mark.parametrize("text", ["", "\n", "short", f"{OLD}\nshort"])
def test_a_short_key_is_a_mistake(folder: Folder, text: str) -> None:
    with pytest.raises(SettingsError) as raised:
        with_file(folder, text)
    [mistake] = raised.value.mistakes
    assert mistake.key == "seal.key_file" or "key_file" in mistake.key
    assert "32 characters" in mistake.wrong
    assert "openssl" in mistake.right


def test_a_key_in_the_place_of_its_file_is_not_shown(folder: Folder) -> None:
    with pytest.raises(SettingsError) as raised:
        folder.load(f'{RIGHT}\n[seal]\nkey_file = "{OLD}"\n', ROUNDED_API_KEY=KEY)
    assert OLD not in str(raised.value)
    assert all(OLD not in mistake.wrong + mistake.right for mistake in raised.value.mistakes)


def test_a_file_that_others_can_read_is_a_warning(folder: Folder) -> None:
    with_file(folder, OLD)
    (folder.path / "seal.key").chmod(0o644)
    settings = folder.load(f'{RIGHT}\n[seal]\nkey_file = "seal.key"\n', ROUNDED_API_KEY=KEY)
    assert any("other users can read" in warning.wrong for warning in settings.warnings)


def test_no_representation_of_the_settings_holds_a_key(folder: Folder) -> None:
    settings = with_file(folder, f"{NEW}\n{OLD}\n")
    shown = repr(settings) + str(settings) + repr(settings.seal_keys)
    assert OLD not in shown
    assert NEW not in shown


def test_the_state_directory_keeps_one_key(tmp_path: Path) -> None:
    environ = {"STATE_DIRECTORY": f"{tmp_path}:/var/lib/other"}
    create_key(environ)
    path = tmp_path / "seal.key"
    assert state_file(environ) == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    made = path.read_text()
    create_key(environ)
    assert path.read_text() == made
    assert [file.name for file in tmp_path.iterdir()] == ["seal.key"]
    [key] = find_seal_keys({}, tmp_path, environ, "needed").keys
    assert key.get_secret_value() == made.strip()
    assert len(made.strip()) == 64


def test_two_installations_have_different_keys(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        create_key({"STATE_DIRECTORY": str(tmp_path / name)})
    assert (tmp_path / "a/seal.key").read_text() != (tmp_path / "b/seal.key").read_text()


@pytest.mark.parametrize("directory", ["", "/nowhere/at/all"])
def test_without_a_place_that_persists_there_is_no_key(tmp_path: Path, directory: str) -> None:
    environ = {"STATE_DIRECTORY": directory}
    create_key(environ)
    assert find_seal_keys({}, tmp_path, environ, "needed") == ((), (), ())


def test_the_file_of_the_settings_goes_before_the_state_directory(folder: Folder) -> None:
    environ = {"STATE_DIRECTORY": str(folder.path), "ROUNDED_API_KEY": KEY}
    (folder.path / "given").write_text(NEW)
    create_key(environ)
    text = f'{RIGHT}\n[seal]\nkey_file = "given"\n'
    (folder.path / "s.toml").write_text(text)
    [key] = load(folder.path / "s.toml", environ).seal_keys
    assert key.get_secret_value() == NEW


def test_a_credential_of_the_unit_is_not_checked_outside_of_it(folder: Folder) -> None:
    path = "/run/credentials/sip-stager.service/seal-key"
    document = {"seal": {"key_file": path}}
    [warning] = find_seal_keys(document, folder.path, {}, "of_unit").warnings
    assert "exists only in its systemd unit" in warning.wrong
    assert find_seal_keys({"seal": {"key_file": path}}, folder.path, {}, "needed").mistakes
    assert find_seal_keys({"seal": {"key_file": path}}, folder.path, {}, "unused") == ((), (), ())
