"""Events of the settings while the program runs."""

from __future__ import annotations

from dataclasses import dataclass

from sip_stager.model.vocabulary import ReloadOutcome


@dataclass(frozen=True, slots=True)
class SettingsReloaded:
    """The settings were read again.

    ``problems`` say why the former ones stay in force, each with its file, its line and the remedy.
    ``restart`` has the keys whose new values need a restart; ``warnings`` are those of
    ``check``.
    """

    outcome: ReloadOutcome
    seconds: float
    trunks: int
    numbers: int
    problems: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
