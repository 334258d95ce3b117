"""Who may call whom, from the settings: trunks, numbers, and what a call is granted."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from time import time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sip_stager.config.tables.policy import combine_terms
from sip_stager.trunks.admission import TrunkAdmission
from sip_stager.trunks.mapping import Moment, NumberMapping
from sip_stager.trunks.variables import CallVariables

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.config import Settings
    from sip_stager.trunks.budget import Terms


def local_time(zone: str, clock: Callable[[], float] = time) -> Moment:
    """Read the clock on a wall in a time zone; ``clock`` gives seconds since 1970 in UTC."""
    now = datetime.fromtimestamp(clock(), ZoneInfo(zone))
    return Moment(now.weekday(), now.hour * 60 + now.minute)


def make_admission(settings: Settings, mapping: NumberMapping | None = None) -> TrunkAdmission:
    """Make the admission of the trunks and numbers, of the settings alone where none are given."""
    mapping = mapping or make_mapping(settings)
    api = settings.api
    variables = CallVariables(
        settings.variables,
        {trunk.name: trunk.variables for trunk in settings.trunks},
        {row.number: row.variables for row in settings.numbers},
    )
    return TrunkAdmission(
        settings.trunks, mapping, make_terms(settings), api.anonymous_number, variables
    )


def make_mapping(settings: Settings, moment: Callable[[str], Moment] = local_time) -> NumberMapping:
    """Make the mapping of the numbers; ``moment`` gives the time in a zone."""
    return NumberMapping((number.row() for number in settings.numbers), moment)


def make_terms(settings: Settings) -> Callable[[str, str], Terms]:
    """Say what a call from a trunk to a mapped number is granted; both are given by name."""
    trunks = {trunk.name: trunk for trunk in settings.trunks}
    numbers = {row.number: row.policy for row in settings.numbers if row.policy.model_fields_set}

    @lru_cache(maxsize=4096)
    def terms(name: str, number: str | None) -> Terms:
        trunk = trunks[name]
        own = (numbers[number],) if number else ()
        policies = (*own, *trunk.policies, settings.policy)
        return combine_terms(policies, settings.api.deadline, trunk.ringback_timeout)

    return lambda trunk, number: terms(trunk, number if number in numbers else None)
