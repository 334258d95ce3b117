"""The source of a call selects its trunk."""

from __future__ import annotations

from tests.cli.asking import SECOND, route, steps
from tests.config.settings_folder import RIGHT, Folder


def test_the_trunk_is_chosen_by_name(folder: Folder) -> None:
    result = route(folder, RIGHT + SECOND, "--to", "0612345678", "--trunk", "second")
    assert (result.exit_code, steps(result)["trunk"]) == (0, ["second"])
    assert steps(result)["source"] == ["198.51.100.7"]


def test_the_source_address_selects_the_trunk(folder: Folder) -> None:
    known = ["--to", "0612345678", "--source", "198.51.100.7"]
    shown = steps(route(folder, RIGHT + SECOND, *known))
    assert (shown["source"], shown["trunk"]) == (["198.51.100.7"], ["second"])
    stranger = route(folder, RIGHT + SECOND, "--to", "0612345678", "--source", "203.0.113.9")
    assert stranger.exit_code == 1
    assert steps(stranger) == {
        "INVITE": ["sip:0612345678@sip-stager.invalid"],
        "source": ["203.0.113.9"],
        "trunk": ["none: no trunk has this address in its networks"],
        "refused": ["403 Forbidden: 203.0.113.9 belongs to no trunk"],
    }


def test_the_default_source_is_an_address_of_the_trunk(folder: Folder) -> None:
    inside = SECOND.replace('["198.51.100.7"]', '["192.0.2.0/30", "192.0.2.4"]')
    text = f'{RIGHT}{inside}[variables]\nat = "${{source}}"\n'
    shown = steps(route(folder, text, "--to", "+33612345678", "--trunk", "carrier"))
    assert (shown["source"], shown["variables"]) == (["192.0.2.5"], ['at = "192.0.2.5"'])
    text = RIGHT + SECOND.replace('["198.51.100.7"]', '["192.0.2.0/25", "192.0.2.128/25"]')
    result = route(folder, text, "--to", "1", "--trunk", "carrier")
    assert (result.exit_code, result.stdout) == (2, "")
    assert 'no call can come from the trunk "carrier": narrower networks' in result.stderr
