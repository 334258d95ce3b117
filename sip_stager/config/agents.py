"""The agents that the settings speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.ports import Treatment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config.models import Settings
    from sip_stager.config.policy import CallPolicy

AgentKey = tuple[str, int | None]
"""An agent's id, and the version that the mapping names."""


def agents_of(settings: Settings) -> tuple[AgentKey, ...]:
    """Give each agent once: those of the numbers, and those that a policy stages instead."""
    shares = (share for row in settings.numbers for share in row.shares)
    keys: dict[AgentKey, None] = {(str(share.agent), share.version): None for share in shares}
    policies = [settings.policy, *(trunk.policy for trunk in settings.trunks)]
    for policy in (*policies, *(row.policy for row in settings.numbers)):
        for agent_id in instead(policy):
            keys[agent_id, None] = None
    return tuple(keys)


def instead(policy: CallPolicy) -> Iterator[str]:
    """Give the agents that a policy stages where the number's own can not be."""
    for name in policy.model_fields_set:
        treatments = getattr(policy, name)
        for one in treatments if isinstance(treatments, tuple) else ():
            if isinstance(one, Treatment) and one.kind == "agent":
                yield one.target
