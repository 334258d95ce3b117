from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import certifi
import pytest

from sip_stager.http_client.tls import default_context

if TYPE_CHECKING:
    from collections.abc import Sequence


def subjects(context: ssl.SSLContext) -> Sequence[object]:
    return [each.get("subject") for each in context.get_ca_certs()]


@pytest.fixture
def first_of_certifi(tmp_path: Path) -> Path:
    """A file with the first certificate of certifi's list."""
    end = "-----END CERTIFICATE-----\n"
    path = tmp_path / "one.pem"
    path.write_text(Path(certifi.where()).read_text(encoding="ascii").partition(end)[0] + end)
    return path


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)


def test_certificates_and_host_names_are_verified_against_certifis_list() -> None:
    context = default_context()
    assert subjects(context) == subjects(ssl.create_default_context(cafile=certifi.where()))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_the_environments_list_replaces_certifis(
    monkeypatch: pytest.MonkeyPatch, first_of_certifi: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(first_of_certifi))
    context = default_context()
    assert len(subjects(context)) == 1
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_the_environments_directory_replaces_certifis_list(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    context = default_context()
    assert subjects(context) == []
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
