"""The agents that the settings mention, in numbers and in policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.config.terms_by_trunk import all_policies
from sip_stager.model.call import Treatment
from sip_stager.model.vocabulary import TreatmentKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config.errors import Location
    from sip_stager.config.tables.policy import CallPolicy
    from sip_stager.config.tables.settings import Settings

AgentKey = tuple[str, int | None]
"""An agent's id, and the version that the mapping sets for it."""


def locate_agents(settings: Settings) -> dict[AgentKey, Location]:
    """Return the location of each agent that a number or a policy names, the first of several."""
    found: dict[AgentKey, Location] = {}
    for index, table in settings.tables.items():
        for position, share in enumerate(table.shares):
            of_row: Location = ("agents", position, "agent") if table.agents else ("agent",)
            found.setdefault((str(share.agent), share.version), ("numbers", index, *of_row))
    for place, policy in all_policies(settings):
        for name, agent_id in fallback_agents(policy):
            found.setdefault((agent_id, None), (*place, name))
    return found


def fallback_agents(policy: CallPolicy) -> Iterator[tuple[str, str]]:
    """Yield the agents that a policy stages after a failure, each with the key that names it."""
    for name in policy.model_fields_set:
        treatments = getattr(policy, name)
        for one in treatments if isinstance(treatments, tuple) else ():
            if isinstance(one, Treatment) and one.kind is TreatmentKind.AGENT:
                yield name, one.target
