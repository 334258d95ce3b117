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
    """What logs and metrics call it."""
    networks: Annotated[tuple[TrunkNetwork, ...], Field(min_length=1)]
    """The addresses and networks that its calls come from."""
    profile: ProfileName | None = None
    """Which carrier it is: sets the defaults of `pass_503`, `ringback_timeout` and `policy` to
    what is known of that carrier."""
    country: Country | None = None
    """ISO 3166 alpha-2: how to read numbers that the carrier sends in national form."""
    called: Annotated[tuple[CalledSource, ...], Field(min_length=1), Distinct] = ("request_uri",)
    """Where the called number stands; the first of them that can be read counts."""
    strip: Annotated[tuple[NumberPrefix, ...], Distinct] = ()
    """What the carrier writes ahead of called numbers and is no part of them."""
    caller: Annotated[tuple[CallerSource, ...], Field(min_length=1), Distinct] = (
        "p_asserted_identity",
        "remote_party_id",
        "from",
    )
    """Where the caller's number stands; the first of them with a valid number counts."""
    pass_private_number: bool = False
    """Whether the API is told the number of a caller who withholds it, where it is in the INVITE;
    else it gets the stand-in number."""
    pass_503: bool = _of_profile("pass_503", default=False)
    """Whether a 503 of the upstream goes back as it is; else as a 500, because to a carrier a 503
    says that this program takes no calls at all (RFC 3261 16.7)."""
    ringback_timeout: Seconds | None = _of_profile("ringback_timeout", default=None)
    """How long it waits for a 180 or 183 before it hangs up, in seconds (Telnyx: 5)."""
    policy: CallPolicy = CallPolicy()
    """What becomes of its calls while they are staged, and when they cannot be."""
    variables: Variables = Field(default_factory=dict)
    """What agents are told of its calls: constants and templates by their names."""

    @property
    def carrier(self) -> Profile:
        """The profile of its carrier."""
        return PROFILES[self.profile]

    @property
    def policies(self) -> tuple[CallPolicy, CallPolicy]:
        """The policy of the trunk, and after it that of its profile."""
        return self.policy, self.carrier.policy
