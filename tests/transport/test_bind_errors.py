from __future__ import annotations

import errno

import pytest

from sip_stager.config import Listener
from sip_stager.transport.bind_errors import BindErrors

LISTENER = Listener(address="192.0.2.7", port=60)


def refuse(errors: BindErrors, what: str, number: int) -> None:
    with errors.gather(what, LISTENER):
        raise OSError(number, "as the system says it")


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "Permission denied; set a port from 1024 on, or let the program take"),
        (errno.EADDRNOTAVAIL, "Cannot assign requested address; no interface of this machine has"),
        (errno.EADDRINUSE, "Address already in use; stop the program that uses it"),
        (errno.EAFNOSUPPORT, "not supported by protocol; set another address or port"),
    ],
)
def test_each_error_has_the_advice_that_helps(number: int, advice: str) -> None:
    errors = BindErrors()
    refuse(errors, "listeners[0] (udp)", number)
    with pytest.raises(OSError, match=advice) as raised:
        errors.raise_all()
    assert raised.value.errno == number
    assert (raised.value.strerror or "").startswith(
        "listeners[0] (udp): cannot listen on 192.0.2.7 port 60: "
    )


def test_all_errors_are_raised_at_once() -> None:
    errors = BindErrors()
    for name in ("one", "two"):
        refuse(errors, name, errno.EADDRINUSE)
    with pytest.raises(OSError, match=r"one: .*\ntwo: "):
        errors.raise_all()


def test_an_address_that_can_be_bound_is_no_error() -> None:
    errors = BindErrors()
    with errors.gather("[http]", LISTENER):
        pass
    assert not errors
    errors.raise_all()
