"""Client certificates over a real socket: who has one is a caller, by its name and by nothing it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from admitting import REDACT, allow, key, secrets
from asking import HERE, ROW
from tests.conftest import eventually
from tests.ports.transport_certificates import Authority

from fairlead.runtime.capture.redaction import redact
from fairlead.runtime.wire import frames

PROGRAM = """
import sys
from pathlib import Path
from fairlead.contract.settings import AccessSettings, ServeSettings
from fairlead.runtime.serve import ServeOptions, serve
home, certificate, private, authority, required = sys.argv[1:]
server = ServeSettings(tls_certificate=certificate, tls_key=private, tls_client_ca=authority)
serve(ServeOptions(home=Path(home), host="0.0.0.0", port=0, load="stand_in:load", transport="bare", server=server,
                   access=AccessSettings(required=True if required else None)), lambda url: print(url, flush=True))
"""


@pytest.mark.parametrize("required", ["", "required"])
def test_a_certificate_is_a_caller_unless_keys_are_demanded_in_words(home: Path, tmp_path: Path, required: str) -> None:
    (secret,) = secrets(1)
    allow(home, key(secret))
    authority = Authority(tmp_path, "ours")
    certificate, private = authority.issue("localhost")
    mine = authority.issue("billing")
    ready = home / "ready.txt"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(home), str(certificate), str(private), str(authority.path), required],
        stdout=ready.open("wb"), stderr=(home / "server.log").open("wb"),
        env={**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        eventually(lambda: ready.read_text().endswith("\n") or process.poll() is not None, what="ready")
        url = f"https://localhost:{ready.read_text().split()[0].rpartition(':')[2]}"
        with pytest.raises(httpx.TransportError), httpx.Client(verify=authority.client()) as stranger:
            stranger.post(f"{url}/predict", json=ROW)
        with httpx.Client(verify=authority.client(mine)) as client:
            said = client.post(f"{url}/predict", json=ROW).status_code
            assert said == (401 if required else 200)
            assert client.post(f"{url}/predict", json=ROW, headers={"x-api-key": secret}).status_code == 200
            wrong = client.post(f"{url}/predict", json=ROW, headers={"x-api-key": secrets(1)[0]})
            assert wrong.status_code == 401, "a key that does not hold is not made good by a certificate"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    found = [frame for path in (home / "spool").rglob("*.spool") for _, _, frame in frames.scan(path)]
    marks = [caller for frame in found if isinstance(frame, frames.Tick) for caller in frame.callers or [None]]
    by_key, by_name = (redact(id, bytes.fromhex(REDACT)) for id in ("k-app", "certificate billing"))
    assert marks == ([by_key] if required else [by_name, by_key])
