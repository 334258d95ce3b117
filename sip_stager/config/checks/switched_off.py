"""Settings without an effect, because another setting switches off what they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sip_stager.config.errors import Finding
from sip_stager.config.tables.address_types import parse_ip, split_sip_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config.tables.numbers import AgentShare, Number
    from sip_stager.config.tables.settings import Settings


class _SwitchedOff(NamedTuple):
    """Keys of a table that have no effect, and why; a key at its default is no mistake."""

    table: str
    keys: tuple[str, ...]
    why: str
    right: str


def find_unused(settings: Settings) -> Iterator[Finding]:
    """Yield keys that are set and have no effect on any call."""
    for table, keys, why, right in _switched_off(settings):
        values = getattr(settings, table)
        for key in keys:
            if getattr(values, key) != type(values).model_fields[key].default:
                yield Finding((table, key), f"has no effect: {why}", f"{right}, or remove it")
    for index, row in enumerate(settings.numbers):  # a CSV has no such column
        yield from _find_in_number(index, row)


def _switched_off(settings: Settings) -> Iterator[_SwitchedOff]:
    api, upstream = settings.api, settings.upstream
    if api.key_file is not None:
        yield _SwitchedOff("api", ("key_env",), "key_file is read instead", "remove key_file")
    if api.mode == "sync":
        right = 'write mode = "async"'
        of_polls = "poll_interval_min", "poll_interval_max", "max_polls_per_second"
        yield _SwitchedOff("api", of_polls, 'mode = "sync" does not poll', right)
    if not api.retries:
        of_retries = "retry_delay", "retry_ambiguous"
        yield _SwitchedOff("api", of_retries, "retries = 0 allows no retry", "allow retries")
    if not api.claim_ttl:
        right = "write a claim_ttl of a few seconds"
        yield _SwitchedOff("api", ("after_hangup",), "claim_ttl = 0 reserves no staged call", right)
    if not (api.label or api.reconcile or api.terminate_wasted):
        right = "switch on label, reconcile or terminate_wasted"
        yield _SwitchedOff("api", ("aftercare_connections",), "nothing is sent after calls", right)
    addresses_only = all(parse_ip(split_sip_uri(uri)[0]) is not None for uri in upstream.uris)
    if addresses_only and not upstream.backups and not upstream.max_redirects:
        why = "there is no next address to try"
        of_failover = "failover_timeout", "trying_timeout", "one_platform"
        right = "add backups, or set max_redirects"
        yield _SwitchedOff("upstream", of_failover, why, right)
    if all(each.transport != "tcp" for each in settings.listeners):
        of_strangers = "connections_of_strangers", "connections_per_source"
        of_tcp = "connections", *of_strangers, "message_timeout", "idle_timeout"
        right = 'add [[listeners]] with transport = "tcp"'
        yield _SwitchedOff("limits", of_tcp, "no listener speaks TCP", right)


def _find_in_number(index: int, row: Number) -> Iterator[Finding]:
    if row.timezone and not any(each.timed for each in row.agents):
        wrong = "has no effect: no agent of the number has days or hours"
        yield Finding(("numbers", index, "timezone"), wrong, "add them, or remove it")
    for position, share in enumerate(row.agents):
        if share.weight != 1 and _answers_alone(share, row):
            wrong = "has no effect: no other agent of the number answers at that time"
            place = ("numbers", index, "agents", position, "weight")
            yield Finding(place, wrong, "add another agent, or remove it")


def _answers_alone(share: AgentShare, row: Number) -> bool:
    """Return True if no other agent shares the calls: agents with hours go before those without."""
    return sum(each.timed is share.timed for each in row.agents) == 1
