"""The profile of a carrier sets the defaults of its trunk, from the carrier's documentation."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sip_stager.assembly.trunks import make_terms
from sip_stager.config.tables.carrier_profiles import PROFILES
from tests.config.settings_folder import RIGHT, Folder

if TYPE_CHECKING:
    from sip_stager.config import Settings
    from sip_stager.trunks.budget import Terms

ROOT = Path(__file__).parents[2]


def with_trunk(*lines: str) -> str:
    return RIGHT.replace("[[trunks]]\n", "\n".join(["[[trunks]]", *lines, ""]))


def terms(settings: Settings) -> Terms:
    return make_terms(settings)("carrier", "+33612345678")


@pytest.mark.parametrize(
    ("profile", "refusal", "ringing", "patience", "pass_503"),
    [
        ("didww", 480, 180, None, False),
        ("teams", 503, 0, None, False),
        ("telnyx", 480, 0, 5.0, True),
        ("twilio", 503, 180, None, True),
    ],
)
def test_a_profile_sets_the_defaults_of_its_trunk(
    folder: Folder,
    profile: str,
    refusal: int,
    ringing: int,
    patience: float | None,
    *,
    pass_503: bool,
) -> None:
    settings = folder.load(with_trunk(f'profile = "{profile}"'))
    found = terms(settings)
    assert (found.policy.refusal, found.policy.ringing, found.ringback_timeout) == (
        refusal, ringing, patience,
    )  # fmt: skip
    assert settings.trunks[0].pass_503 is pass_503
    assert settings.warnings == ()


@pytest.mark.parametrize("profile", [name for name in PROFILES if name])
def test_the_refusal_of_a_profile_makes_its_carrier_fail_over(profile: str) -> None:
    carrier = PROFILES[profile]  # type: ignore[index]
    assert carrier.tries_next_on(carrier.policy.refusal or 503)


def test_the_trunks_own_keys_override_its_profile(folder: Folder) -> None:
    own = "ringback_timeout = 9.0", "pass_503 = false", "policy = { refusal = 408 }"
    settings = folder.load(with_trunk('profile = "telnyx"', *own))
    found = terms(settings)
    assert (found.ringback_timeout, found.policy.refusal, found.policy.ringing) == (9.0, 408, 0)
    assert not settings.trunks[0].pass_503


def test_the_profile_overrides_the_general_policy(folder: Folder) -> None:
    settings = folder.load(with_trunk('profile = "didww"') + "[policy]\nrefusal = 503\n")
    assert terms(settings).policy.refusal == 480


def test_without_a_profile_the_general_defaults_apply(folder: Folder) -> None:
    found = terms(folder.load())
    assert (found.ringback_timeout, found.policy.refusal, found.policy.ringing) == (None, 503, 180)


def test_an_unknown_profile_is_a_single_mistake(folder: Folder) -> None:
    (mistake,) = folder.mistakes(with_trunk('profile = "telnix"'))
    assert mistake.key == "trunks[0].profile"
    assert mistake.right == ('did you mean "telnyx"? write "didww", "teams", "telnyx" or "twilio"')


def test_the_page_of_carriers_lists_what_each_profile_sets() -> None:
    page = (ROOT / "docs/carriers.md").read_text()
    rows = re.findall(r'^\| `"(\w+)"` \|.*\| ([^|]*) \|$', page, re.MULTILINE)
    written = {name: tomllib.loads("\n".join(re.findall(r"`(.*?)`", sets))) for name, sets in rows}
    assert written == {
        name: {**carrier.keys, **carrier.policy.model_dump(exclude_unset=True)}
        for name, carrier in PROFILES.items()
        if name
    }


def test_the_examples_of_the_policies_page_load_without_warnings(
    folder: Folder,
) -> None:
    page = (ROOT / "docs/policies.md").read_text()
    first, *others = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    head = '[[listeners]]\naddress = "127.0.0.1"\n[upstream]\nuri = "sip:192.0.2.99"\n'
    for text in (head + first, *(RIGHT + other for other in others)):
        assert folder.load(text).warnings == ()
