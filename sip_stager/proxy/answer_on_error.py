"""The last resort for errors of our own: they must not leave a caller without a response."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Protocol, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable

Arguments = TypeVarTuple("Arguments")


class Answering(Protocol):
    """An object that owes a caller a response."""

    def respond_internal_error(self) -> None:
        """Answer the caller 500, if there was no final response yet."""


A = TypeVar("A", bound=Answering)


def answer_on_error(method: Callable[[A, *Arguments], None]) -> Callable[[A, *Arguments], None]:
    """Decorate a last-chance callback: if it raises, answer the caller 500, and raise again.

    No other event of the transaction would follow, so the caller would wait for ever.
    """

    @wraps(method)
    def wrapper(self: A, /, *arguments: *Arguments) -> None:
        try:
            method(self, *arguments)
        except Exception:
            self.respond_internal_error()
            raise

    return wrapper
