"""A queue of waiters that is fair between tenants, and between the groups of each tenant.

Theory of operation.  The slots of a pool are a scarce good.  A tenant that asks for many, or whose
requests take long, must not keep another one waiting for more than its share.  So the next slot
goes, by max-min fairness, to

1. the tenant that holds the fewest slots, of those that wait;
2. of its groups that wait, the one that holds the fewest;
3. the waiter of that group that came first.

Of several with the same number the one that has waited longest since its last turn goes first, so
that they take turns::

    tenant    holds   groups that wait
    A         18      A/1 (holds 16, 40 waiters), A/2 (holds 2, 1 waiter)
    B          2      B/3 (holds 2, 3 waiters)        <- the next slot, then A/2 or B/3, ...

Each step costs the same, however many wait: keys are in buckets by the number of slots that they
hold.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from sip_stager.http_client.waiters import Waiters

if TYPE_CHECKING:
    from collections.abc import Callable

K = TypeVar("K")


class Share(NamedTuple):
    """The tenant that a request is for, and the group of the tenant's requests it belongs to."""

    tenant: str = ""
    group: str = ""


class SlotsHeld:
    """The number of slots that each tenant and each of its groups hold."""

    def __init__(self) -> None:
        self.by_tenant: dict[str, int] = {}
        self.by_share: dict[Share, int] = {}

    def add(self, share: Share, step: int) -> None:
        """Count a slot that is taken (1) or released (-1)."""
        by_tenant, by_share, tenant = self.by_tenant, self.by_share, share[0]
        of_tenant, of_share = by_tenant.get(tenant, 0) + step, by_share.get(share, 0) + step
        if of_share:
            by_share[share] = of_share
        else:
            del by_share[share]
        if of_tenant:
            by_tenant[tenant] = of_tenant
        else:
            del by_tenant[tenant]


class LeastHeld(Generic[K]):
    """Keys that wait, those that hold the fewest slots first."""

    def __init__(self, held: dict[K, int]) -> None:
        self._held = held
        self._bucket_of: dict[K, int] = {}
        self._buckets: dict[int, OrderedDict[K, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._bucket_of)

    def __contains__(self, key: K) -> bool:
        return key in self._bucket_of

    def add(self, key: K) -> None:
        """Add a key that waits."""
        count = self._bucket_of[key] = self._held.get(key, 0)
        bucket = self._buckets.get(count)
        if bucket is None:
            bucket = self._buckets[count] = OrderedDict()
        bucket[key] = None

    def discard(self, key: K) -> None:
        """Remove a key that waits no longer."""
        count = self._bucket_of.pop(key)
        bucket = self._buckets[count]
        del bucket[key]
        if not bucket:
            del self._buckets[count]

    def update(self, key: K) -> None:
        """Move a key after the slots that it holds have changed; harmless if it does not wait."""
        if key in self._bucket_of:
            self.discard(key)
            self.add(key)

    def first(self) -> K:
        """Return the key whose turn it is."""
        return next(iter(self._buckets[min(self._buckets)]))


class FairQueue:
    """Waiters by their share; ``held`` is kept by whoever hands out the slots."""

    def __init__(self, held: SlotsHeld) -> None:
        self._held = held
        self._tenants = LeastHeld(held.by_tenant)
        self._shares: dict[str, LeastHeld[Share]] = {}  # by tenant
        self._waiters: dict[Share, Waiters] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiters.values()))

    def __bool__(self) -> bool:
        return bool(self._waiters)

    def join(self, share: Share) -> Waiters:
        """Return the waiters of a share; whoever joins them calls ``leave`` afterwards."""
        waiters = self._waiters.get(share)
        if waiters is None:
            waiters = self._waiters[share] = Waiters()
            if share.tenant not in self._shares:
                self._shares[share.tenant] = LeastHeld(self._held.by_share)
                self._tenants.add(share.tenant)
            self._shares[share.tenant].add(share)
        return waiters

    def leave(self, share: Share, waiters: Waiters) -> None:
        """Drop the waiters of a share if they were the last."""
        if not waiters and self._waiters.get(share) is waiters:
            self._drop(share)

    def wake_first(self, may_take: Callable[[Share], bool]) -> Share | None:
        """Wake the waiter whose turn it is, and return its share.

        None if there is none, or its share may not take a slot now: nor may any that holds more.
        """
        while self._waiters:
            share = self._shares[self._tenants.first()].first()
            if not may_take(share):
                return None
            waiters = self._waiters[share]
            woken = waiters.wake_first()
            self.leave(share, waiters)
            if woken:
                return share
        return None

    def update(self, share: Share) -> None:
        """Account for a change in the slots that a share holds."""
        if (shares := self._shares.get(share.tenant)) is not None:
            self._tenants.update(share.tenant)
            shares.update(share)

    def take_all(self, group: str | None = None) -> Waiters:
        """Return all waiters, or those of a group of whichever tenant, as one; none is left."""
        taken = Waiters()
        for share, waiters in tuple(self._waiters.items()):
            if group is None or share.group == group:
                taken.take_over(waiters)
                self._drop(share)
        return taken

    def _drop(self, share: Share) -> None:
        del self._waiters[share]
        shares = self._shares[share.tenant]
        shares.discard(share)
        if not shares:
            del self._shares[share.tenant]
            self._tenants.discard(share.tenant)
