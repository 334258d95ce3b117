"""Connections are made to fit into the limit of open files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.cli import open_files
from sip_stager.cli.open_files import fit_open_files
from tests.config.settings_folder import KEY, RIGHT, Folder

if TYPE_CHECKING:
    from pathlib import Path


TCP = '[[listeners]]\ntransport = "tcp"\naddress = "127.0.0.1"\n'


def warnings(directory: Path, connections: int, peers: int | None = 1) -> tuple[str, ...]:
    """Return the warnings for a number of connections to the API and of peers.

    ``peers`` is None if there is no TCP listener.
    """
    text = RIGHT.replace("[api]\n", f"[api]\nconnections = {connections}\n")
    text = f"{text}[limits]\nconnections = {peers}\n{TCP}" if peers else text
    return fit_open_files(Folder(directory).load(text, ROUNDED_API_KEY=KEY))[1]


def test_a_limit_of_open_files_that_is_too_low_is_a_warning(tmp_path: Path) -> None:
    (warning,) = warnings(tmp_path, 10**12)
    assert "[api] connections = 1000000000000" in warning
    assert "raise LimitNOFILE= of the unit (ulimit -n), or configure fewer connections" in warning


def test_connections_of_peers_count_only_with_a_tcp_listener(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_files, "_allowed", lambda: 512)
    (warning,) = warnings(tmp_path, 50, peers=400)
    assert "[limits] connections = 400 each way" in warning
    assert warnings(tmp_path, 50, peers=None) == ()


def test_aftercare_connections_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_files, "_allowed", lambda: 512)
    after = "[api]\nlabel = true\naftercare_connections = 500\n"
    text = RIGHT.replace("[api]\n", after)
    _, (warning,) = fit_open_files(Folder(tmp_path).load(text, ROUNDED_API_KEY=KEY))
    assert "aftercare_connections = 500" in warning


@pytest.mark.parametrize("connections", [4, 50])
def test_a_high_enough_limit_is_no_warning(tmp_path: Path, connections: int) -> None:
    assert warnings(tmp_path, connections) == ()


@pytest.mark.parametrize("allowed", [0, 200, 512, 1000])
def test_connections_are_lowered_until_they_leave_files_for_the_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    """A program without a file left cannot answer /healthz, and would be ended with its calls."""
    monkeypatch.setattr(open_files, "_allowed", lambda: allowed)
    text = RIGHT.replace("[api]\n", "[api]\nconnections = 1000\nwarm_connections = 900\n")
    loaded = Folder(tmp_path).load(f"{text}[limits]\nconnections = 200\n{TCP}", ROUNDED_API_KEY=KEY)
    settings, (warning,) = fit_open_files(loaded)
    api, limits = settings.api, settings.limits
    used = api.connections + api.aftercare_connections + 2 * limits.connections
    assert used + 128 <= max(allowed, 128 + 4)  # one of each at least
    assert 1 <= api.warm_connections <= api.connections
    assert f"lowered ([api] connections = {api.connections}, aftercare" in warning
    assert settings.model_copy(update={"api": loaded.api, "limits": loaded.limits}) == loaded


def test_connections_that_fit_are_left_as_they_are(tmp_path: Path) -> None:
    loaded = Folder(tmp_path).load(RIGHT, ROUNDED_API_KEY=KEY)
    assert fit_open_files(loaded) == (loaded, ())
