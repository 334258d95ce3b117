"""The TLS settings of connections that were given none."""

from __future__ import annotations

import os
import ssl

import certifi


def default_context() -> ssl.SSLContext:
    """Return a context that verifies certificates against certifi's list.

    The environment's ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` replaces the list, as it does for
    OpenSSL: an API behind a certificate authority of one's own needs nothing else.
    """
    if file := os.environ.get("SSL_CERT_FILE"):
        return ssl.create_default_context(cafile=file)
    if directory := os.environ.get("SSL_CERT_DIR"):
        return ssl.create_default_context(capath=directory)
    return ssl.create_default_context(cafile=certifi.where())
