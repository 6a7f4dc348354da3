"""The data plane behind certificates, from its settings to an answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from asking import HERE, ROW
from tests.ports.transport_certificates import Authority

from fairlead.contract.errors import UsageError
from fairlead.contract.settings import ServeSettings
from fairlead.runtime.serve import ServeOptions, serve

PROGRAM = """
import sys
from pathlib import Path
from fairlead.contract.settings import ServeSettings
from fairlead.runtime.serve import ServeOptions, serve
home, certificate, key, authority = sys.argv[1:]
server = ServeSettings(tls_certificate=certificate, tls_key=key, tls_client_ca=authority)
serve(
    ServeOptions(home=Path(home), port=0, load="stand_in:load", server=server), lambda url: print(url, flush=True)
)
"""


@pytest.mark.parametrize("demanded", [False, True])
def test_predictions_over_tls(home: Path, tmp_path: Path, demanded: bool) -> None:
    authority = Authority(tmp_path, "one")
    certificate, key = authority.issue("localhost")
    files = [str(certificate), str(key), str(authority.path) if demanded else ""]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(home), *files],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("https://127.0.0.1:")
        known = authority.client(authority.issue("team-a"))
        with httpx.Client(base_url=url, verify=known, timeout=10) as client:
            assert client.post("/predict", json=ROW).status_code == 200
            assert client.get("/health/ready").json() == {"ready": True}
        if demanded:
            with pytest.raises((httpx.ReadError, httpx.ConnectError, httpx.RemoteProtocolError)):
                httpx.post(url + "/predict", json=ROW, verify=authority.client(), timeout=10)
    finally:
        process.terminate()
        assert process.wait(60) == 0
        assert process.stdout is not None
        process.stdout.close()


def test_a_certificate_that_is_missing_ends_it_before_anything_starts(home: Path, tmp_path: Path) -> None:
    server = ServeSettings(tls_certificate=str(tmp_path / "none.pem"), tls_key=str(tmp_path / "none.key"))
    with pytest.raises(UsageError, match=r"serve\.tls_certificate"):
        serve(ServeOptions(home=home, port=0, load="stand_in:load", server=server))
