"""The real proxy between built-in callers, agents and API, on loopback sockets."""

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

# Whatever its address: a softphone binds to any of the machine's, and nobody else reaches loopback.
_THIS_MACHINE = IPv4Network("0.0.0.0/0")
_BELOW_EPHEMERAL = range(12000, 32000)
_steps = count(os.getpid() * 16)


@dataclass(frozen=True, slots=True)
class Ports:
    """Free ports of 127.0.0.1."""

    sip: int
    http: int


class Site:
    """Everybody who takes part in the calls of a chapter (``async with`` starts and stops them).

    ``observers`` handle the events of the proxy.  ``callers`` are the carrier's addresses.
    """

    def __init__(self, chapter: Chapter, observers: Sequence[Handlers]) -> None:
        self.ports = Ports(_free_port(), _free_port())
        self.api = FakeApi()
        self.agent = Agent("agent", chapter.rings, chapter.talks)
        self.standby = Agent("agent", chapter.rings, chapter.talks)
        self.queue = Agent("queue", chapter.rings, chapter.talks, warms=0.0)
        self.callers = {host: Caller(self.ports.sip, host) for host in (HOST, SECOND_ADDRESS)}
        self._chapter = chapter
        recovery: Handlers = {StagingRetried: self._recover}
        self._observers = (*observers, recovery)
        self._recovering = {scene.called for scene in chapter.scenes if scene.recovers}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.api)
            for endpoint in (self.agent, self.standby, self.queue, *self.callers.values()):
                await stack.enter_async_context(endpoint)
            for scene in self._chapter.scenes:
                self.set_stage(scene)
            application = Application(self._settings(), self._observers)
            stack.push_async_callback(application.stop)
            await application.start()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def set_stage(self, scene: Scene) -> None:
        """Have the API and the agent take a scene's calls as it says."""
        if scene.behaviour is not None:
            self.api.behaviours[scene.called] = scene.behaviour
        self.api.behaviours.update(scene.agents)
        if scene.first:
            getattr(self.agent, scene.first).add(scene.called)

    async def restart_api(self) -> None:
        """Serve again, where it was."""
        await self.api.serve(HOST, int(self.api.url.rpartition(":")[2]))

    def settings_of(self, scene: Scene) -> dict[str, Any]:
        """Give what [[numbers]] has for a scene beside a number and its only agent."""
        prefix = {"number": scene.number} if scene.dialled else {}
        text = json.dumps({**prefix, **scene.settings})
        hour = datetime.now(ZoneInfo(ZONE)).hour
        for name, meant in (
            (QUEUE_URI, self.queue.uri),
            (NOW, _two_hours(hour)),
            (LATER, _two_hours(hour + 4)),
        ):
            text = text.replace(name, meant)
        settings: dict[str, Any] = json.loads(text)
        return settings

    def upstream_of(self, chapter: Chapter) -> dict[str, Any]:
        """Give what [upstream] has for a chapter beside the platform's first address."""
        backups = {"backups": [_address(self.standby)]} if chapter.upstream else {}
        return {**backups, **chapter.upstream}

    def _recover(self, event: StagingRetried) -> None:
        """Make the API work again for the call that tries again."""
        if event.call.to_number in self._recovering:
            self.api.behaviours[event.call.to_number] = Behaviour()

    def _settings(self) -> Settings:
        """Make what a file would hold; `sip-stager example` explains it."""
        sip = self.ports.sip
        return Settings(
            listeners=(
                Listener(transport="udp", address=HOST, port=sip),
                Listener(transport="tcp", address=HOST, port=sip),
            ),
            api=Api(base_url=self.api.url, key=SecretStr(self.api.key), **dict(self._chapter.api)),
            upstream=Upstream.model_validate(
                {"uri": _address(self.agent), **self.upstream_of(self._chapter)}
            ),
            trunks=(Trunk(name="demo", networks=(_THIS_MACHINE,), country="FR"),),
            numbers=tuple(map(self._number, self._chapter.scenes)),
            http=Http(address=HOST, port=self.ports.http),
            limits=Limits(drain_timeout=0.0),
        )

    def _number(self, scene: Scene) -> Number:
        settings = self.settings_of(scene)
        answered = {} if "agents" in settings else {"agent": AGENT}
        return Number.model_validate({"number": scene.number, **answered, **settings})


def _address(agent: Agent) -> str:
    return f"sip:{HOST}:{agent.port};transport=udp"


def _two_hours(hour: int) -> str:
    return f"{hour % 24:02}:00-{(hour + 2) % 24:02}:00"


def _free_port() -> int:
    """Find a port that is free for UDP and TCP, and that nobody takes meanwhile.

    It is none that outgoing connections get, and each process looks elsewhere: demos are played
    side by side.
    """
    while True:
        port = _BELOW_EPHEMERAL[next(_steps) % len(_BELOW_EPHEMERAL)]
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
            suppress(OSError),
        ):
            stream.bind((HOST, port))
            datagrams.bind((HOST, port))
            return port
