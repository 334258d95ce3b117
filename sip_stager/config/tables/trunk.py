"""The table ``[[trunks]]``."""

from typing import Annotated, Any

from pydantic import Field

from sip_stager.config.tables.address_types import TrunkNetwork
from sip_stager.config.tables.carrier_profiles import PROFILES, Profile, ProfileName
from sip_stager.config.tables.field_types import (
    CalledSource,
    CallerSource,
    Country,
    Distinct,
    NumberPrefix,
    Seconds,
    TrunkName,
)
from sip_stager.config.tables.policy import CallPolicy
from sip_stager.config.tables.table import Table
from sip_stager.config.tables.variables import Variables


def _of_profile(key: str, *, default: object) -> Any:
    """Return a field whose default is that of the profile; a mistaken profile sets nothing."""

    def value(trunk: dict[str, Any]) -> object:
        return PROFILES[trunk.get("profile")].keys.get(key, default)

    return Field(default_factory=value)


class Trunk(Table):
    """A carrier that may send calls, recognized by source address."""

    name: TrunkName
    """The name of the trunk in logs and metrics."""
    networks: Annotated[tuple[TrunkNetwork, ...], Field(min_length=1)]
    """The source addresses and networks of its calls."""
    profile: ProfileName | None = None
    """The carrier; it sets the defaults of `pass_503`, `ringback_timeout` and `policy`."""
    country: Country | None = None
    """ISO 3166 alpha-2: how to read numbers in national form."""
    called: Annotated[tuple[CalledSource, ...], Field(min_length=1), Distinct] = ("request_uri",)
    """The sources of the called number; the first that can be read counts."""
    strip: Annotated[tuple[NumberPrefix, ...], Distinct] = ()
    """Prefixes that the carrier writes before called numbers and that are no part of them."""
    caller: Annotated[tuple[CallerSource, ...], Field(min_length=1), Distinct] = (
        "p_asserted_identity",
        "remote_party_id",
        "from",
    )
    """The sources of the caller's number; the first with a valid number counts."""
    pass_private_number: bool = False
    """True: give API and upstream the number of an anonymous caller, if the INVITE has it."""
    pass_503: bool = _of_profile("pass_503", default=False)
    """True: pass a 503 of the upstream as it is. A 500 otherwise, because a 503 tells the carrier
    that this program takes no calls (RFC 3261 16.7)."""
    ringback_timeout: Seconds | None = _of_profile("ringback_timeout", default=None)
    """Seconds that the carrier waits for a 180 or 183 before it hangs up (Telnyx: 5)."""
    policy: CallPolicy = CallPolicy()
    """What happens to its calls while they are staged, and when they cannot be."""
    variables: Variables = Field(default_factory=dict)
    """Variables for its calls: constants and templates by name."""

    @property
    def carrier(self) -> Profile:
        """The profile of its carrier."""
        return PROFILES[self.profile]

    @property
    def policies(self) -> tuple[CallPolicy, CallPolicy]:
        """The policy of the trunk, and after it that of its profile."""
        return self.policy, self.carrier.policy
