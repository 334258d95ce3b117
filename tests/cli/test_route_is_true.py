"""The report of ``route`` is what the program does with the call."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sip_stager.assembly.core import make_core
from sip_stager.assembly.trunks import make_mapping
from sip_stager.cli.invite import make_invite
from sip_stager.cli.route_report import RouteReport
from sip_stager.cli.source_address import find_source
from sip_stager.config import load
from sip_stager.events import CallAdmitted, Event
from sip_stager.model.flow import Flow
from sip_stager.sip.field_grammar import field_name
from sip_stager.sip.message import Request, Response
from sip_stager.sip.parser import parse
from sip_stager.transaction.reporter import MessageReporter
from tests.cli.asking import by_step
from tests.cli.written_calls import CALLS, HEADERS, KINDS, NAMES, WRITTEN
from tests.config.settings_folder import KEY, Folder
from tests.support.fakes import FakeClock, FakeResolver, FakeStager, FakeTransport
from tests.support.mapping import monday_noon
from tests.support.messages import response

if TYPE_CHECKING:
    from sip_stager.config import Settings
    from sip_stager.model.call import Call


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Settings]:
    folder = Folder(tmp_path_factory.mktemp("kinds"))
    environ = {"ROUNDED_API_KEY": KEY}
    return {name: load(folder.write(f"{name}.toml", text), environ) for name, text in KINDS.items()}


class Program:
    """The core of the program, with an INVITE that is staged until the test ends the staging."""

    def __init__(self, settings: Settings, invite: Request, address: str) -> None:
        self.clock = FakeClock()
        self.transport = FakeTransport(self.clock)
        self.stager = FakeStager(self.clock)
        self.events: list[Event] = []
        resolver = FakeResolver(self.clock, NAMES)
        mapping = make_mapping(settings, monday_noon)
        ports = self.clock, self.transport, resolver, self.stager, self.events.append
        messages = MessageReporter(self.events.append)
        self.core = make_core(settings, *ports, messages, mapping).layer
        self.core.receive_message(bytes(invite), Flow("UDP", address, 5060))

    @property
    def call(self) -> Call | None:
        return next((one.call for one in self.events if isinstance(one, CallAdmitted)), None)

    def responses(self) -> list[Response]:
        messages = [parse(data) for data, _ in self.transport.sent]
        return [one for one in messages if isinstance(one, Response)]

    def rings_by(self, seconds: float) -> list[int]:
        """Return the statuses of the provisional responses within the next seconds."""
        self.clock.advance(seconds)
        return [one.status for one in self.responses() if 100 < one.status < 200]

    def onward(self) -> list[tuple[Request, Flow]]:
        """End the staging, have each target refuse, and return what the targets received."""
        self.stager.stagings[0].succeed()
        left: list[tuple[Request, Flow]] = []
        for _ in range(3):
            self.clock.advance(0.1)
            data, flow = self.transport.sent[-1]
            message = parse(data)
            if isinstance(message, Request) and message.method == b"INVITE":
                left.append((message, flow))
                self.core.receive_message(bytes(response(message, 500)), flow)
        return left


def agree(settings: Settings, to: str, caller: str, headers: list[str]) -> None:
    """Compare the report of ``route`` with what the core does with the same INVITE."""
    invite = make_invite(to, caller, headers)
    origin = find_source(settings, "", "")
    journey = RouteReport(settings, make_mapping(settings, monday_noon), invite, origin)
    shown = by_step(journey.steps())
    program = Program(settings, invite, origin.address)
    call = program.call
    assert journey.staged == (call is not None)
    if call is None:
        answers = [f"{one.status} {one.reason.decode()}" for one in program.responses()]
        assert shown["refused"][0].startswith(answers[0] if answers else "no response")
        return
    told = [line for line in shown["row"] if line.startswith("the API gets")]
    assert json.dumps(call.to_number) in (told or shown["called number"])[-1]
    assert call.from_number in " ".join(shown["caller"])
    assert shown["agent"][0] == call.agent_id
    agree_on_staging(program, call, shown)
    agree_on_what_leaves(program, invite, shown)


def agree_on_staging(program: Program, call: Call, shown: dict[str, list[str]]) -> None:
    told = dict(line.split(" = ", 1) for line in shown.get("variables", []))
    assert {name: json.loads(value) for name, value in told.items()} == call.variables
    asked = program.stager.stagings[0].call
    waits = dict.fromkeys([call.deadline, asked.deadline])
    assert [line.split()[0] for line in shown["deadline"]] == [f"{one:g}" for one in waits]
    rings = shown["if not staged"][-1].removeprefix("rings: ").split()
    if rings[0].startswith("never"):
        assert program.rings_by(call.deadline) == []
    else:
        status, after = int(rings[0]), float(rings[2])
        assert program.rings_by(after - 0.01) == []
        assert program.rings_by(0.02) == [status]


def agree_on_what_leaves(program: Program, invite: Request, shown: dict[str, list[str]]) -> None:
    left = program.onward()
    hosts = {address: name for name, address in NAMES.items()}
    assert shown["upstream"] == [
        f"INVITE {copy.uri_text.decode()} to {flow._replace(host=hosts.get(flow.host, flow.host))}"
        for copy, flow in left
    ]
    lost = set(invite.names) - set(left[0][0].names) - {b"route"}
    said = [one.partition(": ")[2] for one in shown["caller"] if one.startswith("stripped")]
    assert {field_name(name.encode()) for one in said for name in one.split(", ")} == lost


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("to", "caller"), CALLS)
def test_route_agrees_with_the_core_on_each_form_of_number(
    kinds: dict[str, Settings], kind: str, to: str, caller: str
) -> None:
    agree(kinds[kind], to, caller, [])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("header", HEADERS)
def test_route_agrees_with_the_core_on_each_header(
    kinds: dict[str, Settings], kind: str, header: str
) -> None:
    agree(kinds[kind], "+33612345678", "+33912345678", [header])


@settings(max_examples=150)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    call=st.sampled_from(CALLS),
    headers=st.lists(st.sampled_from(HEADERS) | WRITTEN, max_size=5),
)
def test_route_agrees_with_the_core_on_any_combination(
    kinds: dict[str, Settings], kind: str, call: tuple[str, str], headers: list[str]
) -> None:
    assume(all(header.isprintable() for header in headers))
    agree(kinds[kind], *call, headers)
