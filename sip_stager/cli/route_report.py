"""The steps of a call through the settings, each with its reasons, as lines of text."""

from __future__ import annotations

import json
from calendar import day_name
from typing import TYPE_CHECKING

from sip_stager.assembly.trunks import make_admission
from sip_stager.cli.anonymity_report import describe_privacy
from sip_stager.cli.fallback_report import describe_fallbacks
from sip_stager.cli.simulated_call import DryRun
from sip_stager.model.flow import Flow
from sip_stager.trunks.mapping import ANY
from sip_stager.trunks.phone_numbers import is_e164, why_impossible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.cli.source_address import CallSource
    from sip_stager.config import Settings, Trunk
    from sip_stager.model.call import Call
    from sip_stager.sip.message import Request, Response
    from sip_stager.trunks.admission import Route
    from sip_stager.trunks.called_number import CalledNumber
    from sip_stager.trunks.caller_number import CallerNumber
    from sip_stager.trunks.mapping import Match, NumberMapping, Row

_WIDTH = 15  # columns for the names of the steps


class RouteReport:
    """What the core does with an INVITE that comes from an address, and why.

    ``staged`` is True if the call is forwarded; ``online`` that the platform's list was fetched.
    """

    def __init__(
        self,
        settings: Settings,
        mapping: NumberMapping,
        invite: Request,
        call_source: CallSource,
        *,
        online: bool = False,
    ) -> None:
        self._settings = settings
        self._mapping = mapping
        self._invite = invite
        self._source = call_source
        self._list_is_unknown = settings.api.numbers_refresh_interval > 0 and not online
        source = Flow(settings.listeners[0].transport.upper(), call_source.address, 5060)
        self._dry_run = DryRun(settings, mapping, invite, source)
        self.staged = self._dry_run.call is not None

    def steps(self) -> Iterator[str]:
        """Yield the lines of all steps, the first of each with the name of the step."""
        for name, lines in self._steps():
            for index, line in enumerate(lines):
                yield f"{'' if index else name:<{_WIDTH}}{line}"

    def _steps(self) -> Iterator[tuple[str, list[str]]]:
        yield "INVITE", [self._invite.uri_text.decode()]
        yield "source", [self._source.address]
        yield "trunk", [self._trunk()]
        trunk, dry_run = self._source.trunk, self._dry_run
        if trunk is not None and dry_run.decided:
            route = make_admission(self._settings, self._mapping).route(self._invite, trunk)
            yield "called number", list(self._called(route.called, trunk))
            yield "row", list(self._row(route))
            if dry_run.call is not None and route.match is not None:
                yield "caller", list(self._caller(route.caller, dry_run.call, trunk))
                yield "agent", list(self._agent(dry_run.call, route, route.match))
                yield from self._forwarding(dry_run.call)
        if dry_run.call is None:
            yield "refused", list(_refused(dry_run.response, dry_run.why))

    def _trunk(self) -> str:
        trunk = self._source.trunk
        if trunk is None:
            return "none: no trunk has this address in its networks"
        only = " (the only one)" if len(self._settings.trunks) == 1 else ""
        profile = f', profile "{trunk.profile}"' if trunk.profile else ""
        return f"{trunk.name}{only}{profile}"

    def _called(self, called: CalledNumber, trunk: Trunk) -> Iterator[str]:
        for source, reason in called.skipped:
            yield f"{source} {reason}"
        if not called.source:
            yield f"none: called = {json.dumps(trunk.called)} finds no number"
            return
        yield f"{called.source} says {json.dumps(called.raw)}"
        if called.stripped:
            yield f"without the prefix {json.dumps(called.stripped)}"
        country = trunk.country
        reading = (
            f"read with country = {json.dumps(country)}" if country else "read without country"
        )
        yield f"{json.dumps(called.number)}, {reading}"

    def _row(self, route: Route) -> Iterator[str]:
        """Yield the keys that were looked up, the most specific first, and the row found."""
        number = route.called.number
        for _, wanted, row in self._mapping.candidates(number) if number else ():
            if row is not None:
                yield f"{json.dumps(wanted)} ({self._place(wanted, row)})"
                break
            yield f"no {json.dumps(wanted)}"
        if route.reserved:
            yield "which is reserved for other trunks"
        if route.match is not None:
            yield from _number_for_api(route.match, number)
        if self._list_is_unknown and (route.match is None or route.match.key.endswith(ANY)):
            yield "the platform's list may have it: add --online to fetch that"

    def _place(self, key: str, row: Row) -> str:
        if row.generation:
            return "the platform's list"
        rows = enumerate(self._settings.rows)
        index = next(index for index, (number, _) in rows if number == key)
        return self._settings.place(("numbers", index, "number"))

    def _caller(self, caller: CallerNumber, call: Call, trunk: Trunk) -> Iterator[str]:
        if caller.privacy:
            yield f"anonymous, by {caller.privacy}"
        for source, reason in caller.skipped:
            yield f"{source} {reason}"
        if caller.number:
            passed = ", passed on by pass_private_number" if caller.privacy else ""
            yield f"{caller.source} says {caller.number}{passed}"
            if why := why_impossible(caller.number):
                yield f"{caller.number} is an impossible number: {why}"
        else:
            yield f"the API gets {call.from_number}, the anonymous_number of [api]"
        if caller.privacy and self._dry_run.onward:
            copy, _ = self._dry_run.onward[0]
            yield from describe_privacy(self._invite, copy, trunk.country)

    def _agent(self, call: Call, route: Route, match: Match) -> Iterator[str]:
        shares = match.row.shares
        yield (
            call.agent_id
            or "none: the platform redirects this number itself, so the call is not staged"
        )
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

    def _forwarding(self, call: Call) -> Iterator[tuple[str, list[str]]]:
        asked, ways = self._dry_run.asked, self._dry_run.onward
        if asked is not None:
            if asked.variables:
                shown = [f"{name} = {json.dumps(value)}" for name, value in asked.variables.items()]
                yield "variables", shown
            yield "deadline", list(_deadline(call, asked))
        leaving = [f"INVITE {copy.uri_text.decode()} to {flow}" for copy, flow in ways]
        yield "upstream", leaving or ["nothing is sent: the address is that of no single host"]
        if asked is not None:
            yield "if not staged", list(self._failures(call))

    def _failures(self, call: Call) -> Iterator[str]:
        """Yield what the call gets if it cannot be staged, and whether it rings meanwhile."""
        may_ring = not self._invite.requires(b"100rel")
        for what, text in describe_fallbacks(call.policy, call.deadline, may_ring=may_ring):
            yield f"{what}: {text}"


