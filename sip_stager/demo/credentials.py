"""How the built-in agent asks the caller to prove who he is, and how he does (RFC 8760)."""

from __future__ import annotations

import re
from hashlib import sha256

_USER = "demo"
_REALM = "sip-stager demo"
_QUOTED = re.compile(r'(\w+)="([^"]*)"')


def challenge(nonce: str) -> bytes:
    """Write the value of a Proxy-Authenticate."""
    return f'Digest realm="{_REALM}", nonce="{nonce}", algorithm=SHA-256'.encode()


def credentials(asked: str, method: str, uri: str) -> str:
    """Write the value of the Proxy-Authorization that answers a challenge."""
    nonce = dict(_QUOTED.findall(asked)).get("nonce", "")
    return (
        f'Digest username="{_USER}", realm="{_REALM}", nonce="{nonce}", uri="{uri}", '
        f'algorithm=SHA-256, response="{_response(nonce, method, uri)}"'
    )


def proven(given: str, nonce: str, method: str) -> bool:
    """Tell whether credentials answer the challenge with that nonce."""
    parts = dict(_QUOTED.findall(given))
    return parts.get("response") == _response(nonce, method, parts.get("uri", ""))


def _response(nonce: str, method: str, uri: str) -> str:
    who = _hashed(f"{_USER}:{_REALM}:demo")  # the password is no secret: nothing is behind it
    return _hashed(f"{who}:{nonce}:{_hashed(f'{method}:{uri}')}")


def _hashed(text: str) -> str:
    return sha256(text.encode()).hexdigest()
