"""The real proxy between built-in callers, agents and the fake API, on loopback sockets."""

from __future__ import annotations

import json
import os
import socket
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network
from itertools import count
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from sip_stager.app import Application
from sip_stager.config import Api, Http, Limits, Listener, Number, Settings, Trunk, Upstream
from sip_stager.demo.agent import Agent
from sip_stager.demo.caller import Caller
from sip_stager.demo.endpoint import HOST
from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.fake_platform.server import FakeApi
from sip_stager.demo.scene import AGENT, LATER, NOW, QUEUE_URI, SECOND_ADDRESS, ZONE
from sip_stager.events import StagingRetried

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_stager.demo.scene import Chapter, Scene
    from sip_stager.ports import Handlers

# A softphone may send from any address of this machine; other machines cannot reach loopback.
_THIS_MACHINE = IPv4Network("0.0.0.0/0")
_PORT_RANGE = range(12000, 32000)  # below the ephemeral ports of Linux
_port_indices = count(os.getpid() * 16)  # demos that run side by side start at different ports


@dataclass(frozen=True, slots=True)
class Ports:
    """Free ports of 127.0.0.1."""

    sip: int
    http: int


class Participants:
    """All programs that take part in the calls of a chapter (``async with`` starts and stops them).

    ``observers`` handle the events of the proxy; ``callers`` are by the carrier's address.
    """

    def __init__(self, chapter: Chapter, observers: Sequence[Handlers]) -> None:
        self.ports = Ports(_free_port(), _free_port())
        self.api = FakeApi()
        self.agent = Agent("agent", chapter.ring_time, chapter.talk_time)
        self.standby = Agent("agent", chapter.ring_time, chapter.talk_time)
        self.queue = Agent("queue", chapter.ring_time, chapter.talk_time, warm_up_time=0.0)
        self.callers = {host: Caller(self.ports.sip, host) for host in (HOST, SECOND_ADDRESS)}
        self._chapter = chapter
        recovery: Handlers = {StagingRetried: self._repair_api}
        self._observers = (*observers, recovery)
        self._recovering = {scene.called_number for scene in chapter.scenes if scene.recovers}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.api)
            for endpoint in (self.agent, self.standby, self.queue, *self.callers.values()):
                await stack.enter_async_context(endpoint)
            for scene in self._chapter.scenes:
                self.prepare(scene)
            application = Application(self._settings(), self._observers)
            stack.push_async_callback(application.stop)
            await application.start()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def prepare(self, scene: Scene) -> None:
        """Make the API and the first agent behave as a scene asks."""
        if scene.behaviour is not None:
            self.api.behaviours[scene.called_number] = scene.behaviour
        self.api.behaviours.update(scene.agents)
        if scene.first_address:
            getattr(self.agent, scene.first_address).add(scene.called_number)

    async def restart_api(self) -> None:
        """Open the API again on its old port."""
        await self.api.serve(HOST, int(self.api.url.rpartition(":")[2]))

    def number_settings(self, scene: Scene) -> dict[str, Any]:
        """Return the keys of a scene's [[numbers]] entry, without the defaults of the demo."""
        prefix = {"number": scene.number} if scene.dialled else {}
        text = json.dumps({**prefix, **scene.settings})
        hour = datetime.now(ZoneInfo(ZONE)).hour
        for placeholder, value in (
            (QUEUE_URI, self.queue.uri),
            (NOW, _two_hours(hour)),
            (LATER, _two_hours(hour + 4)),
        ):
            text = text.replace(placeholder, value)
        settings: dict[str, Any] = json.loads(text)
        return settings

    def upstream_settings(self, chapter: Chapter) -> dict[str, Any]:
        """Return the keys of a chapter's [upstream] table, without the first address."""
        backups = {"backups": [_address(self.standby)]} if chapter.upstream else {}
        return {**backups, **chapter.upstream}

    def _repair_api(self, event: StagingRetried) -> None:
        """Make the API work for the call that retries, if its scene recovers."""
        if event.call.to_number in self._recovering:
            self.api.behaviours[event.call.to_number] = Behaviour()

    def _settings(self) -> Settings:
        """Return the settings that a file would hold (see `sip-stager example`)."""
        sip = self.ports.sip
        return Settings(
            listeners=(
                Listener(transport="udp", address=HOST, port=sip),
                Listener(transport="tcp", address=HOST, port=sip),
            ),
            api=Api(base_url=self.api.url, key=SecretStr(self.api.key), **dict(self._chapter.api)),
            upstream=Upstream.model_validate(
                {"uri": _address(self.agent), **self.upstream_settings(self._chapter)}
            ),
            trunks=(Trunk(name="demo", networks=(_THIS_MACHINE,), country="FR"),),
            numbers=tuple(map(self._number, self._chapter.scenes)),
            http=Http(address=HOST, port=self.ports.http),
            limits=Limits(drain_timeout=0.0),
        )

    def _number(self, scene: Scene) -> Number:
        settings = self.number_settings(scene)
        default = {} if "agents" in settings else {"agent": AGENT}
        return Number.model_validate({"number": scene.number, **default, **settings})


def _address(agent: Agent) -> str:
    return f"sip:{HOST}:{agent.port};transport=udp"


def _two_hours(hour: int) -> str:
    return f"{hour % 24:02}:00-{(hour + 2) % 24:02}:00"


def _free_port() -> int:
    """Return a port that is free for both UDP and TCP.

    It is bound again later, so it must not be taken in between: it is no ephemeral port, which an
    outgoing connection could get, and each process searches from a different start.
    """
    while True:
        port = _PORT_RANGE[next(_port_indices) % len(_PORT_RANGE)]
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
            suppress(OSError),  # taken: try the next one
        ):
            stream.bind((HOST, port))
            datagrams.bind((HOST, port))
            return port
