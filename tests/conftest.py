"""How every test is run: no example of hypothesis has a time limit, for a machine may be slow."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "any machine",
    settings.default,  # in CI that is hypothesis' own profile for it
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any machine")
