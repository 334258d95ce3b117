"""Hooks for every test, wherever it lies: skips, order, and hypothesis without time limits."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.order", "tests.support.skips"]

settings.register_profile(
    "any machine",
    settings.default,  # in CI that is hypothesis' own profile for it
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any machine")
