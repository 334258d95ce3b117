"""Digest authentication between the built-in agent and caller (RFC 8760)."""

from __future__ import annotations

import re
from hashlib import sha256

_USER = "demo"
_REALM = "sip-stager demo"
_QUOTED = re.compile(r'(\w+)="([^"]*)"')


def make_challenge(nonce: str) -> bytes:
    """Return the value of a Proxy-Authenticate field."""
    return f'Digest realm="{_REALM}", nonce="{nonce}", algorithm=SHA-256'.encode()


def make_credentials(challenge: str, method: str, uri: str) -> str:
    """Return the value of the Proxy-Authorization field that answers a challenge."""
    nonce = dict(_QUOTED.findall(challenge)).get("nonce", "")
    return (
        f'Digest username="{_USER}", realm="{_REALM}", nonce="{nonce}", uri="{uri}", '
        f'algorithm=SHA-256, response="{_response(nonce, method, uri)}"'
    )


def are_valid(credentials: str, nonce: str, method: str) -> bool:
    """Return whether credentials answer the challenge with this nonce."""
    parts = dict(_QUOTED.findall(credentials))
    return parts.get("response") == _response(nonce, method, parts.get("uri", ""))


def _response(nonce: str, method: str, uri: str) -> str:
    user = _hashed(f"{_USER}:{_REALM}:demo")  # the password is public: it protects nothing
    return _hashed(f"{user}:{nonce}:{_hashed(f'{method}:{uri}')}")


def _hashed(text: str) -> str:
    return sha256(text.encode()).hexdigest()
