"""What one test needs: the API, the program, a callee, callers; all of it ends with the test."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tests.interop.fake_api import KEY, FakeApiProcess
from tests.interop.ports import free_port
from tests.interop.processes import Child
from tests.interop.program import NUMBER, Edge, Program
from tests.interop.sipp import Sipp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LAST = 20_000  # characters of a log that are worth reading in a report
_Child = TypeVar("_Child", bound=Child)


class Scene:
    """Starts processes that write into ``directory``, and stops them when it is left."""

    api: FakeApiProcess
    program: Program

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._children = ExitStack()
        self._edge = Edge("", upstream_port=free_port())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._children.close()

    @property
    def upstream(self) -> tuple[str, int]:
        """The address and the port that calls are forwarded to."""
        return self._edge.address, self._edge.upstream_port

    def start(self, *, key: str = KEY, api: dict[str, object] | None = None, **edge: Any) -> None:
        """Start the API with these fields of ``Behaviour``, the program with these of ``Edge``."""
        self.api = self._stopped_at_end(FakeApiProcess(self._directory, key, **(api or {})))
        self.api.wait_ready()
        self._edge = replace(self._edge, api_url=self.api.url, **edge)
        self._start_program()

    def restart_program(self) -> None:
        """End the program as a power cut would, and start it again on the same port."""
        self.program.kill()
        self._start_program(self.program.port)

    def callee(self, scenario: str, *, hold: int = 0) -> Sipp:
        """Start SIPp as the upstream; ``hold`` is the length of its pause in milliseconds."""
        callee = Sipp(
            scenario,
            self._directory,
            address=self._edge.address,
            port=self._edge.upstream_port,
            transport=self._edge.upstream_transport,
            options=("-d", str(hold)),
        )
        self._stopped_at_end(callee).wait_bound()
        return callee

    def caller(
        self,
        scenario: str,
        *,
        number: str = NUMBER,
        source: str = "",
        transport: str = "udp",
        hold: int = 0,
        **words: str,
    ) -> Sipp:
        """Start SIPp as the trunk: one call to ``number`` from the address ``source``."""
        caller = Sipp(
            scenario,
            self._directory,
            address=source or self._edge.address,
            port=free_port(),
            transport=transport,
            options=(self.program.target, "-s", number, "-d", str(hold)),
            words=words,
        )
        return self._stopped_at_end(caller)

    def evidence(self) -> Iterator[tuple[str, str]]:
        """Yield the name and the end of each log that the processes have written."""
        for path in sorted(self._directory.glob("*.log")):
            if not path.name.endswith(".screen.log") and path.stat().st_size:
                yield path.name, path.read_text(errors="backslashreplace")[-_LAST:]

    def _start_program(self, port: int = 0) -> None:
        self.program = self._stopped_at_end(Program(self._edge, self._directory, port=port))
        self.program.wait_ready()

    def _stopped_at_end(self, child: _Child) -> _Child:
        self._children.callback(child.stop)
        return child
