from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tools import trace_invite

if TYPE_CHECKING:
    import pytest


def test_an_invite_is_traced_from_datagram_to_datagram(capsys: pytest.CaptureFixture[str]) -> None:
    assert trace_invite.main(["--calls"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("transport/")
    (files,) = re.findall(r"^files entered +(\d+)$", printed, re.MULTILINE)
    (calls,) = re.findall(r"^calls +(\d+)$", printed, re.MULTILINE)
    assert 20 < int(files) < int(calls)
    for room in ("transport", "transaction", "proxy", "trunks", "staging", "platform"):
        assert re.search(rf"^{room} +\d+ +\d+$", printed, re.MULTILINE)
