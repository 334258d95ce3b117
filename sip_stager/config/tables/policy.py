"""The table ``[policy]``: what happens to a call while it is staged and when it cannot be.

A policy of a number or trunk has the same keys; each key is taken from the most specific policy
that has it.
"""

import json
import re
import uuid
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from sip_stager.config.errors import invalid
from sip_stager.config.suggestions import did_you_mean
from sip_stager.config.tables.address_types import check_brackets
from sip_stager.config.tables.base_table import Table
from sip_stager.config.tables.field_types import Seconds
from sip_stager.model.call import Cause, Policy, Treatment
from sip_stager.model.vocabulary import StagingOutcome, TreatmentKind
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.uri import parse_uri
from sip_stager.trunks.budget import Terms

CAUSES = (
    StagingOutcome.TIMEOUT,
    StagingOutcome.API_UNREACHABLE,
    StagingOutcome.REFUSED,
    StagingOutcome.BUSY,
    StagingOutcome.INVALID_RESPONSE,
)
"""The causes that have a key of their own; the same words are in the log and the metrics."""

_LIKE_UNREACHABLE = (
    *(StagingOutcome.FAILED, StagingOutcome.BREAKER_OPEN, StagingOutcome.AGENT_BREAKER_OPEN),
)
"""Causes without a key of their own: they are treated as ``api_unreachable`` is."""
_REFUSE = re.compile(r"refuse(?: ([4-6][0-9]{2})(?: ([ -~]{1,64}))?)?")
_CHALLENGES = {401, 407}
_FORMS = '"forward", "refuse", "refuse 480 Reason", "redirect sip:...", "moved sip:...", "agent ID"'
_CODES = 'write a code from 400 to 699, and a reason in plain letters: "refuse 480 Reason"'
_WITH_TARGET = {TreatmentKind.REDIRECT, TreatmentKind.MOVED, TreatmentKind.AGENT}


def parse_treatment(text: str) -> Treatment:
    """Parse one treatment; raises a mistake."""
    if text == TreatmentKind.FORWARD:
        return Treatment(TreatmentKind.FORWARD)
    if match := _REFUSE.fullmatch(text):
        return Treatment(TreatmentKind.REFUSE, _check_refusal(int(match[1] or 0)), match[2] or "")
    word, _, target = text.partition(" ")
    if word not in _WITH_TARGET or not target:
        near = did_you_mean(word, tuple(TreatmentKind))
        right = _CODES if word == TreatmentKind.REFUSE else f"{near}write one of {_FORMS}"
        raise invalid(f'"{text}" is not a treatment', right)
    kind = TreatmentKind(word)
    return Treatment(
        kind,
        target=_normalise_agent_id(target) if kind is TreatmentKind.AGENT else _check_uri(target),
    )


def _check_refusal(status: int) -> int:
    if status in _CHALLENGES:
        raise invalid(f"{status} asks for credentials, which are never checked", "write 403 or 480")
    return status


def _normalise_agent_id(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise invalid(f'"{text}" is not an agent id', "write the UUID of the agent") from None


def _check_uri(text: str) -> str:
    try:
        uri = parse_uri(text.encode("ascii"))
    except (Malformed, UnicodeEncodeError):
        uri = None
    if text.lower().startswith("sips:"):
        raise invalid(f'"{text}" asks for TLS, which is not supported yet', "write it as sip:")
    check_brackets(text.rpartition("@")[2].removeprefix("sip:").partition(";")[0], text)
    if uri is None or uri.scheme != b"sip" or uri.headers:
        raise invalid(f'"{text}" is not a SIP URI', 'write one like "sip:queue@sip.example.com"')
    return text


def _parse_treatments(value: Any) -> Any:
    """Parse a treatment, or a list of them in which all but the last stage another agent."""
    if isinstance(value, str) and value.startswith("agent ") and " then " in value:
        right = f"in TOML write a list: {json.dumps(value.split(' then ', 1))}"
        raise invalid("is in the form for CSV files", right)
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise invalid("is not a treatment or a list of them", f"write one of {_FORMS}")
    found = tuple(parse_treatment(text) for text in texts)
    _check_order(texts, [one.kind for one in found])
    return found


def _check_order(texts: list[str], kinds: list[TreatmentKind]) -> None:
    """Raise a mistake unless there is one last treatment, and at most one agent before it."""
    for text, kind in zip(texts[:-1], kinds, strict=False):
        if kind is not TreatmentKind.AGENT:
            wrong = f'has treatments after "{text}", which are never reached'
            raise invalid(wrong, 'remove them, or put the agent first: ["agent ID", "refuse"]')
    if not kinds or kinds[-1] is TreatmentKind.AGENT:
        raise invalid(
            "does not say what happens if that agent cannot be staged either",
            'add another treatment: ["agent ID", "refuse"]',
        )
    if kinds.count(TreatmentKind.AGENT) > 1:
        raise invalid("stages more than one other agent", "write one: a caller waits for each")


Treatments = Annotated[tuple[Treatment, ...], BeforeValidator(_parse_treatments)]


class CallPolicy(Table):
    """What happens to a call while it is staged and when it cannot be."""

    timeout: Treatments | None = None
    api_unreachable: Treatments | None = None
    refused: Treatments | None = None
    busy: Treatments | None = None
    invalid_response: Treatments | None = None
    after_ringing: Treatments | None = None
    refusal: (
        Annotated[int, Field(strict=True, ge=400, le=699), AfterValidator(_check_refusal)] | None
    ) = None
    ringing: Literal["180", "183", "never"] | None = None
    ringing_delay: Seconds | None = None
    deadline: Annotated[Seconds, Field(le=60)] | None = None
    margin: Seconds | None = None


DEFAULTS = CallPolicy.model_validate(
    {
        **dict.fromkeys(map(str, CAUSES), str(TreatmentKind.REFUSE)),
        "ringing": "180",
        "ringing_delay": 2.0,
    }
    | {"margin": 0.3}
)
"""The policy that applies where no other sets a key."""


def combine_terms(
    policies: Iterable[CallPolicy], deadline: float, ringback_timeout: float | None
) -> Terms:
    """Return the terms of a call from the policies that apply, the most specific first.

    ``deadline`` applies if no policy has one; ``ringback_timeout`` is the carrier's.
    Both are in seconds.
    """
    policies = tuple(policies)
    own = first_value(policies, "deadline")
    return Terms(
        merge_policies(*policies),
        own or deadline,
        ringback_timeout,
        first_value(policies, "margin"),
    )


def merge_policies(*policies: CallPolicy) -> Policy:
    """Return the policy of a call from those that apply, the most specific first."""
    treatments: dict[Cause, tuple[Treatment, ...]] = {
        cause: first_value(policies, cause) for cause in CAUSES
    }
    ringing = first_value(policies, "ringing")
    refusal = first_value(policies, "refusal")
    # A status that is set applies to every cause; else each cause keeps the policy's own default.
    keys = ("refusal", "call_refusal", "error_refusal")
    return Policy(
        treatments | dict.fromkeys(_LIKE_UNREACHABLE, treatments[StagingOutcome.API_UNREACHABLE]),
        after_ringing=first_value(policies, "after_ringing") or (),
        ringing=0 if ringing == "never" else int(ringing),
        ringing_delay=first_value(policies, "ringing_delay"),
        **(dict.fromkeys(keys, refusal) if refusal else {}),
    )


def first_value(policies: Iterable[CallPolicy], key: str) -> Any:
    """Return the value of a key from the first policy that has it, or its default."""
    values = (getattr(policy, key) for policy in (*policies, DEFAULTS))
    return next((value for value in values if value is not None), None)
