"""The way of a call through the settings, told in steps with their reasons."""

from __future__ import annotations

import json
from calendar import day_name
from typing import TYPE_CHECKING

from sip_stager.assembly import make_admission, make_upstream
from sip_stager.cli.failures import fallbacks
from sip_stager.ports import Flow, Refusal
from sip_stager.sip.fields import Malformed
from sip_stager.trunks.mapping import ANY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config import Settings, Trunk
    from sip_stager.ports import Call
    from sip_stager.sip.message import Request
    from sip_stager.trunks.admission import Route
    from sip_stager.trunks.called import Called
    from sip_stager.trunks.caller import Caller
    from sip_stager.trunks.mapping import Match, NumberMapping, Row

_WIDTH = 15  # columns of the names of the steps


class Journey:
    """What admission decides about an INVITE from a trunk, and what follows.

    ``staged`` tells whether it goes on; ``online`` that the platform's list was asked for.
    """

    def __init__(
        self,
        settings: Settings,
        mapping: NumberMapping,
        invite: Request,
        trunk: Trunk,
        *,
        online: bool = False,
    ) -> None:
        self._settings = settings
        self._mapping = mapping
        self._invite = invite
        self._trunk = trunk
        self._unasked = settings.api.numbers_refresh > 0 and not online
        self._decision, self._route = self._decided()
        self.staged = not isinstance(self._decision, Refusal)

    def _decided(self) -> tuple[Call | Refusal, Route | None]:
        admission = make_admission(self._settings, self._mapping)
        source = Flow("UDP", str(self._trunk.networks[0].network_address), 5060)
        try:
            route = admission.route(self._invite, self._trunk)
        except Malformed as fault:
            return Refusal(fault.status, "Bad Request", "malformed", str(fault)), None
        return admission.decided(self._invite, source, self._trunk, route), route

    def steps(self) -> Iterator[str]:
        """Give the steps, each on its lines."""
        for name, lines in self._named():
            for index, line in enumerate(lines):
                yield f"{'' if index else name:<{_WIDTH}}{line}"

    def _named(self) -> Iterator[tuple[str, list[str]]]:
        yield "INVITE", [self._invite.uri_text.decode()]
        only = " (the only one)" if len(self._settings.trunks) == 1 else ""
        profile = f', profile "{self._trunk.profile}"' if self._trunk.profile else ""
        yield "trunk", [f"{self._trunk.name}{only}{profile}"]
        if self._route is not None:
            yield "called number", list(self._called(self._route.called))
            yield "row", list(self._row(self._route))
        if isinstance(self._decision, Refusal):
            refusal = self._decision
            yield "refused", [f"{refusal.status} {refusal.reason}: {refusal.text}"]
        elif self._route is not None and self._route.match is not None:
            yield "caller", list(self._caller(self._route.caller, self._decision))
            yield "agent", list(self._agent(self._route, self._route.match))
            yield from self._onward(self._decision)

    def _called(self, called: Called) -> Iterator[str]:
        for source, reason in called.passed:
            yield f"{source} {reason}"
        if not called.source:
            yield f"none: called = {json.dumps(self._trunk.called)} finds nobody"
            return
        yield f"{called.source} says {json.dumps(called.spelled)}"
        if called.stripped:
            yield f"less the prefix {json.dumps(called.stripped)}"
        country = self._trunk.country
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
        if self._unasked and (route.match is None or route.match.row.number.endswith(ANY)):
            yield "the platform's list was not asked for, and may have it: add --online"

    def _place(self, row: Row) -> str:
        if row.generation:
            return "the platform's list"
        numbers = self._settings.numbers
        index = next(index for index, each in enumerate(numbers) if each.number == row.number)
        return self._settings.place(("numbers", index, "number"))

    def _caller(self, caller: Caller, call: Call) -> Iterator[str]:
        if caller.withheld:
            yield f"withheld, by {caller.withheld}"
        for source, reason in caller.passed:
            yield f"{source} {reason}"
        if caller.number:
            passed = ", passed on by pass_withheld" if caller.withheld else ""
            yield f"{caller.source} says {caller.number}{passed}"
        else:
            yield f"the API is told {call.from_number}, by [api] anonymous_number"

    def _agent(self, route: Route, match: Match) -> Iterator[str]:
        shares = match.row.shares
        yield route.agent or "none: the platform redirects the number by itself; it is not staged"
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
        if call.agent_id and call.variables:
            yield "variables", [f"{name} = {json.dumps(v)}" for name, v in call.variables.items()]
        if call.agent_id:
            yield "deadline", [f"{call.deadline:g} s for the staging in all"]
        targets = make_upstream(self._settings).targets(self._invite, b"")
        yield (
            "upstream",
            [
                f"INVITE {one.request.uri_text.decode()} to {one.next_hop.text.decode()}"
                for one in targets
            ],
        )
        if call.agent_id:
            treated = fallbacks(call.policy)
            yield "if not staged", [f"{cause}: {treatment}" for cause, treatment in treated]
