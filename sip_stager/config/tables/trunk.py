"""The table ``[[trunks]]``."""

from functools import cached_property
from typing import Annotated, Any

from pydantic import Field

from sip_stager.config.tables.address_types import TrunkNetwork
from sip_stager.config.tables.base_table import Table
from sip_stager.config.tables.carrier_profiles import PROFILES, Profile, ProfileName
from sip_stager.config.tables.field_types import (
    CalledSource,
    CallerSource,
    Count,
    Country,
    Distinct,
    NumberPrefix,
    Seconds,
    TrunkName,
)
from sip_stager.config.tables.policy import CallPolicy
from sip_stager.config.tables.variables import Variables


def _default_of_profile(key: str, *, default: object) -> Any:
    """Return a field whose default is that of the profile; a mistaken profile sets nothing."""

    def value(trunk: dict[str, Any]) -> object:
        return PROFILES[trunk.get("profile")].keys.get(key, default)

    return Field(default_factory=value)


class Trunk(Table):
    """A carrier that may send calls, recognized by source address."""

    name: TrunkName
    networks: Annotated[tuple[TrunkNetwork, ...], Field(min_length=1)]
    profile: ProfileName | None = None
    country: Country | None = None
    called: Annotated[tuple[CalledSource, ...], Field(min_length=1), Distinct] = ("request_uri",)
    strip: Annotated[tuple[NumberPrefix, ...], Distinct] = ()
    caller: Annotated[tuple[CallerSource, ...], Field(min_length=1), Distinct] = (
        "p_asserted_identity",
        "remote_party_id",
        "from",
    )
    pass_private_number: bool = False
    pass_503: bool = _default_of_profile("pass_503", default=False)
    options_503: Annotated[bool, Field(strict=True)] = False
    nat: Annotated[bool, Field(strict=True)] | None = None
    ringback_timeout: Seconds | None = _default_of_profile("ringback_timeout", default=None)
    max_calls: Count | None = None
    max_calls_per_second: Count | None = None
    policy: CallPolicy = CallPolicy()
    variables: Variables = Field(default_factory=dict)

    @property
    def carrier(self) -> Profile:
        """The profile of its carrier."""
        return PROFILES[self.profile]

    @cached_property
    def stand_ins(self) -> frozenset[str]:
        """The numbers that its carrier sends for callers without one."""
        return self.carrier.stand_ins

    @property
    def policies(self) -> tuple[CallPolicy, CallPolicy]:
        """The policy of the trunk, and after it that of its profile."""
        return self.policy, self.carrier.policy
