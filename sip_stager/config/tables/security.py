"""The tables ``[strangers]`` and ``[seal]``."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from sip_stager.config.tables.address_types import TrunkNetwork
from sip_stager.config.tables.base_table import Table
from sip_stager.config.tables.field_types import Seconds


class Strangers(Table):
    """What addresses of no trunk and no upstream get."""

    answered: Literal["invites", "nothing", "all"] = "invites"
    answers_per_second: Annotated[float, Field(strict=True, ge=1, allow_inf_nan=False)] = 10.0
    relay_to: tuple[TrunkNetwork, ...] = ()


class SealTable(Table):
    """The signature in Record-Route by which requests of live calls are known."""

    key_file: Path | None = None
    lifetime: Seconds = 86_400.0
