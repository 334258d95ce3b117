"""What a mistake of ours must not do: leave a caller without an answer for ever."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")


class Breakable(Protocol):
    """Something that a caller waits for."""

    def break_off(self) -> None:
        """Answer the caller that we failed."""


B = TypeVar("B", bound=Breakable)


def answered(event: Callable[Concatenate[B, P], None]) -> Callable[Concatenate[B, P], None]:
    """Have an event that nothing comes after answer the caller even where it raises."""

    @wraps(event)
    def told(self: B, /, *arguments: P.args, **named: P.kwargs) -> None:
        try:
            event(self, *arguments, **named)
        except Exception:
            self.break_off()
            raise

    return told
