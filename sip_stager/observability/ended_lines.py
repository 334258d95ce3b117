"""The line ``call_ended``: of a call with a record, of a refused one, and of a BYE alone."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from sip_stager.model.vocabulary import CallOutcome, EndCause, RefusalCause
from sip_stager.observability.call_verdict import (
    judge_refusal,
    judge_unanswered,
    judge_unknown,
    status_of,
)
from sip_stager.observability.crowded_refusals import CrowdedRefusals
from sip_stager.sip.field_grammar import Malformed
from sip_stager.trunks.number_fields import number_of_uri
from sip_stager.trunks.phone_numbers import to_e164

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.events import CallHungUp, CallRefused
    from sip_stager.observability.call_records import CallRecord
    from sip_stager.observability.call_verdict import Verdict
    from sip_stager.observability.line_quota import LineQuota
    from sip_stager.observability.log_fields import LogFields
    from sip_stager.observability.logs import Logger
    from sip_stager.observability.recording_logger import RecordingLogger
    from sip_stager.sip.message import Message, Request
    from sip_stager.sip.uri import Address

_USUAL = frozenset({*CallOutcome, EndCause.HUNG_UP, EndCause.UNSEEN}) - {
    CallOutcome.TIMEOUT,
    CallOutcome.UPSTREAM_UNREACHABLE,
}
"""The causes of a line at level info; one with any other cause is a warning."""


class SealReader(Protocol):
    """A reader of what the seal of a dialog says about it (``proxy.seal.Seal``)."""

    def sent_by_caller(self, sealed: bytes, request: Request) -> bool:
        """Return True if the caller of the dialog with that seal sent the request."""

    def is_anonymous(self, sealed: bytes) -> bool:
        """Return True if the caller of the dialog is anonymous."""


class EndedLines:
    """Writes the lines; ``seal`` reads the seals of BYEs, None if there is nothing to read them."""

    def __init__(
        self,
        logger: Logger | RecordingLogger,
        fields: LogFields,
        quota: LineQuota,
        seal: SealReader | None,
        clock: Callable[[], float],
    ) -> None:
        self._logger, self._fields, self._quota, self.seal = logger, fields, quota, seal
        self._refusals = CrowdedRefusals(logger, clock)
        self._response_fields = lru_cache(1024)(self._read_response)

    def write(self, record: CallRecord, verdict: Verdict) -> None:
        """Write the line of a call with a record, which is over."""
        write = self._logger.info if verdict[2] in _USUAL else self._logger.warning
        write("call_ended", **self._line(record, verdict))

    def write_refused(self, record: CallRecord, verdict: Verdict) -> None:
        """Write the line of a call with a record that was refused here, maybe with others."""
        self._refusals.write(self._line(record, verdict))

    def flush(self) -> None:
        """Write the lines that were gathered; to be called every second or so, and at the end."""
        self._refusals.flush()

    def _line(self, record: CallRecord, verdict: Verdict) -> dict[str, Any]:
        ended_by, side, cause, sentence = verdict
        times = record.times
        end = times["end"]
        return {
            **record.fields,
            "staged_id": record.staged_id,
            "ended_by": ended_by,
            "side": side,
            "cause": cause,
            "sentence": sentence,
            "started_at": (datetime.now(UTC) - timedelta(0, end)).isoformat()[:-6] + "Z",
            "elapsed_seconds": end,
            "times": times,
            "target": record.target,
            **self._response_fields(record.sent),
            **record.more,
        }

    def judge_unanswered(self, record: CallRecord, outcome: CallOutcome) -> Verdict:
        """Return the verdict on a call whose INVITE ended otherwise; note the upstream's words."""
        words = ""
        if record.received:
            status, reason = self._response_fields(record.received).values()
            words = f"{status} {reason}"
            record.more = {**record.more, "upstream_status": status, "upstream_reason": reason}
        return judge_unanswered(record, outcome, words)

    def write_unadmitted(self, event: CallRefused) -> None:
        """Write the line of a call that was refused before it was admitted."""
        # A stranger can send any number of them.  In overload there may be a thousand a second,
        # and each line takes time from a call.
        limited = not event.trunk or event.cause is RefusalCause.OVERLOAD
        extra = self._quota.admit("call_ended", event.cause) if limited else {}
        if extra is None:
            return
        numbers = event.from_number, event.to_number
        started = datetime.now(UTC) - timedelta(0, event.elapsed)
        line = {
            **self._fields.unadmitted(event.call_id, event.trunk, *numbers),
            **_verdict_fields(judge_refusal(event.cause, event.status)),
            "started_at": started.isoformat()[:-6] + "Z",
            "elapsed_seconds": round(event.elapsed, 3),
            "status": event.status,
            "reason": event.reason,
            "text": self._fields.text(event.text),
            **extra,
        }
        self._refusals.write(line)

    def write_unknown(self, event: CallHungUp) -> None:
        """Write the line of a call of which only the BYE was seen, by the BYE and its seal."""
        bye, seal = event.bye, self.seal
        by_caller = seal is None or seal.sent_by_caller(event.seal, bye)
        sides = _number(lambda: bye.from_), _number(lambda: bye.to)
        caller, called = sides if by_caller else sides[::-1]
        if seal is not None and seal.is_anonymous(event.seal):
            caller = ""
        response = event.response
        self._logger.info(
            "call_ended",
            **self._fields.unadmitted(bye.call_id_text, "", caller, called),
            **_verdict_fields(judge_unknown(by_caller=by_caller)),
            bye_status=response.status if response else 0,
            **self.far_side(bye),
        )

    def far_side(self, message: Message) -> dict[str, str]:
        """Return the Reason and the Warning of the far side as fields, if there are any."""
        names = {"peer_reason": b"reason", "peer_warning": b"warning"}
        values = {field: message.value(name) for field, name in names.items()}
        return {field: self._fields.words(value) for field, value in values.items() if value}

    def _read_response(self, start_line: bytes) -> dict[str, Any]:
        words = start_line[len(b"SIP/2.0 200 ") :]
        return {"status": status_of(start_line), "reason": self._fields.words(words)}


def _verdict_fields(verdict: Verdict) -> dict[str, str]:
    return dict(zip(("ended_by", "side", "cause", "sentence"), verdict, strict=True))


def _number(read: Callable[[], Address]) -> str:
    """Return the number of a From or To; empty if it cannot be read."""
    with suppress(Malformed):
        return to_e164(number_of_uri(read().uri).text)
    return ""
