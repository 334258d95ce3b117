"""Settings that another setting keeps from ever having an effect."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from sip_stager.config.checks.consistency import check_next_hop
from sip_stager.config.checks.fallback_agents import find_self_fallbacks
from sip_stager.config.checks.switched_off import find_unused
from sip_stager.config.errors import Finding, Location
from sip_stager.config.loading.valid_parts import ValidParts
from sip_stager.config.terms_by_trunk import all_policies, treatment_uris, trunk_terms
from sip_stager.model.vocabulary import TreatmentKind
from sip_stager.sip.uri import DEFAULT_PORT
from sip_stager.trunks.budget import MIN_BUDGET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sip_stager.config.tables.settings import Settings
    from sip_stager.config.terms_by_trunk import TrunkTerms


def find_settings_without_effect(settings: Settings) -> Iterator[Finding]:
    """Yield settings that cannot take effect; each message names the one that prevents it."""
    calls = tuple(trunk_terms(settings))
    yield from _find_unheard_ringing(calls)
    yield from _find_useless_margins(calls)
    yield from find_self_fallbacks(settings)
    yield from find_unused(settings)
    yield from _check_redirects(settings)
    yield from _find_long_delays(settings)
    yield from _find_hidden_limits(settings)


def _find_unheard_ringing(calls: Iterable[TrunkTerms]) -> Iterator[Finding]:
    """Yield settings of ringing that no caller of any trunk can hear."""
    found: dict[Location, Finding | None] = {}
    for entry in calls:
        for key in ("after_ringing", "ringing_delay"):
            if (place := entry.place(key)) is not None:
                useless = None if entry.rings else Finding(place, *_explain_silence(entry))
                # A setting that some calls use has an effect.
                found[place] = useless and found.get(place, useless)
    yield from filter(None, found.values())


def _explain_silence(entry: TrunkTerms) -> tuple[str, str]:
    """Return why calls with these terms never ring, and what would change that."""
    policy, ends = entry.terms.policy, entry.terms.limit()
    if not policy.ringing:
        place = entry.place("ringing")
        by = f' by profile = "{entry.trunk.profile}"' if place and place[-1] == "profile" else ""
        right = 'remove it, or write ringing = "180" beside it'
        return f'has no effect: ringing = "never"{by}', right
    wrong = (
        f"has no effect: ringing begins after {policy.ringing_delay:g} s, staging ends at {ends:g}"
    )
    return wrong, f"write a ringing_delay of less than {ends:g}, or remove it"


def _find_useless_margins(calls: Iterable[TrunkTerms]) -> Iterator[Finding]:
    """Yield margins that use up the whole time that the carrier waits for ringing."""
    found: dict[Location, Finding] = {}
    for entry in calls:
        terms, trunk = entry.terms, entry.trunk
        if terms.ringback_timeout is None or terms.limit() >= MIN_BUDGET:
            continue
        patience: Location = (*entry.trunk_location, "ringback_timeout")
        wrong = (
            f"leaves no time to stage: {terms.margin:g} s of the {terms.ringback_timeout:g} s that "
            f'the trunk "{trunk.name}" waits are reserved for forwarding'
        )
        place = entry.place("margin") or patience
        found[place] = Finding(place, wrong, "write a margin that is far below ringback_timeout")
    yield from found.values()


def _check_redirects(settings: Settings) -> Iterator[Finding]:
    """Yield redirect targets that no listener can send to, and those that are this program."""
    parts = ValidParts.of_settings(settings)
    for place, uri in treatment_uris(settings, TreatmentKind.REDIRECT):
        yield from check_next_hop(
            parts, place, uri.target, uri.port or DEFAULT_PORT, uri.transport.lower()
        )


def _find_long_delays(settings: Settings) -> Iterator[Finding]:
    """Yield delays that are longer than any call waits."""
    api = settings.api
    deadlines = [policy.deadline for _, policy in all_policies(settings) if policy.deadline]
    longest = max([api.deadline, *deadlines])
    if api.mode == "async" and api.poll_interval_min >= longest:
        wrong = f"is {api.poll_interval_min:g}, but no call waits longer than {longest:g} s"
        right = "write much less: a call counts as staged only once a poll says so"
        yield Finding(("api", "poll_interval_min"), wrong, right)
    # A default that does not fit is no mistake of the operator.
    if api.retries and "retry_delay" in api.model_fields_set and api.retry_delay >= longest:
        wrong = f"is {api.retry_delay:g}, but no call waits longer than {longest:g} s"
        right = "write much less, or retries = 0: no retry ever fits in"
        yield Finding(("api", "retry_delay"), wrong, right)


def _find_hidden_limits(settings: Settings) -> Iterator[Finding]:
    """Yield limits that another limit hides. A default that is hidden is no mistake."""
    limits, upstream, times_out = settings.limits, settings.upstream, 64 * settings.sip.t1
    pairs = (
        *pairwise(("connections_per_source", "connections_of_strangers", "connections")),
        ("datagrams_per_source", "datagrams_of_strangers"),
    )
    for key, wider in pairs:
        value, limit = getattr(limits, key), getattr(limits, wider)
        if key in limits.model_fields_set and value > limit:
            wrong = f"is {value}, more than {wider} = {limit}"
            yield Finding(("limits", key), wrong, f"write {limit} or less, or raise {wider}")
    if "calls_staging" in limits.model_fields_set and limits.calls_staging > limits.transactions:
        wrong = f"is {limits.calls_staging}, more than transactions = {limits.transactions}"
        right = "write less, or raise transactions: each call takes four of them"
        yield Finding(("limits", "calls_staging"), wrong, right)
    if "failover_timeout" in upstream.model_fields_set and upstream.failover_timeout >= times_out:
        wrong = f"is {upstream.failover_timeout:g}, but SIP itself gives up after {times_out:g} s"
        right = f"write less than {times_out:g} (64 times t1 of [sip])"
        yield Finding(("upstream", "failover_timeout"), wrong, right)
    timer_c = settings.sip.timer_c
    if "trying_timeout" in upstream.model_fields_set and upstream.trying_timeout >= timer_c:
        wrong = f"is {upstream.trying_timeout:g}, but a call may ring for {timer_c:g} s in all"
        right = f"write less than {timer_c:g} (timer_c of [sip])"
        yield Finding(("upstream", "trying_timeout"), wrong, right)
