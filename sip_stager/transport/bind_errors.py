"""The errors of addresses that cannot be listened on, each with advice."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config import Http, Listener

ADVICE = {
    errno.EACCES: (
        "set a port from 1024 on, or let the program take lower ones: as a service with the three"
        " lines on CAP_NET_BIND_SERVICE in deploy/sip-stager.service, elsewhere with"
        " `sysctl net.ipv4.ip_unprivileged_port_start=0`"
    ),
    errno.EADDRNOTAVAIL: (
        "no interface of this machine has the address: set one that it has, and write the public"
        " one into `advertise`"
    ),
    errno.EADDRINUSE: (
        "stop the program that uses it, perhaps another sip-stager, or set another address or port"
    ),
}
_OTHER_ADVICE = "set another address or port"


class BindErrors:
    """Gathers bind errors, so that the operator sees all of them at once."""

    def __init__(self) -> None:
        self._numbers: list[int | None] = []
        self._lines: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._numbers)

    @contextmanager
    def gather(self, setting: str, where: Listener | Http) -> Iterator[None]:
        """Keep an ``OSError`` as a line that names the setting, the reason and what to do."""
        try:
            yield
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            advice = ADVICE.get(error.errno or 0, _OTHER_ADVICE)
            place = f"{where.address} port {where.port}"
            self._lines.append(f"{setting}: cannot listen on {place}: {why}; {advice}")
            self._numbers.append(error.errno)

    def raise_all(self) -> None:
        """Raise one ``OSError`` with a line of ``strerror`` for each error, if there are any."""
        if self._numbers:
            raise OSError(self._numbers[0], "\n".join(self._lines))
