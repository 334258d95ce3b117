"""How the fake API answers a request: with success, an error or a fault."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Fault = Literal[
    "",
    "silent",  # the request is accepted and never answered
    "slow_headers",  # the status line comes a byte at a time
    "drip",  # the body comes a byte at a time
    "reset",  # the connection is reset (RST) in place of an answer
    "hang_up",  # the connection is closed in place of an answer
    "close_after",  # a complete answer, then the connection closes without "Connection: close"
    "truncated_body",  # the connection closes in the middle of a body of known length
    "truncated_json",  # a complete body that ends in the middle of the JSON
    "oversized",  # a body of a mebibyte, chunked
    "compressed",  # gzip, although the client did not accept it
    "redirect",  # 302 to itself
    "wrong_types",  # data is a list, status a string
    "numeric_call_id",  # call_id is a number
    "no_call_id",  # data holds nothing
    "crlf_call_id",  # call_id contains CRLF and a SIP header field
]


class Behaviour(BaseModel):
    """The answer to a staging request.

    - ``delay``: seconds from the request until the call is ``staged``.  A synchronous request is
      held that long; an asynchronous one is answered at once and then polled.
    - ``latency``: seconds added before every answer, polls included.
    - ``status``: a value other than 201 is an error with the documented body, which contains
      ``message``; with ``bare`` the inner object is sent without its envelope.
    - ``retry_after``, ``headers``: header fields of the answer.
    - ``becomes``: the status of the call after ``delay``.
    - ``poll_failures``: how many polls fail first, with ``poll_status``.
    - ``fault``: what goes wrong with the answer to the staging request; polls are not affected.
    - ``variables``: the type of each variable that the agent declares.
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
