"""What a project says of redaction, sampling, limits and encryption goes with its bundle into an image."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import exporting_samples
import httpx
import msgspec
import pytest
from tests.conftest import environment

from fairlead.contract.errors import ConfigInvalid, FormatUnknown, SourceUnreadable, UsageError
from fairlead.contract.routes import Route
from fairlead.contract.settings import AccessSettings, CaptureSettings, ServeSettings, TelemetrySettings
from fairlead.reach.export import Exported
from fairlead.reach.export.alone import terms_of
from fairlead.reach.export.docker import Docker
from fairlead.runtime.capture.redaction import redact
from fairlead.runtime.serve.terms import Terms, read_terms, redact_key_of

KEY = "5e" * 32
PRIVATE = "pro"
ROW = {"age": 50, "plan": PRIVATE, "code": 2}


def told(folder: Path, capture: CaptureSettings, telemetry: TelemetrySettings | None = None) -> Exported:
    """A version of a project with these settings."""
    plain = exporting_samples.exported(folder, Docker, telemetry)
    settings = msgspec.structs.replace(plain.settings, capture=capture)
    route = Route(model="Churn.2", variants=(), sample=capture.sample, redact=capture.redact)
    return msgspec.structs.replace(plain, settings=settings, route=route, encrypted=capture.encrypt)


@contextmanager
def image(folder: Path, exported: Exported, **environ: str) -> Iterator[str]:
    """The entry point of the exported Dockerfile, with its files where they lie here."""
    to = folder / "context"
    to.mkdir()
    Docker().write(exported, to)
    (entry,) = re.findall(r"^ENTRYPOINT (.*)$", (to / "Dockerfile").read_text(), re.M)
    words = [
        {"/opt/bundle": str(to / "bundle"), "/opt/terms.json": str(to / "terms.json"),
         "/var/lib/fairlead": str(folder / "home")}.get(word, word)
        for word in json.loads(entry)[1:]
    ]  # fmt: skip
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *words, "--port", "0", "--host", "127.0.0.1"],
            stdout=subprocess.PIPE, stderr=log, text=True, env={**environment(), **environ}, cwd=folder,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("ready: "), (folder / "log").read_text()
        yield line.split()[1]
    finally:
        process.terminate()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


def written(home: Path) -> bytes:
    """All that the server wrote down of requests."""
    return b"".join(path.read_bytes() for path in sorted((home / "spool").rglob("*.spool")))


def test_what_the_project_redacts_is_redacted_by_its_image_with_the_key_that_it_is_given(tmp_path: Path) -> None:
    exported = told(tmp_path, CaptureSettings(redact=("plan",)))
    with image(tmp_path, exported, FAIRLEAD_REDACT_KEY=KEY) as url:
        answer = httpx.post(f"{url}/predict/Churn.2", json=ROW)
        assert answer.json()["predictions"][0]["label"] == "yes"
    spooled = written(tmp_path / "home")
    assert redact(PRIVATE, bytes.fromhex(KEY)).encode() in spooled
    assert not re.search(rb"\b" + PRIVATE.encode() + rb"\b", spooled), "what is redacted is nowhere in clear"
    assert not (tmp_path / "home" / "keys" / "redact.key").exists(), "the key that was given is not written down"


@pytest.mark.long
def test_without_a_key_the_volume_makes_one_and_keeps_it(tmp_path: Path) -> None:
    exported = told(tmp_path, CaptureSettings(redact=("plan",)))
    with image(tmp_path, exported) as url:
        assert httpx.post(f"{url}/predict/Churn.2", json=ROW).status_code == 200
    path = tmp_path / "home" / "keys" / "redact.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert redact(PRIVATE, bytes.fromhex(path.read_text())).encode() in written(tmp_path / "home")


@pytest.mark.long
def test_records_are_encrypted_with_a_key_of_the_environment_and_limits_hold(tmp_path: Path) -> None:
    exported = told(tmp_path, CaptureSettings(encrypt="file:/etc/of-this-machine"))
    limited = msgspec.structs.replace(
        exported, settings=msgspec.structs.replace(exported.settings, serve=ServeSettings(max_body_mb=0.01))
    )
    with image(tmp_path, limited, FAIRLEAD_RECORDS_KEY=KEY) as url:
        assert httpx.post(f"{url}/predict/Churn.2", json=ROW).status_code == 200
        large = httpx.post(f"{url}/predict/Churn.2", json=[ROW] * 1000)
        assert large.status_code == 413
    assert PRIVATE.encode() not in written(tmp_path / "home")
    assert "/etc/of-this-machine" not in (tmp_path / "context" / "terms.json").read_text()


def test_the_terms_say_nothing_of_this_machine(tmp_path: Path) -> None:
    exported = told(tmp_path, CaptureSettings(encrypt="command:pass records"))
    here = ServeSettings(host="10.0.0.5", tls_key="/home/of/me.pem", tls_certificate="/home/of/me.crt", grpc_port=9)
    settings = msgspec.structs.replace(exported.settings, serve=here, access=AccessSettings(issuer="i", audience="a"))
    terms = terms_of(msgspec.structs.replace(exported, settings=settings))
    assert terms.server == ServeSettings()
    assert terms.capture.encrypt == "env:FAIRLEAD_RECORDS_KEY"
    assert terms.access.issuer == "i"
    lost = msgspec.structs.replace(settings, access=AccessSettings(issuer="i", audience="a", jwks="keys.json"))
    with pytest.raises(ConfigInvalid, match="Name a URL"):
        terms_of(msgspec.structs.replace(exported, settings=lost))


def test_terms_that_cannot_be_read_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match="cannot be read"):
        read_terms(tmp_path / "none.json")
    wrong: tuple[Any, ...] = (b"[]", b'{"route":{"model":"a","variants":[]},"secret":1}', b"\xff")
    for raw in wrong:
        (tmp_path / "terms.json").write_bytes(raw)
        with pytest.raises(FormatUnknown, match="not what"):
            read_terms(tmp_path / "terms.json")
    newer = Terms(Route(model="a", variants=()), format=2)
    (tmp_path / "terms.json").write_bytes(msgspec.json.encode(newer))
    with pytest.raises(FormatUnknown, match="format 2"):
        read_terms(tmp_path / "terms.json")
    for said in ("short", "g" * 64, KEY.upper() + "0"):
        with pytest.raises(UsageError, match="64 hex digits"):
            redact_key_of({"FAIRLEAD_REDACT_KEY": said}, tmp_path)


def test_an_image_has_what_grpc_and_traces_take_where_the_project_asks_for_them(tmp_path: Path) -> None:
    names = {}
    for name, telemetry in (("plain", None), ("traced", TelemetrySettings(otlp="http://10.1.2.3:4318"))):
        exported = told(tmp_path, CaptureSettings(), telemetry)
        accepted = msgspec.structs.replace(exported, options={**exported.options, "licences": "certifi"})
        (tmp_path / name).mkdir()
        Docker().write(accepted, tmp_path / name)
        names[name] = set(re.findall(r"^(\S+)==", (tmp_path / name / "requirements.txt").read_text(), re.M))
    assert "grpcio" in names["plain"], "the project has [serve] grpc_port"
    assert "opentelemetry-sdk" not in names["plain"]
    assert {"opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http", "requests"} <= names["traced"]
