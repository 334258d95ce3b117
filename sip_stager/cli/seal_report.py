"""What the seal's lifetime and key mean for calls, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config import Settings


def describe_seal(settings: Settings) -> Iterator[Text]:
    """Yield how long a call can last, and what a new API key does to calls that are up."""
    hours = settings.seal.lifetime / 3600
    yield Text(
        f"A call lasts {hours:g} hours at most: its seal cannot be renewed, and a request that "
        "comes later gets 481 ([seal] lifetime)."
    )
    if settings.has_seal_key:
        yield Text("The seal has a key of its own: a new API key ends no call.")
    else:
        yield Text(
            "The seal's key is made from the API key: after a new API key and a restart, a "
            "hang-up does not reach the other side of the calls that are up. Set [seal] key_file, "
            "or run as a systemd unit with StateDirectory=, which keeps a key."
        )
