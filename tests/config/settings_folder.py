"""A right settings file, to be spoiled in one place by each test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sip_stager.config import Mistake, Settings, SettingsError, load

KEY = "rk-very-secret-key"
AGENT = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29"
RIGHT = f"""\
[[listeners]]
address = "127.0.0.1"

[api]
mode = "sync"

[upstream]
uri = "sip:sip.example.com"

[[trunks]]
name = "carrier"
networks = ["192.0.2.0/24"]

[[numbers]]
number = "+33612345678"
agent = "{AGENT}"
"""
REAL = RIGHT.replace("sip.example.com", "sip.platform.test").replace("192.0.2.0", "10.0.2.0")
"""The same without a placeholder."""


@dataclass(frozen=True)
class Folder:
    """A folder for the settings file and the files that it names."""

    path: Path

    def write(self, name: str, text: str | bytes) -> Path:
        file = self.path / name
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    def load(self, text: str | bytes = RIGHT, **environ: str) -> Settings:
        return load(self.write("s.toml", text), environ or {"ROUNDED_API_KEY": KEY})

    def mistakes(self, text: str | bytes = RIGHT, **environ: str) -> list[Mistake]:
        """Return the mistakes; none if the settings load."""
        try:
            self.load(text, **environ)
        except SettingsError as error:
            return error.mistakes
        return []


def said(mistake: Mistake) -> tuple[str, int, str, str, str]:
    """Return a mistake as plain values."""
    return mistake.file.name, mistake.line, mistake.key, mistake.wrong, mistake.right
