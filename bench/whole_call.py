"""One whole call through the core, measured step by step; ``core.py`` runs this as a program.

The messages are those of the load (``scenarios``), without sockets, API and event loop.  What
remains is the work of the core, the metrics and the log.  The garbage collector is off, as it is
in the program while calls are up.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from time import thread_time
from typing import TYPE_CHECKING, Any

from sip_stager.assembly.core import make_core
from sip_stager.assembly.trunks import make_mapping
from sip_stager.config import load
from sip_stager.model.call import Forward
from sip_stager.model.flow import Flow
from sip_stager.observability.dispatcher import Dispatcher
from sip_stager.observability.event_log import EventLog
from sip_stager.observability.log_writer import LogWriter
from sip_stager.observability.logs import set_up
from sip_stager.observability.metrics import Metrics
from tests.interop.program import NUMBER, ProgramSettings
from tests.observability.sample_events import GAUGE_SOURCES
from tests.support.fakes import FakeClock, FakeResolver

if TYPE_CHECKING:
    from types import FrameType

    from sip_stager.model.call import Call, Decision

CALLER = Flow("UDP", "127.0.0.1", 5070)
CALLEE = Flow("UDP", "127.0.0.1", 5080)
RATE = 200
"""Calls per second of the core's clock; it determines how many transactions are alive."""
Measure = Callable[[Callable[[], None]], float]
"""A function that runs a step and returns what it cost."""
STEPS = ("INVITE", "staged", "100", "180", "200", "ACK", "BYE", "200 of BYE", "timers")

_REQUEST = """\
{method} sip:{user} SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-{ordinal}-{method};rport
{route}Call-ID: {ordinal}-4711@127.0.0.1
Max-Forwards: 70
From: <sip:+3367{ordinal:07}@127.0.0.1>;tag=alice-{ordinal}
To: <sip:{number}@127.0.0.1:5060>{to_tag}
CSeq: {cseq} {of_cseq}
"""
_OFFER = """\
Contact: <sip:alice@127.0.0.1:5070>
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE
Supported: timer
Session-Expires: 1800
User-Agent: SIPp
P-Asserted-Identity: <sip:+3367{ordinal:07}@127.0.0.1>
Content-Type: application/sdp
"""
_SDP = """\
v=0
o=- 20518 0 IN IP4 192.0.2.10
s=-
c=IN IP4 192.0.2.10
t=0 0
m=audio 4000 RTP/AVP 8 0 101
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=sendrecv
""".replace("\n", "\r\n")
_COPIED = ("via:", "record-route:", "from:", "to:", "call-id:", "cseq:")


