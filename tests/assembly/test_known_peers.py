"""The peers in the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.assembly.known_peers import KnownPeers
from tests.config.settings_folder import KEY, RIGHT, Folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def addresses() -> dict[str, list[str]]:
    return {"agents.example": ["203.0.113.77"]}


@pytest.fixture
def peers(tmp_path: Path, addresses: dict[str, list[str]]) -> KnownPeers:
    upstream = 'uri = "sip:agents.example"\nbackups = ["sip:198.51.100.9:5070"]'
    text = "\n".join(upstream if line.startswith("uri = ") else line for line in RIGHT.splitlines())
    settings = Folder(tmp_path).load(text, ROUNDED_API_KEY=KEY)
    return KnownPeers(settings, lambda name: addresses.get(name, []))


def test_addresses_of_trunks_and_upstreams_are_peers(peers: KnownPeers) -> None:
    assert peers.is_configured("198.51.100.9")
    assert peers.is_configured("192.0.2.200")
    assert not peers.is_configured("203.0.113.250")
    assert not peers.is_peer("203.0.113.250")


def test_an_upstreams_name_is_a_peer_at_the_addresses_that_it_has_now(
    peers: KnownPeers, addresses: dict[str, list[str]]
) -> None:
    assert not peers.is_configured("203.0.113.77")
    assert peers.is_peer("203.0.113.77")
    addresses["agents.example"] = ["203.0.113.78"]
    assert not peers.is_peer("203.0.113.77")
    assert peers.is_peer("203.0.113.78")


def test_an_upstream_is_known_by_address_and_by_name(
    peers: KnownPeers, addresses: dict[str, list[str]]
) -> None:
    assert peers.is_upstream("198.51.100.9")
    assert peers.is_upstream("agents.example")
    assert peers.is_upstream("203.0.113.77")
    addresses["agents.example"] = []
    assert not peers.is_upstream("203.0.113.77")
    assert not peers.is_upstream("192.0.2.200")


def test_a_trunk_is_known_by_its_networks(peers: KnownPeers) -> None:
    assert peers.trunk_name("192.0.2.200") == "carrier"
    assert peers.trunk_name("198.51.100.9") == ""
    assert peers.trunk_name("agents.example") == ""
