"""What an operator is told where addresses of the settings can not be listened on."""

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
        "end what uses it, another sip-stager perhaps, or set another address or port"
    ),
}
_OTHER_ADVICE = "set another address or port"


class BindErrors:
    """Gathers the addresses that can not be had, so that all are told at once."""

    def __init__(self) -> None:
        self._errors: list[int | None] = []
        self._words: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._errors)

    @contextmanager
    def gather(self, what: str, where: Listener | Http) -> Iterator[None]:
        """Keep an ``OSError`` with the words of what can not be had, and what to do."""
        try:
            yield
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            advice = ADVICE.get(error.errno or 0, _OTHER_ADVICE)
            place = f"{where.address} port {where.port}"
            self._words.append(f"{what}: cannot listen on {place}: {why}; {advice}")
            self._errors.append(error.errno)

    def raise_all(self) -> None:
        """Raise an ``OSError``, with a line of ``strerror`` for each address, if there is any."""
        if self._errors:
            raise OSError(self._errors[0], "\n".join(self._words))
