"""The listener that requests for the upstream leave by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.assembly.core import make_upstream
from tests.config.settings_folder import KEY, RIGHT, Folder

if TYPE_CHECKING:
    from pathlib import Path


def test_the_listener_of_the_settings_is_found_for_each_transport(tmp_path: Path) -> None:
    more = "".join(
        f'[[listeners]]\ntransport = "{transport}"\naddress = "{address}"\n'
        for transport, address in (("tcp", "127.0.0.1"), ("udp", "127.0.0.2"), ("tcp", "127.0.0.2"))
    )
    for wanted, leaving in (("", {}), ('listener = "127.0.0.2"\n', {"UDP": 2, "TCP": 3})):
        text = RIGHT.replace("[upstream]\n", f"[upstream]\n{wanted}").replace(
            "[api]\n", f"{more}[api]\n", 1
        )
        settings = Folder(tmp_path).load(text, ROUNDED_API_KEY=KEY)
        assert make_upstream(settings).leaving == leaving
