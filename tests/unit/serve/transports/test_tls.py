"""Certificates: what is refused before anything starts, and what a renewed file does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.ports.transport_certificates import Authority

from fairlead.contract.errors import UsageError
from fairlead.contract.settings import ServeSettings
from fairlead.runtime.serve.transports.http.tls import Certificates, common_name


def settings(**files: Path) -> ServeSettings:
    return ServeSettings(**{name: str(path) for name, path in files.items()})


def test_files_that_cannot_be_used_are_named_by_their_setting(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "one")
    certificate, key = authority.issue("localhost")
    other, _ = authority.issue("other")
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    missing = tmp_path / "missing.pem"
    cases: list[tuple[dict[str, Path], str]] = [
        ({"tls_certificate": missing, "tls_key": key}, "serve.tls_certificate"),
        ({"tls_certificate": certificate, "tls_key": missing}, "serve.tls_key"),
        ({"tls_certificate": certificate}, "serve.tls_certificate"),
        ({"tls_certificate": broken, "tls_key": key}, "serve.tls_certificate"),
        ({"tls_certificate": other, "tls_key": key}, "belong together"),
        ({"tls_certificate": certificate, "tls_key": authority.locked(key)}, "password"),
        ({"tls_certificate": certificate, "tls_key": key, "tls_client_ca": broken}, "serve.tls_client_ca"),
        ({"tls_certificate": certificate, "tls_key": key, "tls_client_ca": missing}, "serve.tls_client_ca"),
        ({"tls_key": key}, "serve.tls_key needs serve.tls_certificate"),
        ({"tls_client_ca": certificate}, "serve.tls_client_ca needs serve.tls_certificate"),
    ]
    for files, says in cases:
        with pytest.raises(UsageError, match=says):
            Certificates.of(settings(**files))
    assert Certificates.of(ServeSettings()) is None


def test_certificate_and_key_may_be_one_file(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path, "one").issue("localhost")
    both = tmp_path / "both.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    assert Certificates.of(settings(tls_certificate=both)) is not None


def test_files_that_are_renewed_one_after_the_other_are_taken_up_once_they_fit(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "one")
    certificate, key = authority.issue("localhost")
    held = Certificates.of(settings(tls_certificate=certificate, tls_key=key))
    assert held is not None

    def look() -> object:
        for _ in range(4):
            held.renew()
        return held.context

    first = look()
    assert look() is first
    new_certificate, new_key = authority.issue("renewed")
    os.replace(new_certificate, certificate)
    assert look() is first, "the new certificate does not fit the old key"
    certificate_seen = look()
    assert certificate_seen is first
    os.replace(new_key, key)
    assert look() is not first
    os.unlink(certificate)
    gone = look()
    assert look() is gone, "a file that is away leaves what was loaded in place"


def test_the_name_in_a_certificate() -> None:
    assert common_name({"subject": ((("countryName", "CH"),), (("commonName", "team-a"),))}) == "team-a"
    assert common_name({"subject": ()}) is None
