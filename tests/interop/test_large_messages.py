"""A trunk that floods the program with huge INVITEs: memory is limited, other trunks still call."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from sip_stager.sip.message import Request, Response
from sip_stager.sip.parser import parse
from soak.program import MonitoredProgram
from tests.interop.fake_api import FakeApiProcess
from tests.interop.program import AGENT, ProgramSettings
from tests.support.messages import request

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.interop

MIB = 1024 * 1024
BOUND = 80 * MIB
FLOOD = 2_500
"""INVITEs of 60 KB: 143 MiB, all held while a slow API stages them."""
QUICK = "+33612345679"
RECEIVE_TIMEOUT = 20.0  # seconds


class Peer:
    """A datagram socket of a trunk, or of the upstream."""

    def __init__(self, host: str, port: int, children: ExitStack) -> None:
        self.socket = children.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.socket.bind((host, 0))
        self.socket.settimeout(RECEIVE_TIMEOUT)
        self.host, self.port = self.socket.getsockname()
        self._target = ("127.0.0.1", port)

    def invite(self, number: int, called: str, body: int) -> None:
        """Send one of many INVITEs, with a body of ``body`` bytes."""
        via = f"SIP/2.0/UDP {self.host}:{self.port}"
        uri, branch = f"sip:{called}@127.0.0.1", f"z9hG4bK-{number}-{self.port}"
        invite = bytes(request(uri=uri, branch=branch, via=via, body="x" * body))
        self.socket.sendto(invite.replace(b"call-1@", b"call-%d@" % number), self._target)

    def next(self) -> Request | Response:
        return parse(self.socket.recv(65535))

    def answered(self, number: int) -> int:
        """Return the status of the first response to a call."""
        while True:
            answer = self.next()
            assert isinstance(answer, Response)
            if answer.call_id == b"call-%d@192.0.2.1" % number:
                return answer.status


def test_a_flood_of_huge_invites_takes_no_more_memory_than_its_limit(tmp_path: Path) -> None:
    """Beyond the RFCs: a flood of huge INVITEs takes no more memory than its limit, and another
    trunk can still call.
    """
    with ExitStack() as children:
        api = FakeApiProcess(tmp_path, behaviours={QUICK: {}}, delay=50)
        children.callback(api.stop)
        api.wait_ready()
        upstream = Peer("127.0.0.1", 0, children)
        tables: list[tuple[str, dict[str, object]]] = [
            ("[[trunks]]", {"name": "flooding", "networks": ["127.0.0.2/32"]}),
            ("[[numbers]]", {"number": QUICK, "agent": AGENT}),
        ]
        limits: dict[str, object] = {"message_bytes": BOUND}
        settings = ProgramSettings(
            api.url, upstream.port, deadline=50.0, log_level="info", tables=tables, limits=limits
        )
        program = MonitoredProgram(settings, tmp_path)
        children.callback(program.kill)
        program.wait_ready()
        flooding = Peer("127.0.0.2", program.port, children)
        before = program.resident
        statuses = []
        for number in range(FLOOD):
            flooding.invite(number, "+33612345678", 59_500)
            statuses.append(flooding.answered(number))
        taken = statuses.count(100)
        assert set(statuses[taken:]) == {503}
        assert taken * 59_500 <= program.metric("message_bytes") < BOUND
        assert program.resident - before < BOUND

        other = Peer("127.0.0.1", program.port, children)
        other.invite(FLOOD, QUICK, 1_000)
        assert other.answered(FLOOD) == 100
        staged = upstream.next()
        assert isinstance(staged, Request)
        assert b"x-rounded-call-id" in staged.names
