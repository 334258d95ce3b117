"""What one test needs: the API, the program, a callee, callers; all of it ends with the test."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tests.interop.fake_api import KEY, FakeApiProcess
from tests.interop.kamailio import Kamailio
from tests.interop.lossy_relay import LossyRelay
from tests.interop.ports import free_port
from tests.interop.processes import Child
from tests.interop.program import NUMBER, Program, ProgramSettings
from tests.interop.script import HERE, scenario
from tests.interop.sipp import SCENARIOS, Sipp

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.interop.fake_api import Behaviours

_LAST = 20_000  # characters of a log that are worth reading in a report
_NEWEST = 12  # logs: tests that share a scene leave theirs behind
_Child = TypeVar("_Child", bound=Child)


class Scene:
    """Starts processes that write into ``directory``, and stops them when it is left."""

    api: FakeApiProcess
    program: Program

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._children = ExitStack()
        self._peers = self._children.enter_context(ExitStack())
        self._settings = ProgramSettings("", upstream_port=free_port())
        self._callee_ports = [self._settings.upstream_port, free_port()]
        self._ahead = ""  # the host and port that callers send to in the program's place
        self._scripts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._children.close()

    def end_peers(self) -> None:
        """Stop callers and callees that are left, and give the ports back to the next test."""
        self._peers.close()

    @property
    def upstream(self) -> tuple[str, int]:
        """The address and the port that calls are forwarded to."""
        return self._settings.address, self._settings.upstream_port

    @property
    def second(self) -> str:
        """The host and port of the second callee, for settings that name them."""
        return f"{self._settings.address}:{self._callee_ports[1]}"

    def start(
        self,
        *,
        key: str = KEY,
        api: dict[str, object] | None = None,
        behaviours: Behaviours | None = None,
        staging: dict[str, object] | None = None,
        listed: dict[str, str | None] | None = None,
        redirected: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        """Start the API and the program.

        ``api`` has fields of the default ``Behaviour``, ``behaviours`` others by agent id or
        dialled number; ``listed`` and ``redirected`` are the API's list of numbers.  ``settings``
        are fields of ``ProgramSettings``, and ``staging`` more keys of its table ``[api]``.
        """
        self.api = self._stopped_at_end(
            FakeApiProcess(self._directory, key, behaviours, **(api or {}))
        )
        self.api.wait_ready()
        self.api.list_numbers(listed or {}, *redirected)
        self._settings = replace(
            self._settings, api_url=self.api.url, api=staging or {}, **settings
        )
        self._start_program()

    def put_kamailio_behind(self, *, password: str = "", fork: bool = False) -> None:
        """Let Kamailio be the upstream of the program that is about to start."""
        self._callee_ports = [free_port(), free_port()]
        second = self._callee_ports[1] if fork else 0
        self._start_kamailio(
            self._callee_ports[0], port=self._settings.upstream_port, fork=second, password=password
        )

    def put_relay_behind(self, **options: Any) -> LossyRelay:
        """Let what goes between the program that is about to start and its upstream be lossy."""
        self._callee_ports = [free_port()]
        relay = LossyRelay(self._callee_ports[0], port=self._settings.upstream_port, **options)
        return self._children.enter_context(relay)

    def put_relay_ahead(self, **options: Any) -> LossyRelay:
        """Let what goes between the program that has started and the trunk be lossy."""
        relay = self._children.enter_context(LossyRelay(self.program.port, **options))
        self._ahead = relay.near
        return relay

    def put_kamailio_ahead(self, *, again: int = 0) -> None:
        """Let Kamailio be the trunk's proxy, ahead of the program that has started."""
        kamailio = self._start_kamailio(self.program.port, again=again)
        self._ahead = f"127.0.0.1:{kamailio.port}"

    def restart_program(self, *, gently: bool = False) -> None:
        """End the program, as a power cut would or as a user does; start it on the same port."""
        if gently:
            self.program.stop()
        else:
            self.program.kill()
        self._start_program(self.program.port)

    def callee(
        self,
        script: str,
        *,
        hold: int = 0,
        which: int = 0,
        transport: str = "",
        contact: str = HERE,
        calls: int = 1,
        scenarios: Path = SCENARIOS,
    ) -> Sipp:
        """Start SIPp as the upstream; ``hold`` is the length of its pause in milliseconds.

        ``script`` is one (``script.py``), or the name of a file in ``scenarios``; ``which`` counts
        the callees: the first takes what goes upstream, the second is ``second``, or a fork's.
        """
        name, scenarios = self._written(script, contact, scenarios)
        callee = Sipp(
            name,
            self._directory,
            address=self._settings.upstream_address or self._settings.address,
            port=self._callee_ports[which],
            transport=transport or self._settings.upstream_transport or "udp",
            options=("-d", str(hold)),
            scenarios=scenarios,
            calls=calls,
        )
        self._peers.callback(callee.stop)
        callee.wait_bound()
        return callee

    def caller(
        self,
        script: str,
        *,
        number: str = NUMBER,
        source: str = "",
        transport: str = "udp",
        hold: int = 0,
        contact: str = HERE,
        calls: int = 1,
        scenarios: Path = SCENARIOS,
        options: tuple[str, ...] = (),
        **words: str,
    ) -> Sipp:
        """Start SIPp as the trunk: calls to ``number`` from the address ``source``."""
        name, scenarios = self._written(script, contact, scenarios)
        caller = Sipp(
            name,
            self._directory,
            address=source or self._settings.address,
            port=free_port(),
            transport=transport,
            options=(self._ahead or self.program.target, "-s", number, "-d", str(hold), *options),
            words=words,
            scenarios=scenarios,
            calls=calls,
        )
        self._peers.callback(caller.stop)
        return caller

    def evidence(self) -> Iterator[tuple[str, str]]:
        """Yield the name and the end of each log that the last processes have written."""
        logs = [each for each in self._directory.glob("*.log") if each.stat().st_size]
        for path in sorted(logs, key=lambda path: path.stat().st_mtime)[-_NEWEST:]:
            if not path.name.endswith(".screen.log"):
                yield path.name, path.read_text(errors="backslashreplace")[-_LAST:]

    def _start_program(self, port: int = 0) -> None:
        self.program = self._stopped_at_end(Program(self._settings, self._directory, port=port))
        self.program.wait_ready()

    def _start_kamailio(self, following: int, **options: Any) -> Kamailio:
        kamailio = self._stopped_at_end(Kamailio(self._directory, following, **options))
        kamailio.wait_ready()
        return kamailio

    def _written(self, script: str, contact: str, scenarios: Path) -> tuple[str, Path]:
        """Return the name and the folder of a scenario, once it is a file."""
        if script.islower():
            return script, scenarios
        self._scripts += 1
        name, folder = f"script-{self._scripts}", self._directory / "scripts"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.xml").write_text(
            scenario(script, contact, round(1000 * self._settings.t1))
        )
        return name, folder

    def _stopped_at_end(self, child: _Child) -> _Child:
        self._children.callback(child.stop)
        return child
