"""The bytecodes of staging one call: ``python -m bench.staging``.

The API is the built-in fake in a process of its own; counted is all that Python executes here for
one call whose agent is ready at once, on a kept connection: ``staging``, ``platform``,
``http_client`` and what they use of Python's library.  C code is not counted, the parser and the
event loop among it.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import typer
import uvloop
from pydantic import SecretStr
from rich.console import Console

from bench.whole_call import bytecodes
from sip_stager.model.call import Call, Forward
from sip_stager.platform.api import RoundedApi
from sip_stager.staging.stager import ApiStager
from tests.interop.fake_api import KEY, FakeApiProcess
from tests.interop.program import AGENT, NUMBER

if TYPE_CHECKING:
    from sip_stager.model.call import Decision

Mode = Literal["sync", "async"]
_CALL = Call("bench-1", "sipp", "+33670000001", NUMBER, AGENT, deadline=60.0)
_WARM_UP = 5  # calls; the first one connects
_CALLS = 20


class _Staging:
    """A stager whose calls are staged one after another."""

    def __init__(self, url: str, mode: Mode) -> None:
        self.api = RoundedApi(url, SecretStr(KEY))
        self._stager = ApiStager(self.api, lambda _: None, mode=mode, poll_interval_min=0.01)

    def stage(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stage one call."""
        decided: asyncio.Future[Decision] = loop.create_future()
        self._stager.start_staging(_CALL, decided.set_result)
        assert isinstance(loop.run_until_complete(decided), Forward)


def _wait(loop: asyncio.AbstractEventLoop) -> None:
    """Do the same as ``stage`` without a staging."""
    decided: asyncio.Future[Decision] = loop.create_future()
    loop.call_soon(decided.set_result, Forward("call"))
    assert isinstance(loop.run_until_complete(decided), Forward)


async def _make(url: str, mode: Mode) -> _Staging:
    return _Staging(url, mode)


def count(mode: Mode) -> float:
    """Return the bytecodes of one call."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        api = FakeApiProcess(Path(directory))
        stack.callback(api.stop)
        api.wait_ready()
        runner = stack.enter_context(asyncio.Runner(loop_factory=uvloop.new_event_loop))
        staging = runner.run(_make(api.url, mode))
        loop = runner.get_loop()
        for _ in range(_WARM_UP):
            staging.stage(loop)
        counted = sum(bytecodes(lambda: staging.stage(loop)) for _ in range(_CALLS))
        of_the_loop = sum(bytecodes(lambda: _wait(loop)) for _ in range(_CALLS))
        runner.run(staging.api.aclose())
        return (counted - of_the_loop) / _CALLS


def main() -> None:
    """Print the bytecodes of one call in each mode."""
    for mode in get_args(Mode):
        Console().print(f"{mode}: {count(mode):.0f} bytecodes for one call")


if __name__ == "__main__":
    typer.run(main)
