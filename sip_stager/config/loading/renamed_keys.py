"""Keys that had another name before the first release, so that old files can be corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip_stager.config.errors import Location

RENAMED = {
    "api": {
        "poll_first": "poll_interval_min",
        "poll_most": "poll_interval_max",
        "retry_pause": "retry_delay",
        "breaker_share": "breaker_failure_ratio",
        "breaker_least": "breaker_min_calls",
        "breaker_slow": "breaker_slow_call",
        "breaker_pause": "breaker_open_time",
        "breaker_pause_most": "breaker_open_time_max",
        "body_most": "max_body_bytes",
        "claim_life": "claim_ttl",
        "agents_refresh": "agents_refresh_interval",
        "numbers_refresh": "numbers_refresh_interval",
    },
    "upstream": {"next_after": "failover_timeout", "redirects": "max_redirects"},
    "trunks": {
        "no_ringback_timeout": "ringback_timeout",
        "pass_withheld": "pass_private_number",
    },
    "policy": {
        "over_time": "timeout",
        "unreachable": "api_unreachable",
        "nonsense": "invalid_response",
        "ring_after": "ringing_delay",
    },
    "limits": {
        "message_time": "message_timeout",
        "idle": "idle_timeout",
        "drain": "drain_timeout",
    },
}
"""The new name of each old key, by table."""


def new_name(location: Location) -> str:
    """Return the new name of the key at a location; empty if it never had another one."""
    # A policy is a table of its own, or stands in a trunk or a number.
    table = "policy" if "policy" in location[:-1] else str(location[0])
    return RENAMED.get(table, {}).get(str(location[-1]), "") if len(location) > 1 else ""
