"""The base class of all tables."""

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of the settings file: it rejects unknown keys, and does not change once read.

    What each key is for stands in the example settings, and only there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
