"""The base of both server machines: the number that tells it from others of its branch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.transaction.base import Store, Transaction

if TYPE_CHECKING:
    from collections.abc import Hashable


class AnsweringServer(Transaction):
    """A server transaction; ``cseq_number`` is that of its request."""

    __slots__ = ("cseq_number",)

    cseq_number: int | None

    def move(self, store: Store, key: Hashable) -> None:
        """Change the place that the transaction leaves when it ends."""
        self._store.pop(self.key, None)
        self._store, self.key = store, key
