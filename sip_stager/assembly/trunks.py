"""Construction of the admission from the settings: trunks, numbers, and the terms of calls."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from time import time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sip_stager.config.tables.policy import combine_terms
from sip_stager.observability.call_limits import CallLimit, EventCallLimits
from sip_stager.trunks.admission import TrunkAdmission
from sip_stager.trunks.mapping import Moment, NumberMapping
from sip_stager.trunks.variables import CallVariables

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.config import Settings
    from sip_stager.ports import CallLimits, Clock
    from sip_stager.trunks.budget import Terms


def local_time(zone: str, clock: Callable[[], float] = time) -> Moment:
    """Return the local time in a zone; ``clock`` returns seconds since 1970 in UTC."""
    now = datetime.fromtimestamp(clock(), ZoneInfo(zone))
    return Moment(now.weekday(), now.hour * 60 + now.minute)


def make_admission(
    settings: Settings,
    mapping: NumberMapping | None = None,
    outage_of: Callable[[str], str] | None = None,
    limits: CallLimits | None = None,
) -> TrunkAdmission:
    """Build the admission; without a ``mapping``, with the numbers of the settings alone.

    ``outage_of`` returns why the calls of a trunk would be refused now, empty if they would not be.
    ``limits`` are those of trunks and numbers.
    """
    mapping = mapping or make_mapping(settings)
    api = settings.api
    variables = CallVariables(
        settings.variables,
        {trunk.name: trunk.variables for trunk in settings.trunks},
        {row.number: row.table.variables for row in settings.rows if row.table.variables},
    )
    return TrunkAdmission(
        settings.trunks,
        mapping,
        make_terms(settings),
        api.anonymous_number,
        variables,
        outage_of,
        limits,
    )


def make_call_limits(settings: Settings, clock: Clock) -> EventCallLimits:
    """Make the limits of the calls of trunks and numbers."""
    return EventCallLimits(
        {one.name: CallLimit(one.max_calls, one.max_calls_per_second) for one in settings.trunks},
        {
            number: CallLimit(table.max_calls, table.max_calls_per_second)
            for number, table in settings.rows
            if table.max_calls or table.max_calls_per_second
        },
        clock,
        settings.limits.counted_call_duration,
    )


def make_mapping(settings: Settings, moment: Callable[[str], Moment] = local_time) -> NumberMapping:
    """Build the mapping of the numbers; ``moment`` returns the time in a zone."""
    return NumberMapping(((number, table.row) for number, table in settings.rows), moment)


def make_terms(settings: Settings) -> Callable[[str, str], Terms]:
    """Return a function of a trunk's name and a mapped number that returns the terms of a call."""
    trunks = {trunk.name: trunk for trunk in settings.trunks}
    numbers = {
        number: table.policy for number, table in settings.rows if table.policy.model_fields_set
    }

    # Most numbers have no policy of their own: they share one entry per trunk.
    @lru_cache(maxsize=4096)
    def terms(name: str, number: str | None) -> Terms:
        trunk = trunks[name]
        own = (numbers[number],) if number else ()
        policies = (*own, *trunk.policies, settings.policy)
        return combine_terms(policies, settings.api.deadline, trunk.ringback_timeout)

    return lambda trunk, number: terms(trunk, number if number in numbers else None)
