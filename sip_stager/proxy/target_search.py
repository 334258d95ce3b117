"""The search through the target set of an INVITE: one after another, redirections included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.proxy.target_set import follow_redirect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sip_stager.proxy.request_forwarding import Routed
    from sip_stager.sip.message import Response


class TargetSearch:
    """The targets that are left, and those that were tried.

    After ``failover_timeout`` seconds of silence the next target is tried, if there is one.  At
    most ``max_redirects`` Contacts of 3xx responses are tried.
    """

    __slots__ = ("_failover_timeout", "_redirects", "left", "tried")

    def __init__(
        self,
        targets: Iterable[Routed],
        failover_timeout: float | None = None,
        max_redirects: int = 0,
    ) -> None:
        self.left = list(targets)  # a deque takes 600 bytes more
        self.tried: list[Routed] = []
        self._failover_timeout = failover_timeout
        self._redirects = max_redirects

    @property
    def failover_timeout(self) -> float | None:
        """The seconds of silence after which to try the next target; None if there is none."""
        return self._failover_timeout if self.left else None

    def take_next(self) -> Routed:
        """Return the next target, which counts as tried."""
        target = self.left.pop(0)
        self.tried.append(target)
        return target

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
