"""The terms of a call come from its number's policy, else its trunk's, else the general one."""

from __future__ import annotations

from sip_stager.assembly.trunks import make_terms
from sip_stager.config import Settings, load
from sip_stager.model.call import Treatment
from sip_stager.model.vocabulary import StagingOutcome, TreatmentKind
from tests.config.settings_folder import RIGHT, Folder

ALL = '\n[policy]\ntimeout = "refuse 500"\napi_unreachable = "forward"\ndeadline = 3.0\n'
TRUNK = 'policy = { timeout = "refuse 480", refusal = 480 }\nringback_timeout = 5.0\n'
NUMBER = 'policy = { timeout = "forward", deadline = 9.0 }\n'


def settings(folder: Folder, **parts: str) -> Settings:
    text = RIGHT
    for marker, extra in parts.items():
        header = f"[[{marker}]]\n"
        text = text.replace(header, header + extra, 1)
    path = folder.write("s.toml", text + ALL)
    return load(path, {"ROUNDED_API_KEY": "x"})


def test_the_numbers_policy_goes_first_then_the_trunks(folder: Folder) -> None:
    found = settings(folder, trunks=TRUNK, numbers=NUMBER)
    number = found.numbers[0].number
    terms = make_terms(found)("carrier", number)
    assert terms.policy.treatments[StagingOutcome.TIMEOUT] == (Treatment(TreatmentKind.FORWARD),)
    assert terms.policy.treatments[StagingOutcome.API_UNREACHABLE] == (
        Treatment(TreatmentKind.FORWARD),
    )
    assert (terms.policy.refusal, terms.deadline, terms.ringback_timeout) == (480, 9.0, 5.0)
    other = make_terms(found)("carrier", "another")
    assert other.policy.treatments[StagingOutcome.TIMEOUT] == (
        Treatment(TreatmentKind.REFUSE, 480),
    )
    assert other.deadline == 3.0


def test_the_default_deadline_is_that_of_the_api(folder: Folder) -> None:
    path = folder.write("s.toml", RIGHT)
    terms = make_terms(load(path, {"ROUNDED_API_KEY": "x"}))("carrier", "+33612345678")
    assert (terms.deadline, terms.ringback_timeout, terms.policy.ringing) == (4.0, None, 180)


def test_an_unknown_key_of_a_policy_is_answered_with_the_known_keys(folder: Folder) -> None:
    wrong = 'policy = { overtime = "forward" }\n'
    (mistake,) = folder.mistakes(RIGHT.replace("[[trunks]]\n", "[[trunks]]\n" + wrong, 1))
    assert mistake.key == "trunks[0].policy.overtime"
    assert "the keys here are: timeout, api_unreachable" in mistake.right