class WholeCall:
    """Places calls one after another; the work of the peers is not measured."""

    def __init__(self, directory: Path) -> None:
        file = directory / "settings.toml"
        program = ProgramSettings("http://127.0.0.1:8080", CALLEE.port, log_level="info")
        file.write_text(program.to_toml(5060, 9090))
        settings = load(file, {"ROUNDED_API_KEY": "bench"})
        logger = set_up(LogWriter(os.open(os.devnull, os.O_WRONLY)), settings.log.level)
        metrics = Metrics(GAUGE_SOURCES, ("sipp",))
        dispatcher = Dispatcher([*EventLog(logger).observers, metrics.handlers])
        self._clock = FakeClock()
        self._sent: list[bytes] = []
        self._staging: Callable[[Decision], None] | None = None
        ports = self._clock, self, FakeResolver(self._clock, {}), self, dispatcher.dispatch
        core = make_core(settings, *ports, metrics.messages, make_mapping(settings))
        self._core = core.layer
        self._placed = 0
        self.waiting = 0

    def place(self, calls: int, measure: Measure) -> list[float]:
        """Place calls and return the average cost of each step."""
        self._measure = measure
        placed = [self._steps() for _ in range(calls)]
        return [sum(step) / calls for step in zip(*placed, strict=True)]

    def _steps(self) -> list[float]:
        self._placed += 1
        invite = self._request("INVITE", 1, offer=True)
        times = [self._arrives(invite, CALLER, 1), self._staged()]
        forwarded = self._sent[-1]
        for status, reason, sdp in (100, "Trying", ""), (180, "Ringing", ""), (200, "OK", _SDP):
            answer = _answer(forwarded, f"{status} {reason}", f"bob-{self._placed}", sdp)
            times.append(self._arrives(answer, CALLEE, int(status > 100)))
        ok = self._sent[-1].decode()
        times.append(self._arrives(self._request("ACK", 1, ok), CALLER, 1))
        times.append(self._arrives(self._request("BYE", 2, ok), CALLER, 1))
        times.append(self._arrives(_answer(self._sent[-1], "200 OK"), CALLEE, 1))
        times.append(self._measured(lambda: self._clock.advance(1 / RATE), 0))
        return times

    def _request(self, method: str, cseq: int, ok: str = "", *, offer: bool = False) -> bytes:
        lines = {line.partition(":")[0].lower(): line for line in ok.split("\r\n")}
        route = lines["record-route"].partition("-")[2] + "\n" if ok else ""
        head = (_REQUEST + (_OFFER if offer else "")).format(
            method=method,
            user="bob@127.0.0.1:5080" if ok else f"{NUMBER}@127.0.0.1:5060",
            ordinal=self._placed,
            route=route,
            number=NUMBER,
            to_tag=f";tag=bob-{self._placed}" if ok else "",
            cseq=cseq,
            of_cseq=method,
        )
        sdp = _SDP if offer else ""
        return f"{head}Content-Length: {len(sdp)}\n\n".replace("\n", "\r\n").encode() + sdp.encode()

    def _arrives(self, data: bytes, source: Flow, answers: int) -> float:
        return self._measured(lambda: self._core.receive_message(data, source), answers)

    def _staged(self) -> float:
        done, self._staging = self._staging, None
        assert done is not None, "the call is not being staged"
        forward = Forward(f"call-{self._placed}", self._clock.time())
        return self._measured(lambda: done(forward), 1)

    def _measured(self, step: Callable[[], None], sends: int) -> float:
        self._sent.clear()
        measured = self._measure(step)
        assert len(self._sent) == sends, self._sent
        return measured

    # The ports: this object is both transport and stager.

    def send(self, data: bytes, flow: Flow, failed: Callable[[str], None] | None = None) -> None:
        """Store a sent message."""
        self._sent.append(data)

    def is_connected(self, host: str, port: int) -> bool:
        """Return that no connection is open."""
        return False

    def waiting_of(self, _: str) -> int:
        return 0

    def can_reuse(self, call: Call) -> bool:
        """Return that no call can be reused."""
        return False

    def start_staging(self, call: Call, done: Callable[[Decision], None]) -> WholeCall:
        """Store the callback, which the next step calls."""
        self._staging = done
        return self

    def cancel(self) -> None:
        """Do nothing: no caller hangs up."""

    def return_unused(self, call: Call, forward: Forward) -> None:
        """Do nothing: every call is answered."""


def seconds(step: Callable[[], None]) -> float:
    """Return the CPU seconds of a step."""
    started = thread_time()
    step()
    return thread_time() - started


def bytecodes(step: Callable[[], None]) -> float:
    """Return the bytecodes executed in a step, a figure that no other program disturbs."""
    executed = count()
    if sys.version_info >= (3, 12):
        # A trace function would miss the start of each function that is traced the first time.
        events, tool = sys.monitoring.events, sys.monitoring.PROFILER_ID
        sys.monitoring.use_tool_id(tool, "bytecodes")
        sys.monitoring.register_callback(tool, events.INSTRUCTION, lambda *_: next(executed))
        sys.monitoring.set_events(tool, events.INSTRUCTION)
        try:
            step()
        finally:
            sys.monitoring.set_events(tool, events.NO_EVENTS)
            sys.monitoring.free_tool_id(tool)
        return next(executed)

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            next(executed)
        return trace

    traced = sys.gettrace()  # by a measurement of coverage, which goes on afterwards
    sys.settrace(trace)
    try:
        step()
    finally:
        sys.settrace(traced)
    return next(executed)


def _answer(request: bytes, status: str, tag: str = "", sdp: str = "") -> bytes:
    """Return the response that the callee of the load would send."""
    header = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    copied = [line for line in header if line.lower().startswith(_COPIED)]
    tagged = f";tag={tag}" if tag else ""
    lines = [f"{line}{tagged}" if line.startswith("To:") else line for line in copied]
    lines.insert(0, f"SIP/2.0 {status}")
    lines += ["Contact: <sip:bob@127.0.0.1:5080>"] if tag else []
    lines += ["Content-Type: application/sdp"] if sdp else []
    return "\r\n".join([*lines, f"Content-Length: {len(sdp)}", "", sdp]).encode()


def main() -> None:
    """Read lines such as "seconds 200" from stdin; print the average cost of each step as JSON."""
    with tempfile.TemporaryDirectory() as directory:
        call = WholeCall(Path(directory))
        gc.collect()
        gc.freeze()
        gc.disable()
        for line in sys.stdin:
            unit, calls = line.split()
            measured = call.place(int(calls), {"seconds": seconds, "bytecodes": bytecodes}[unit])
            print(json.dumps(measured), flush=True)  # noqa: T201  the result for core.py


if __name__ == "__main__":
    main()
