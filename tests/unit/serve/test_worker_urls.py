"""A worker says how it is reached: the scheme with the address."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import deploy, settings

from fairlead.contract.settings import ServeSettings
from fairlead.doors.cli.processes import tell_up
from fairlead.runtime.serve import live_workers
from fairlead.runtime.serve.worker import open_plane


@pytest.mark.parametrize(
    ("host", "certificate", "url"),
    [
        ("127.0.0.1", "", "http://127.0.0.1:8443"),
        ("0.0.0.0", "own.pem", "https://127.0.0.1:8443"),
        ("::", "own.pem", "https://[::1]:8443"),
        ("models.example", "own.pem", "https://models.example:8443"),
    ],
)
def test_where_a_worker_is_reached(
    home: Path, capsys: pytest.CaptureFixture[str], host: str, certificate: str, url: str
) -> None:
    deploy(home)
    about = {"host": host, "port": 8443, "server": ServeSettings(tls_certificate=certificate)}
    plane = open_plane(0, {**settings(home), **about})
    try:
        (worker,) = live_workers(home)
        assert worker.url == url
        tell_up("churn", home)
    finally:
        plane.close()
    assert f"ready: churn at {url}/predict/churn (metrics {url}/metrics" in capsys.readouterr().out
