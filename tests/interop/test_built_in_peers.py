"""Peers with their built-in scenarios, unchanged."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.interop.sipp import SIPP
from tests.support.needed import need

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

SIPSAK = shutil.which("sipsak")


def run(*command: str) -> tuple[int, str]:
    """Return the exit code and everything that was printed."""
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
    return ended.returncode, ended.stdout + ended.stderr


def built_in(name: str) -> str:
    """Return a built-in scenario of SIPp."""
    return run(SIPP or "sipp", "-sd", name)[1]


def test_sipps_built_in_scenarios_are_forwarded_except_for_their_bye(
    shared_scene: Scene, tmp_path: Path
) -> None:
    """RFC 3261 16.4: a request of a dialog goes on only with our Route.

    They copy no Record-Route and send no Route, so only the INVITE is forwarded.
    """
    for name in ("uac", "uas"):
        (tmp_path / f"{name}.xml").write_text(built_in(name))
    callee = shared_scene.callee("uas", scenarios=tmp_path)
    caller = shared_scene.caller("uac", scenarios=tmp_path)
    assert caller.wait(20) == 1
    callee.stop()
    (invite,) = callee.received("INVITE")
    assert len(invite.values("X-Rounded-Call-Id")) == 1
    assert not callee.received("ACK")
    assert not callee.received("BYE")
    assert caller.received("180")
    (refusal,) = caller.received("481")
    assert refusal.values("CSeq") == ["2 BYE"]
    assert "Record-Route" in refusal.values("Warning")[0]


def test_sipsaks_ping_is_answered(shared_scene: Scene) -> None:
    """RFC 3261 11: OPTIONS is answered.

    sipsak asks with OPTIONS, without a user, and with a Via that has rport.
    """
    need(SIPSAK, "sipsak is not installed: install the Debian package sipsak")
    code, printed = run(SIPSAK or "sipsak", "-vv", "-s", f"sip:{shared_scene.program.target}")
    assert code == 0, printed
    assert "SIP/2.0 200 OK" in printed
