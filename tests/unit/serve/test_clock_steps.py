"""The wall clock is set while requests are being answered: nobody is too late for it, and no time is negative."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path

import pytest
from asking import ROW, deploy, server

from fairlead.contract.routes import Limits
from fairlead.runtime.capture import Records, collect
from fairlead.runtime.serve.clock import steady_clock, stepped

JUMPING = """
import time
_real, _looks = time.time, [0]
def _jumping():
    _looks[0] += 1
    return _real() + (3600.0 if _looks[0] % 3 == 0 else -3600.0 if _looks[0] % 3 == 1 else 0.0)
time.time = _jumping
"""
"""A clock that is set by an hour with every look at it: every two looks at it are apart by at least that."""


def seconds(port: int) -> dict[str, float]:
    """Sums of all histograms of seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))
        if "_seconds" in name and "_sum" in name
    }


@pytest.mark.parametrize("transport", ["bare", "granian"])
def test_a_wall_clock_that_jumps_makes_nobody_late(home: Path, transport: str) -> None:
    deploy(home, limits=Limits(timeout_s=20.0))
    large = json.dumps([ROW] * 4000).encode()
    more = f"transport={transport!r}, server=ServeSettings(batch_kb=16)"
    first = f"{JUMPING}\nfrom fairlead.contract.settings import ServeSettings"
    began = time.time()
    with server(home, first=first, more=more) as live:
        connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
        for body in (json.dumps(ROW).encode(), b"{", large) * 8:
            connection.request("POST", "/predict", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == (400 if body == b"{" else 200), said
        connection.close()
        told = seconds(live.port)
    assert any(value > 0.0 for value in told.values())
    assert all(0.0 <= value < 60.0 for value in told.values()), told
    collect(home)
    rows = Records(home, "churn").between(None, None).to_pylist()
    assert len(rows) == 8 * 4001
    # What is written down is the time of day, wherever the clock stood; how long it took is not.
    assert all(0.0 <= row["latency_s"] < 20.0 for row in rows)
    assert all(abs(row["arrived"] - began) < 7300.0 for row in rows)


def test_a_clock_that_was_set_still_says_the_time_of_day() -> None:
    now = [5000.0, 100.0]
    clock = steady_clock(lambda: now[0], lambda: now[1])
    assert clock() == 5000.0
    now[:] = [8600.5, 100.5]
    assert clock() == 5000.5
    assert stepped(clock(), now[0]) == 3600.0
    now[:] = [5001.02, 101.0]
    assert stepped(clock(), now[0]) == 0.0
