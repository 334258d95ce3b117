"""Construction of staging from the settings: the API's clients, and all that uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.assembly.trunks import make_terms
from sip_stager.config.mentioned_agents import locate_agents
from sip_stager.platform.agent_watch import MAX_AGENT_BYTES, MAX_PARALLEL, AgentWatch
from sip_stager.platform.api import RoundedApi
from sip_stager.platform.number_list import MAX_PAGE_BYTES
from sip_stager.platform.number_watch import NumberWatch
from sip_stager.staging.aftercare import Aftercare
from sip_stager.staging.breaker import BreakerRules
from sip_stager.staging.claims import Claims
from sip_stager.staging.retry import Retries
from sip_stager.staging.stager import ApiStager

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sip_stager.config import Settings
    from sip_stager.http_client import Names
    from sip_stager.platform.agent import Declared
    from sip_stager.platform.rate_limit import RateLimit
    from sip_stager.ports import Clock, Notify
    from sip_stager.trunks.platform_numbers import PlatformNumbers


def make_api(settings: Settings, declared: Mapping[str, Declared], names: Names) -> RoundedApi:
    """Make the API client for calls; ``declared`` has the variables of the agents by their ids."""
    return _client(settings, settings.api.connections, settings.api.max_body_bytes, names, declared)


def make_agent_watch(settings: Settings, notify: Notify, names: Names) -> AgentWatch:
    """Make the watch over the mapped agents, with a client of its own."""
    client = _client(settings, MAX_PARALLEL, MAX_AGENT_BYTES, names)
    return AgentWatch(client, locate_agents(settings), notify, settings.api.agents_refresh_interval)


def make_list_api(settings: Settings, names: Names | None = None) -> RoundedApi:
    """Make the API client for the list of the platform's numbers."""
    return _client(settings, 1, MAX_PAGE_BYTES, names)


def make_number_watch(
    settings: Settings, notify: Notify, apply: Callable[[PlatformNumbers], None], names: Names
) -> NumberWatch:
    """Make the watch over the platform's numbers; ``apply`` is called with each new list."""
    api = make_list_api(settings, names)
    return NumberWatch(api, notify, apply, settings.api.numbers_refresh_interval)


def make_stager(
    settings: Settings, api: RoundedApi, notify: Notify, agents: AgentWatch
) -> ApiStager:
    """Make the stager that sends each call to the API; ``agents`` are those that calls are for."""
    wanted = settings.api
    return ApiStager(
        api,
        notify,
        mode=wanted.mode,
        poll_interval_min=wanted.poll_interval_min,
        poll_interval_max=wanted.poll_interval_max,
        max_polls_per_second=wanted.max_polls_per_second,
        retries=Retries(wanted.retries, wanted.retry_delay, wanted.retry_ambiguous),
        breaker=make_breaker_rules(settings),
        agents=lambda: agents.count,
    )


def make_breaker_rules(settings: Settings) -> BreakerRules:
    """Make the rules by which the circuit breaker opens."""
    wanted, terms = settings.api, make_terms(settings)
    shortest = min(
        (terms(trunk.name, "").limit() for trunk in settings.trunks), default=wanted.deadline
    )
    # A timeout counts only if the API had the call for long enough.  That is never more than a
    # quarter of the shortest deadline: else no call of that trunk could prove anything, where a
    # fallback agent has but half of the deadline, and our queue takes its share.
    return BreakerRules(
        wanted.breaker_failure_ratio,
        wanted.breaker_window,
        wanted.breaker_min_calls,
        wanted.breaker_open_time,
        wanted.breaker_open_time_max,
        min(wanted.breaker_slow_call, shortest / 4),
    )


def make_claims(settings: Settings, staging: ApiStager, clock: Clock, notify: Notify) -> Claims:
    """Make the stager of the core, which reuses staged calls that were not used."""
    api = settings.api
    return Claims(staging, clock, notify, api.claim_ttl, finish=api.after_hangup == "keep")


def make_aftercare(
    settings: Settings, calls_limit: RateLimit, notify: Notify, names: Names
) -> Aftercare:
    """Make the observer that labels, reconciles and terminates calls, with a client of its own."""
    wanted = settings.api
    return Aftercare(
        _client(settings, wanted.aftercare_connections, wanted.max_body_bytes, names),
        calls_limit,
        notify,
        connections=wanted.aftercare_connections,
        label=wanted.label,
        reconcile=wanted.reconcile,
        terminate=wanted.terminate_wasted,
    )


def _client(
    settings: Settings,
    connections: int,
    max_body_bytes: int,
    names: Names | None,
    declared: Mapping[str, Declared] | None = None,
) -> RoundedApi:
    """Make a client with connections of its own, so that no other work takes any from calls."""
    api = settings.api
    return RoundedApi(
        api.base_url,
        api.key,
        connections=connections,
        max_body_bytes=max_body_bytes,
        declared=declared,
        names=names,
        max_hold=api.rate_limit_hold_max,
        max_age=api.connection_age_max,
    )
