"""The settings: one TOML file, checked as a whole before anything starts.

``load`` either returns settings that can be used or raises all mistakes at once.
"""

from sip_stager.config.errors import Mistake, SettingsError
from sip_stager.config.loading.load import load
from sip_stager.config.tables.api import Api
from sip_stager.config.tables.numbers import AgentShare, MappedNumber, Number
from sip_stager.config.tables.peers import Listener, Upstream
from sip_stager.config.tables.settings import Http, Limits, Log, Settings, Sip
from sip_stager.config.tables.trunk import Trunk

__all__ = [
    "AgentShare",
    "Api",
    "Http",
    "Limits",
    "Listener",
    "Log",
    "MappedNumber",
    "Mistake",
    "Number",
    "Settings",
    "SettingsError",
    "Sip",
    "Trunk",
    "Upstream",
    "load",
]
