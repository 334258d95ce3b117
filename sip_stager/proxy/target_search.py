"""The search through the target set of an INVITE: one after another, redirections included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.proxy.request_forwarding import max_breadth, with_max_breadth
from sip_stager.proxy.target_set import follow_redirect

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sip_stager.model.flow import Flow
    from sip_stager.proxy.request_forwarding import Routed
    from sip_stager.proxy.target_set import Failover
    from sip_stager.sip.message import Response


class TargetSearch:
    """The targets that are left, and those that were tried.

    ``failover`` says when the next target is tried, if there is one.  At most ``max_redirects``
    Contacts of 3xx responses are tried.
    """

    __slots__ = ("_failover", "_redirects", "left", "tried")

    def __init__(
        self,
        targets: Iterable[Routed],
        failover: Failover | None = None,
        max_redirects: int = 0,
    ) -> None:
        self.left = list(targets)  # a deque takes 600 bytes more
        self.tried: list[Routed] = []
        self._failover = failover
        self._redirects = max_redirects

    @property
    def failover(self) -> Failover | None:
        """When the next target is tried; None if there is none."""
        return self._failover if self.left else None

    @property
    def on_one_platform(self) -> bool:
        """True if all targets are one platform, which recognizes a staged id that it got before."""
        return self._failover is not None and self._failover.one_platform

    def take_next(self) -> Routed:
        """Return the next target, which counts as tried."""
        target = self.left.pop(0)
        self.tried.append(target)
        return target

    def add_addresses(self, routed: Routed, further: Sequence[Flow]) -> Routed:
        """Try the other addresses of a name next; return the request for the first one.

        Each gets its part of Max-Breadth: after a failover two are pending (RFC 5393 5.3.3).
        """
        further = further[: max_breadth(routed.request) - 1]
        if further:
            routed = routed._replace(request=with_max_breadth(routed.request, 1 + len(further)))
            self.left[:0] = [routed._replace(flow=flow) for flow in further]
        return routed

    def end_addresses(self) -> None:
        """Try no other address of the name that has answered: it speaks for all of them.

        RFC 3263 4.3: only a 503, silence and a failure of the transport lead to the next address.
        """
        name = self.tried[-1].next_hop
        while self.left and self.left[0].next_hop is name:
            del self.left[0]

    def redirect(self, response: Response) -> tuple[bool, Response | None]:
        """Try the Contacts of a 3xx next (RFC 3261 16.7 step 4).

        Return True if there are any, and the response with those that we cannot try, if any.
        """
        known = [one.request.uri for one in (*self.tried, *self.left)]
        found, rest = follow_redirect(response, self.tried[-1], known, self._redirects)
        self._redirects -= len(found)
        self.left[:0] = found
        return bool(found), rest

    def end(self) -> None:
        """Try no other target, and no Contact either."""
        self.left.clear()
        self._redirects = 0
