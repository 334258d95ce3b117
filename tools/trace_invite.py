"""Puts one INVITE through the real program, and prints which files it enters.

The program listens on a UDP port of 127.0.0.1, stages at the demo's fake API and forwards to a
second UDP socket.  Every call of a function of ``sip_stager`` (the demo apart) is counted from the
datagram that arrives to the one that leaves: the fewer files and changes of file, the easier the
way of a call is to follow.  A first INVITE goes ahead uncounted, for it fills the caches.

    python tools/trace_invite.py            a summary by room
    python tools/trace_invite.py --calls    each call as well, indented by its depth
    python tools/trace_invite.py --first    the first INVITE in place of the second
"""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import sip_stager
from sip_stager.app import Application
from sip_stager.config import load
from sip_stager.demo.fake_platform.server import FakeApi

if TYPE_CHECKING:
    from types import FrameType

PACKAGE = Path(sip_stager.__file__).parent
HOST, NUMBER = "127.0.0.1", "+33612345678"
WAIT = 5.0  # seconds until the INVITE must have left
REST = 0.3  # seconds in which what was begun in the background ends
SETTINGS = """
[[listeners]]
address = "127.0.0.1"
port = {port}
[api]
base_url = "{api}"
[upstream]
uri = "sip:127.0.0.1:{upstream};transport=udp"
[[trunks]]
name = "trace"
networks = ["127.0.0.1/32"]
[[numbers]]
number = "+33612345678"
agent = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29"
[http]
address = "127.0.0.1"
port = {http}
"""
INVITE = """\
INVITE sip:{number}@127.0.0.1:{port} SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:{own};branch=z9hG4bK-{call};rport
From: "Alice" <sip:+33912345678@127.0.0.1>;tag={call}
To: <sip:{number}@127.0.0.1>
Call-ID: {call}@127.0.0.1
CSeq: 1 INVITE
Max-Forwards: 70
Contact: <sip:alice@127.0.0.1:{own}>
Content-Length: 0

"""


class Entry(NamedTuple):
    """A function that was called: its file below the package, its name and how deep it stands."""

    file: str
    function: str
    depth: int

    @property
    def room(self) -> str:
        """The folder or file right below the package."""
        return self.file.split("/", maxsplit=1)[0].removesuffix(".py")


class Recorder:
    """A profile hook that keeps the calls of the package's functions."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._depth = 0

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        """Take an event of the interpreter."""
        path = Path(frame.f_code.co_filename)
        if not path.is_relative_to(PACKAGE) or path.is_relative_to(PACKAGE / "demo"):
            return
        if event == "call":
            file = path.relative_to(PACKAGE).as_posix()
            self.entries.append(Entry(file, frame.f_code.co_qualname, self._depth))
            self._depth += 1
        elif event == "return":
            self._depth = max(0, self._depth - 1)


def udp_socket() -> socket.socket:
    """Open a UDP socket at a free port of this machine."""
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind((HOST, 0))
    one.setblocking(False)
    return one


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with udp_socket() as one:
        return int(one.getsockname()[1])


async def record(counted: str) -> list[Entry]:
    """Return the functions called for the "first" or the "second" INVITE."""
    port = free_port()
    recorder = Recorder()
    with udp_socket() as alice, udp_socket() as bob, tempfile.TemporaryDirectory() as folder:
        upstream, own = bob.getsockname()[1], alice.getsockname()[1]
        async with FakeApi() as api:
            text = SETTINGS.format(port=port, api=api.url, upstream=upstream, http=free_port())
            path = Path(folder) / "settings.toml"
            path.write_text(text, encoding="utf-8")
            application = Application(load(path, {"ROUNDED_API_KEY": api.key}))
            await application.start()
            try:
                for call in ("first", "second"):
                    await asyncio.sleep(REST)
                    hook = recorder if call == counted else None
                    invite = INVITE.format(number=NUMBER, port=port, own=own, call=call)
                    await put_through(invite, call, (alice, bob), port, hook)
            finally:
                at_once = asyncio.Event()
                at_once.set()
                await application.stop(at_once)
    return recorder.entries


async def put_through(
    invite: str,
    call: str,
    ends: tuple[socket.socket, socket.socket],
    port: int,
    hook: Recorder | None,
) -> None:
    """Send an INVITE, with a profile hook, and wait until the upstream has it."""
    loop, (alice, bob) = asyncio.get_running_loop(), ends
    sys.setprofile(hook)
    try:
        await loop.sock_sendto(alice, invite.replace("\n", "\r\n").encode(), (HOST, port))
        async with asyncio.timeout(WAIT):
            while f"Call-ID: {call}@".encode() not in await loop.sock_recv(bob, 65536):
                continue  # the first INVITE is retransmitted, for nobody answers it
    finally:
        sys.setprofile(None)


def changes(names: list[str]) -> int:
    """Count how often a name follows a different one."""
    return sum(one != other for one, other in pairwise(names))


def summary(entries: list[Entry]) -> str:
    """Return the figures, and the files that were entered, room by room."""
    calls = Counter(entry.room for entry in entries)
    files = {(entry.room, entry.file) for entry in entries}
    lines = [
        f"files entered      {len(files):4}",
        f"calls              {len(entries):4}",
        f"changes of file    {changes([entry.file for entry in entries]):4}",
        f"changes of room    {changes([entry.room for entry in entries]):4}",
        "",
        "room           files calls",
    ]
    per_room = Counter(room for room, _ in files)
    lines += [f"{room:14} {count:5} {calls[room]:5}" for room, count in per_room.most_common()]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Record one INVITE, and print its way."""
    entries = asyncio.run(record("first" if "--first" in arguments else "second"))
    if "--calls" in arguments:
        for entry in entries:
            sys.stdout.write(f"{'  ' * entry.depth}{entry.file} {entry.function}\n")
    sys.stdout.write(summary(entries) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
