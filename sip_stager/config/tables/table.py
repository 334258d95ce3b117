"""The base class of all tables."""

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of the settings file: it rejects unknown keys, and does not change once read."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )
