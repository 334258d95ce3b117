"""The variables of the settings, compared with those that the agents declare."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING

from sip_stager.config.errors import format_location
from sip_stager.config.mentioned_agents import fallback_agents
from sip_stager.platform.agent import coerce
from sip_stager.trunks.variables import compile_variable, default_value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from sip_stager.config import MappedNumber, Settings, Trunk
    from sip_stager.config.errors import Location
    from sip_stager.config.mentioned_agents import AgentKey
    from sip_stager.model.call import Value
    from sip_stager.platform.agent import AgentRecord, Declared

    Rows = Sequence[tuple[int, MappedNumber]]
    Trunks = Sequence[tuple[int, Trunk]]

_SHOWN = 3  # agents per line
_UNDECLARED = "is not declared by the agent"


def map_agents(settings: Settings) -> dict[AgentKey, list[tuple[int, MappedNumber]]]:
    """Return the agents of the settings, each with its rows and their indexes."""
    rows: defaultdict[AgentKey, list[tuple[int, MappedNumber]]] = defaultdict(list)
    for index, row in enumerate(settings.rows):
        for key in {(str(share.agent), share.version) for share in row.table.shares}:
            rows[key].append((index, row))
    return dict(rows)


def find_mismatches(
    settings: Settings, agents: Mapping[AgentKey, AgentRecord], found: Collection[str] = ()
) -> Iterator[str]:
    """Yield a line for each variable that an agent does not declare, or declares with another type.

    ``found`` are the agents of the platform's list; its numbers have no variables of their own.
    """
    problems: defaultdict[tuple[Location, str], dict[str, Declared]] = defaultdict(dict)
    for key, trunks, rows in _calls_of_agents(settings, found):
        agent = agents.get(key)
        if agent is None or agent.variables is None:
            continue
        for place, table in _tables(settings, trunks, rows):
            for name, value in table.items():
                if wrong := _wrong(name, value, agent.variables):
                    problems[(*place, name), wrong][key[0]] = agent.variables
    for (location, wrong), several in problems.items():
        where = f"{settings.place(location)}: {format_location(location)}"
        yield f"{where}: {wrong}{_declared(wrong, several)} ({format_agents(several)})"


def format_agents(agents: Iterable[str]) -> str:
    """Return the first few of some agents as text."""
    ids = list(agents)
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"agent {', '.join(islice(ids, _SHOWN))}{more}"


def _declared(wrong: str, several: Mapping[str, Declared]) -> str:
    """Return the variables that an agent declares; for several agents, the table lists them."""
    if wrong != _UNDECLARED or len(several) > 1:
        return ""
    (declared,) = several.values()
    known = ", ".join(f"{each} ({type_})" for each, type_ in declared.items())
    return f"; it declares {known or 'none'}"


def _calls_of_agents(
    settings: Settings, found: Collection[str]
) -> Iterator[tuple[AgentKey, Trunks, Rows]]:
    """Yield each agent with the trunks and rows whose calls it gets, also as a fallback.

    Calls to numbers of the platform's list have no row.
    """
    trunks, numbers = list(enumerate(settings.trunks)), list(enumerate(settings.rows))
    for key, rows in map_agents(settings).items():
        yield key, trunks, rows
    for row in numbers:
        for _, agent_id in fallback_agents(row[1].table.policy):
            yield (agent_id, None), trunks, [row]
    for agent_id in found:
        yield (agent_id, None), trunks, []
    for called in (numbers, []) if found else (numbers,):
        for trunk in trunks:
            for _, agent_id in fallback_agents(trunk[1].policy):
                yield (agent_id, None), [trunk], called
        for _, agent_id in fallback_agents(settings.policy):
            yield (agent_id, None), trunks, called


def _tables(
    settings: Settings, trunks: Trunks, rows: Rows
) -> Iterator[tuple[Location, Mapping[str, Value]]]:
    """Yield the tables that an agent's calls take variables from, each with its location.

    A variable that all of its numbers set themselves is taken from no other table.
    """
    tables = [set(row.table.variables) for _, row in rows]
    own = set.intersection(*tables) if tables else set()
    yield ("variables",), _without(settings.variables, own)
    for index, trunk in trunks:
        yield ("trunks", index, "variables"), _without(trunk.variables, own)
    for index, row in rows:
        yield ("numbers", index, "variables"), row.table.variables


def _without(table: Mapping[str, Value], names: set[str]) -> dict[str, Value]:
    return {name: value for name, value in table.items() if name not in names}


def _wrong(name: str, value: Value, declared: Declared) -> str:
    if name not in declared:
        return _UNDECLARED
    read = compile_variable(value)
    constant = default_value(read)
    if constant is None or coerce(constant, declared[name]) is not None:
        return ""
    filled = f" is {json.dumps(constant)} by default, which" if isinstance(read, tuple) else ""
    return f"{json.dumps(value)}{filled} is not a {declared[name]}, which the agent declares"
