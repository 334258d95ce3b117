"""The TLS settings of connections that were given none."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

import certifi


def default_context() -> ssl.SSLContext:
    """Return a context that verifies certificates against certifi's list.

    The environment's ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` replaces the list, as it does for
    OpenSSL: an API behind a certificate authority of one's own needs nothing else.
    """
    return _context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=4)
def _context(file: str | None, directory: str | None) -> ssl.SSLContext:
    # Reading the list takes 20 ms, so the clients of a program share one context.
    if file:
        return ssl.create_default_context(cafile=file)
    if directory:
        return ssl.create_default_context(capath=directory)
    return ssl.create_default_context(cafile=certifi.where())
