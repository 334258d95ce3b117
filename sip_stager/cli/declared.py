"""Whether the variables of the settings are those that their agents declare."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

from sip_stager.config.agents import instead
from sip_stager.staging.agent import coerced
from sip_stager.trunks.variables import compiled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sip_stager.config import Number, Settings, Trunk
    from sip_stager.config.agents import AgentKey
    from sip_stager.ports import Value
    from sip_stager.staging.agent import Agent, Declared


def mapped(settings: Settings) -> dict[AgentKey, list[Number]]:
    """Give the agents of the settings, each with its numbers."""
    rows: defaultdict[AgentKey, list[Number]] = defaultdict(list)
    for row in settings.numbers:
        for key in {(str(share.agent), share.version) for share in row.shares}:
            rows[key].append(row)
    return dict(rows)


def mismatches(settings: Settings, agents: Mapping[AgentKey, Agent]) -> Iterator[str]:
    """Say what agents are told that they do not declare, or that is of another type."""
    said: dict[str, None] = {}  # an agent may be told the same by several ways
    for key, trunks, rows in _told(settings):
        agent = agents.get(key)
        if agent is None or agent.variables is None:
            continue
        for where, table in _tables(settings, trunks, rows):
            for name, value in table.items():
                if wrong := _wrong(name, value, agent.variables):
                    said[f"{where}: {name}: {wrong} (agent {key[0]})"] = None
    yield from said


def _told(settings: Settings) -> Iterator[tuple[AgentKey, Sequence[Trunk], Sequence[Number]]]:
    """Give each agent with the trunks and numbers whose calls it gets, be it instead of another."""
    for key, rows in mapped(settings).items():
        yield key, settings.trunks, rows
    for row in settings.numbers:
        for agent_id in instead(row.policy):
            yield (agent_id, None), settings.trunks, [row]
    for trunk in settings.trunks:
        for agent_id in instead(trunk.policy):
            yield (agent_id, None), [trunk], settings.numbers
    for agent_id in instead(settings.policy):
        yield (agent_id, None), settings.trunks, settings.numbers


def _tables(
    settings: Settings, trunks: Sequence[Trunk], rows: Sequence[Number]
) -> Iterator[tuple[str, Mapping[str, Value]]]:
    """Give the tables that an agent's calls take variables from, and where each stands.

    What all of its numbers have themselves, they take from nowhere else.
    """
    own = set(rows[0].variables).intersection(*(row.variables for row in rows)) if rows else set()
    yield "[variables]", _without(settings.variables, own)
    for trunk in trunks:
        yield f'trunk "{trunk.name}"', _without(trunk.variables, own)
    for row in rows:
        yield f"number {row.number}", row.variables


def _without(table: Mapping[str, Value], names: set[str]) -> dict[str, Value]:
    return {name: value for name, value in table.items() if name not in names}


def _wrong(name: str, value: Value, declared: Declared) -> str:
    if name not in declared:
        known = ", ".join(f"{each} ({type_})" for each, type_ in declared.items())
        return f"the agent does not declare it; it declares {known or 'none'}"
    read = compiled(value)
    if not isinstance(read, tuple) and coerced(read, declared[name]) is None:
        return f"{json.dumps(value)} is no {declared[name]}, as the agent declares it"
    return ""
