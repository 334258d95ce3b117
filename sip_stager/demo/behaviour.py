"""How the built-in API answers: in time and well, or with one of the world's faults."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Fault = Literal[
    "",
    "silent",  # takes the request and never answers
    "slow_headers",  # the status line comes a byte at a time
    "drip",  # the body comes a byte at a time
    "reset",  # the connection is reset (RST) in place of an answer
    "hang_up",  # the connection is closed in place of an answer
    "close_after",  # answers, and then closes the connection without having said so
    "truncated_body",  # closes in the middle of a body of stated length
    "truncated_json",  # a whole body with half of the JSON
    "oversized",  # a body of a mebibyte, chunked
    "compressed",  # gzip that nobody asked for
    "redirect",  # 302 to itself
    "wrong_types",  # data is a list, status a string
    "numeric_call_id",  # call_id is a number
    "no_call_id",  # data holds nothing
    "crlf_call_id",  # call_id would write a header of its own
]


class Behaviour(BaseModel):
    """What a staging request meets.

    ``delay`` is the time from the request until the call is ``staged``, in seconds: a synchronous
    request is held so long, an asynchronous one is answered at once and polled.  ``latency`` is
    added before the answer of either kind, polls included.  ``status`` other than 201 is an
    error with the documented body, in which ``message`` stands; ``bare`` sends the inner object
    alone.  ``headers`` are added to the answer, an error or not.  ``becomes`` is what the call is
    once ``delay`` is over.  The first ``poll_failures`` polls are answered ``poll_status``.
    ``fault`` is for the staging request alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    delay: float = 0.0
    latency: float = 0.0
    status: int = 201
    message: str = "An error occurred while processing your request"
    bare: bool = False
    retry_after: str = ""
    headers: dict[str, str] = {}
    becomes: str = "staged"
    poll_failures: int = 0
    poll_status: int = 503
    fault: Fault = ""
    variables: dict[str, str] = {}
    """Those that the agent declares: the type of each by its name."""
