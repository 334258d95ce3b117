"""The limit of open files is compared with the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.cli import open_files
from sip_stager.cli.open_files import raise_open_file_limit
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
    return raise_open_file_limit(Folder(directory).load(text, ROUNDED_API_KEY=KEY))


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
    (warning,) = raise_open_file_limit(Folder(tmp_path).load(text, ROUNDED_API_KEY=KEY))
    assert "aftercare_connections = 500" in warning


@pytest.mark.parametrize("connections", [4, 50])
def test_a_high_enough_limit_is_no_warning(tmp_path: Path, connections: int) -> None:
    assert warnings(tmp_path, connections) == ()