def _number_for_api(match: Match, number: str) -> Iterator[str]:
    """Yield the called number as the API gets it if that is another, or none at all."""
    given = match.row.number_for_api(match.number)
    if given != match.number:
        yield f"the API gets {json.dumps(given)}, the row's e164"
    elif not is_e164(given) and not match.row.generation:
        yield f"the API gets {json.dumps(given)}, which is no number: the row has no e164"
    elif given != number:
        yield f"the API gets {json.dumps(given)}"
    if is_e164(given) and (why := why_impossible(given)):
        yield f"{json.dumps(given)} is an impossible number: {why}"


def _deadline(call: Call, asked: Call) -> Iterator[str]:
    """Yield how long the staging may take, and how much of that the first agent gets."""
    yield f"{call.deadline:g} s for the whole staging"
    if asked.deadline < call.deadline:
        yield f"{asked.deadline:g} s of it for this agent, the rest for the policy's other agent"


def _refused(response: Response | None, why: str) -> Iterator[str]:
    """Yield the answer to the caller, with the fields that explain it if nothing else does."""
    if response is None:
        yield f"no response: {why}"
        return
    reason = f": {why}" if why else ""
    yield f"{response.status} {response.reason.decode()}{reason}"
    for name in (b"warning", b"unsupported") if not why else ():
        yield from (field.decode() for field in response.rows(name))
