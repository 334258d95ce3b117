"""The way of a call through the settings, told in steps with their reasons."""

from __future__ import annotations

import json
from calendar import day_name
from typing import TYPE_CHECKING

from sip_stager.assembly.admission import make_admission
from sip_stager.cli.dry_run import Rehearsal
from sip_stager.cli.failure_report import fallbacks
from sip_stager.cli.privacy_report import identity
from sip_stager.model.flow import Flow
from sip_stager.trunks.mapping import ANY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.cli.source import Origin
    from sip_stager.config import Settings, Trunk
    from sip_stager.model.call import Call
    from sip_stager.sip.message import Request, Response
    from sip_stager.trunks.admission import Route
    from sip_stager.trunks.called_number import Called
    from sip_stager.trunks.caller_number import Caller
    from sip_stager.trunks.mapping import Match, NumberMapping, Row

_WIDTH = 15  # columns of the names of the steps


class Journey:
    """What the core does with an INVITE that comes from an address, and why.

    ``staged`` tells whether it goes on; ``online`` that the platform's list was asked for.
    """

    def __init__(
        self,
        settings: Settings,
        mapping: NumberMapping,
        invite: Request,
        origin: Origin,
        *,
        online: bool = False,
    ) -> None:
        self._settings = settings
        self._mapping = mapping
        self._invite = invite
        self._origin = origin
        self._unasked = settings.api.numbers_refresh > 0 and not online
        source = Flow(settings.listeners[0].transport.upper(), origin.address, 5060)
        self._rehearsal = Rehearsal(settings, mapping, invite, source)
        self.staged = self._rehearsal.call is not None

    def steps(self) -> Iterator[str]:
        """Give the steps, each on its lines."""
        for name, lines in self._named():
            for index, line in enumerate(lines):
                yield f"{'' if index else name:<{_WIDTH}}{line}"

    def _named(self) -> Iterator[tuple[str, list[str]]]:
        yield "INVITE", [self._invite.uri_text.decode()]
        yield "source", [self._origin.address]
        yield "trunk", [self._whose()]
        trunk, rehearsal = self._origin.trunk, self._rehearsal
        if trunk is not None and rehearsal.decided:
            route = make_admission(self._settings, self._mapping).route(self._invite, trunk)
            yield "called number", list(self._called(route.called, trunk))
            yield "row", list(self._row(route))
            if rehearsal.call is not None and route.match is not None:
                yield "caller", list(self._caller(route.caller, rehearsal.call, trunk))
                yield "agent", list(self._agent(rehearsal.call, route, route.match))
                yield from self._onward(rehearsal.call)
        if rehearsal.call is None:
            yield "refused", list(_refused(rehearsal.response, rehearsal.why))

    def _whose(self) -> str:
        trunk = self._origin.trunk
        if trunk is None:
            return "none has this address in its networks"
        only = " (the only one)" if len(self._settings.trunks) == 1 else ""
        profile = f', profile "{trunk.profile}"' if trunk.profile else ""
        return f"{trunk.name}{only}{profile}"

    def _called(self, called: Called, trunk: Trunk) -> Iterator[str]:
        for source, reason in called.passed:
            yield f"{source} {reason}"
        if not called.source:
            yield f"none: called = {json.dumps(trunk.called)} finds nobody"
            return
        yield f"{called.source} says {json.dumps(called.spelled)}"
        if called.stripped:
            yield f"less the prefix {json.dumps(called.stripped)}"
        country = trunk.country
        reading = (
            f"read with country = {json.dumps(country)}" if country else "read without country"
        )
        yield f"{json.dumps(called.number)}, {reading}"

    def _row(self, route: Route) -> Iterator[str]:
        """Say what was looked for, from the narrowest on, and what was found."""
        number = route.called.number
        for _, wanted, row in self._mapping.considered(number) if number else ():
            if row is not None:
                yield f"{json.dumps(wanted)} ({self._place(row)})"
                break
            yield f"no {json.dumps(wanted)}"
        if route.match is not None and route.match.number != number:
            yield f"the API is told {json.dumps(route.match.number)}"
        if self._unasked and (route.match is None or route.match.row.number.endswith(ANY)):
            yield "the platform's list was not asked for, and may have it: add --online"

    def _place(self, row: Row) -> str:
        if row.generation:
            return "the platform's list"
        numbers = self._settings.numbers
        index = next(index for index, each in enumerate(numbers) if each.number == row.number)
        return self._settings.place(("numbers", index, "number"))

    def _caller(self, caller: Caller, call: Call, trunk: Trunk) -> Iterator[str]:
        if caller.withheld:
            yield f"withheld, by {caller.withheld}"
        for source, reason in caller.passed:
            yield f"{source} {reason}"
        if caller.number:
            passed = ", passed on by pass_withheld" if caller.withheld else ""
            yield f"{caller.source} says {caller.number}{passed}"
        else:
            yield f"the API is told {call.from_number}, by [api] anonymous_number"
        if caller.withheld and self._rehearsal.onward:
            copy, _ = self._rehearsal.onward[0]
            yield from identity(self._invite, copy, trunk.country)

    def _agent(self, call: Call, route: Route, match: Match) -> Iterator[str]:
        shares = match.row.shares
        yield call.agent_id or "none: the platform redirects the number by itself; it is not staged"
        if len(shares) < 2:
            return
        moment = self._mapping.moment
        duty = match.row.on_duty(moment)
        if len(duty) < len(shares):
            now = moment(match.row.zone)
            time = f"{now.minute // 60:02}:{now.minute % 60:02}"
            when = f"{day_name[now.weekday]} {time} {match.row.zone}"
            yield f"{len(duty)} of {len(shares)} on duty, {when}"
        if len(duty) > 1:
            by = "the caller's number" if route.caller.number else "the Call-ID"
            weights = ", ".join(f"{share.agent} {share.weight}" for share in duty)
            yield f"chosen by {by} among the weights: {weights}"

    def _onward(self, call: Call) -> Iterator[tuple[str, list[str]]]:
        asked, ways = self._rehearsal.asked, self._rehearsal.onward
        if asked is not None:
            if asked.variables:
                told = [f"{name} = {json.dumps(value)}" for name, value in asked.variables.items()]
                yield "variables", told
            yield "deadline", list(_deadline(call, asked))
        leaving = [f"INVITE {copy.uri_text.decode()} to {flow}" for copy, flow in ways]
        yield "upstream", leaving or ["nothing leaves: its address is of no one host"]
        if asked is not None:
            yield "if not staged", list(self._failures(call))

    def _failures(self, call: Call) -> Iterator[str]:
        """Say what the call gets that can not be staged, and whether it rings meanwhile."""
        may_ring = not self._invite.requires(b"100rel")
        for what, text in fallbacks(call.policy, call.deadline, may_ring=may_ring):
            yield f"{what}: {text}"


def _deadline(call: Call, asked: Call) -> Iterator[str]:
    """Say how long the staging may take, and which part of that the first agent gets."""
    yield f"{call.deadline:g} s for the staging in all"
    if asked.deadline < call.deadline:
        yield f"{asked.deadline:g} s of it for this agent: the policy names another, for the rest"


def _refused(response: Response | None, why: str) -> Iterator[str]:
    """Say what the caller gets, with the fields that explain it where nothing else does."""
    if response is None:
        yield f"nothing is answered: {why}"
        return
    said = f": {why}" if why else ""
    yield f"{response.status} {response.reason.decode()}{said}"
    for name in (b"warning", b"unsupported") if not why else ():
        yield from (field.decode() for field in response.rows(name))
