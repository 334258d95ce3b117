"""A trunk like that of the settings, and the real admission of it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from sip_stager.trunks.admission import TrunkAdmission
from tests.support.fakes import on_terms
from tests.support.mapping import mapped

if TYPE_CHECKING:
    from collections.abc import Mapping

ANONYMOUS = "+10000000000"


@dataclass(frozen=True)
class Trunk:
    """A trunk for admission (``trunks.admission.TrunkConfig``), with the settings' defaults."""

    name: str
    networks: tuple[IPv4Network | IPv6Network, ...]
    country: str | None = None
    called: tuple[str, ...] = ("request_uri",)
    strip: tuple[str, ...] = ()
    caller: tuple[str, ...] = ("p_asserted_identity", "remote_party_id", "from")
    pass_private_number: bool = False
    pass_503: bool = False
    stand_ins: frozenset[str] = frozenset()
    options_503: bool = False
    nat: bool | None = None


def admission_of(agents: Mapping[str, str]) -> TrunkAdmission:
    """Return the real admission, with one trunk: the network of alice and bob."""
    trunk = Trunk("trunk", (IPv4Network("192.0.2.0/24"),), "FR")
    return TrunkAdmission([trunk], mapped(agents), on_terms, ANONYMOUS)
