"""The agents that the settings speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.config.checks.effective_terms import of_all
from sip_stager.model.call import Treatment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config.errors import Location
    from sip_stager.config.tables.policy import CallPolicy
    from sip_stager.config.tables.settings import Settings

AgentKey = tuple[str, int | None]
"""An agent's id, and the version that the mapping names."""


def places_of(settings: Settings) -> dict[AgentKey, Location]:
    """Give each agent of the numbers, and each that a policy stages instead, and where it stands.

    Of several places it is the first.
    """
    found: dict[AgentKey, Location] = {}
    for index, row in enumerate(settings.numbers):
        for position, share in enumerate(row.shares):
            of_row: Location = ("agents", position, "agent") if row.agents else ("agent",)
            found.setdefault((str(share.agent), share.version), ("numbers", index, *of_row))
    for place, policy in of_all(settings):
        for name, agent_id in instead(policy):
            found.setdefault((agent_id, None), (*place, name))
    return found


def instead(policy: CallPolicy) -> Iterator[tuple[str, str]]:
    """Give the agents that a policy stages where the number's own can not be, each with its key."""
    for name in policy.model_fields_set:
        treatments = getattr(policy, name)
        for one in treatments if isinstance(treatments, tuple) else ():
            if isinstance(one, Treatment) and one.kind == "agent":
                yield name, one.target
