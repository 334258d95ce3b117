"""Whether the variables of the settings are those that their agents declare."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING

from sip_stager.config.agents import instead
from sip_stager.config.errors import dotted
from sip_stager.platform.agent import coerced
from sip_stager.trunks.variables import by_default, compiled

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from sip_stager.config import Number, Settings, Trunk
    from sip_stager.config.agents import AgentKey
    from sip_stager.config.errors import Location
    from sip_stager.model.call import Value
    from sip_stager.platform.agent import Agent, Declared

    Rows = Sequence[tuple[int, Number]]
    Trunks = Sequence[tuple[int, Trunk]]

_NAMED = 3  # agents in a line
_UNDECLARED = "is not declared by the agent"


def mapped(settings: Settings) -> dict[AgentKey, list[tuple[int, Number]]]:
    """Give the agents of the settings, each with its numbers and the places of those."""
    rows: defaultdict[AgentKey, list[tuple[int, Number]]] = defaultdict(list)
    for index, row in enumerate(settings.numbers):
        for key in {(str(share.agent), share.version) for share in row.shares}:
            rows[key].append((index, row))
    return dict(rows)


def mismatches(
    settings: Settings, agents: Mapping[AgentKey, Agent], found: Collection[str] = ()
) -> Iterator[str]:
    """Say what agents are told that they do not declare, or that is of another type.

    ``found`` are those of the platform's list, whose numbers have no variables of their own.
    """
    said: defaultdict[tuple[Location, str], dict[str, Declared]] = defaultdict(dict)
    for key, trunks, rows in _told(settings, found):
        agent = agents.get(key)
        if agent is None or agent.variables is None:
            continue
        for place, table in _tables(settings, trunks, rows):
            for name, value in table.items():
                if wrong := _wrong(name, value, agent.variables):
                    said[(*place, name), wrong][key[0]] = agent.variables
    for (location, wrong), several in said.items():
        where = f"{settings.place(location)}: {dotted(location)}"
        yield f"{where}: {wrong}{_known(wrong, several)} ({named(several)})"


def named(agents: Iterable[str]) -> str:
    """Name the first of some agents."""
    ids = list(agents)
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return f"agent {', '.join(islice(ids, _NAMED))}{more}"


def _known(wrong: str, several: Mapping[str, Declared]) -> str:
    """Say what an agent does declare; of several the table says it."""
    if wrong != _UNDECLARED or len(several) > 1:
        return ""
    (declared,) = several.values()
    known = ", ".join(f"{each} ({type_})" for each, type_ in declared.items())
    return f"; it declares {known or 'none'}"


def _told(settings: Settings, found: Collection[str]) -> Iterator[tuple[AgentKey, Trunks, Rows]]:
    """Give each agent with the trunks and numbers whose calls it gets, be it instead of another.

    Calls to numbers of the platform's list are those without a row.
    """
    trunks, numbers = list(enumerate(settings.trunks)), list(enumerate(settings.numbers))
    for key, rows in mapped(settings).items():
        yield key, trunks, rows
    for row in numbers:
        for _, agent_id in instead(row[1].policy):
            yield (agent_id, None), trunks, [row]
    for agent_id in found:
        yield (agent_id, None), trunks, []
    for called in (numbers, []) if found else (numbers,):
        for trunk in trunks:
            for _, agent_id in instead(trunk[1].policy):
                yield (agent_id, None), [trunk], called
        for _, agent_id in instead(settings.policy):
            yield (agent_id, None), trunks, called


def _tables(
    settings: Settings, trunks: Trunks, rows: Rows
) -> Iterator[tuple[Location, Mapping[str, Value]]]:
    """Give the tables that an agent's calls take variables from, and where each stands.

    What all of its numbers have themselves, they take from nowhere else.
    """
    tables = [set(row.variables) for _, row in rows]
    own = set.intersection(*tables) if tables else set()
    yield ("variables",), _without(settings.variables, own)
    for index, trunk in trunks:
        yield ("trunks", index, "variables"), _without(trunk.variables, own)
    for index, row in rows:
        yield ("numbers", index, "variables"), row.variables


def _without(table: Mapping[str, Value], names: set[str]) -> dict[str, Value]:
    return {name: value for name, value in table.items() if name not in names}


def _wrong(name: str, value: Value, declared: Declared) -> str:
    if name not in declared:
        return _UNDECLARED
    read = compiled(value)
    constant = by_default(read)
    if constant is None or coerced(constant, declared[name]) is not None:
        return ""
    filled = f" is {json.dumps(constant)} by default, which" if isinstance(read, tuple) else ""
    return f"{json.dumps(value)}{filled} is no {declared[name]}, as the agent declares it"
