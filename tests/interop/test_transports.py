"""Different transports and address families on our two sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.needed import need_ipv6

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

IPV4, IPV6 = "127.0.0.1", "::1"
SIDES = [
    pytest.param(*each, id=" ".join(each))
    for each in (
        ("udp", IPV4, "tcp", IPV4),
        ("tcp", IPV4, "udp", IPV4),
        ("udp", IPV6, "udp", IPV4),
        ("udp", IPV4, "udp", IPV6),
        ("tcp", IPV6, "udp", IPV4),
    )
]


@pytest.mark.parametrize(("incoming", "address", "outgoing", "upstream"), SIDES)
def test_both_ends_reach_each_other_through_two_record_routes(
    scene: Scene, incoming: str, address: str, outgoing: str, upstream: str
) -> None:
    """RFC 5658: one Record-Route for each side, the upstream's on top; popped together."""
    if IPV6 in {address, upstream}:
        need_ipv6()
    scene.start(address=address, upstream_address=upstream, upstream_transport=outgoing)
    callee = scene.callee("< INVITE; 180; 200; < ACK; UPDATE; < 200; < UPDATE; 200; < BYE; 200")
    caller = scene.caller(
        "INVITE; < 100; < 180; < 200; ACK; < UPDATE; 200; UPDATE; < 200; BYE; < 200",
        transport=incoming,
    )
    caller.finish()
    callee.finish()
    (invite,) = callee.received("INVITE")
    recorded = [each for value in invite.values("Record-Route") for each in value.split(", ")]
    assert [(side(each), host_of(each)) for each in recorded] == [
        (outgoing, upstream),
        (incoming, address),
    ]
    for request in callee.received("BYE") + callee.received("UPDATE") + caller.received("UPDATE"):
        assert request.values("Route") == []
        assert len(request.values("Via")) == 2


def side(route: str) -> str:
    """Return the transport of a Record-Route value."""
    return "tcp" if ";transport=tcp" in route else "udp"


def host_of(route: str) -> str:
    """Return the host of a Record-Route value, no brackets."""
    host_port = route.strip("<>").partition("sip:")[2].partition(";")[0].rpartition("@")[2]
    return host_port.rpartition(":")[0].strip("[]")
