"""Hooks for every test, wherever it lies: skips, order, and hypothesis without time limits."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.support.order", "tests.support.skips"]

settings.register_profile(
    "any machine",
    settings.default,  # in CI that is hypothesis' own profile for it
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("any machine")

# Whoever runs the tests may have ignored SIGHUP, as nohup does.  The programs that the tests start
# would inherit that, and never reload.
for _number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)
