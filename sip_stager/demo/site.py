"""The real proxy between a built-in caller, agent and API, on loopback sockets."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Self
from uuid import UUID

from pydantic import SecretStr

from sip_stager.app import Application
from sip_stager.config import Api, Http, Listener, Number, Settings, Trunk, Upstream
from sip_stager.demo.agent import Agent
from sip_stager.demo.api import FakeApi
from sip_stager.demo.caller import Caller
from sip_stager.demo.endpoint import HOST
from sip_stager.demo.scenario import DEADLINE, SCENES
from sip_stager.events import CallRefused, StagingEnded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_stager.events import Event
    from sip_stager.ports import Notify

_AGENT = UUID("411b82c8-462a-4e1b-89bc-10ab3ce1ed29")

# Whatever its address: a softphone binds to any of the machine's, and nobody else reaches loopback.
_THIS_MACHINE = IPv4Network("0.0.0.0/0")


class Witness:
    """Remembers what the proxy reported: the staged id and the cause of a refusal, by Call-ID."""

    def __init__(self) -> None:
        self.given: dict[str, str] = {}
        self.causes: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        """Take an event."""
        match event:
            case StagingEnded():
                self.given[event.call.sip_call_id] = event.call_id
            case CallRefused():
                self.causes[event.sip_call_id] = event.cause


@dataclass(frozen=True, slots=True)
class Ports:
    """Free ports of 127.0.0.1."""

    sip: int
    http: int


class Site:
    """Everybody who takes part in a call (``async with`` starts and stops them).

    ``observers`` are told of every event of the proxy.
    """

    def __init__(self, observers: Sequence[Notify]) -> None:
        self.ports = Ports(_free_port(), _free_port())
        self.api = FakeApi(by={scene.number: scene.behaviour for scene in SCENES})
        self.agent = Agent()
        self.caller = Caller(self.ports.sip)
        self._observers = observers
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for one in (self.api, self.agent, self.caller):
                await stack.enter_async_context(one)
            application = Application(self._settings(), self._observers)
            stack.push_async_callback(application.stop)
            await application.start()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def restart_api(self) -> None:
        """Serve again, where it was."""
        await self.api.serve(HOST, int(self.api.url.rpartition(":")[2]))

    def _settings(self) -> Settings:
        """Make what a file would hold; see config/sip_stager.example.toml."""
        sip = self.ports.sip
        return Settings(
            listeners=(
                Listener(transport="udp", address=HOST, port=sip),
                Listener(transport="tcp", address=HOST, port=sip),
            ),
            api=Api(base_url=self.api.url, key=SecretStr(self.api.key), deadline=DEADLINE),
            upstream=Upstream(uri=f"sip:{HOST}:{self.agent.port};transport=udp"),
            trunks=(Trunk(name="demo", networks=(_THIS_MACHINE,), country="FR"),),
            numbers=tuple(Number(number=scene.number, agent=_AGENT) for scene in SCENES),
            http=Http(address=HOST, port=self.ports.http),
        )


def _free_port() -> int:
    """Find a port that is free for UDP and TCP."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        ):
            stream.bind((HOST, 0))
            port = int(stream.getsockname()[1])
            try:
                datagrams.bind((HOST, port))
            except OSError:
                continue
            return port
