"""Latencies in bins, and the open loop of the generator against a real socket."""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.reach.capacity.latencies import Latencies
from fairlead.reach.capacity.stepping import Target, step

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@given(st.lists(st.floats(2e-5, 100.0), min_size=1, max_size=300), st.sampled_from([0.5, 0.9, 0.99, 1.0]))
def test_quantiles_are_within_half_a_percent(values: list[float], q: float) -> None:
    found = Latencies()
    for value in values:
        found.add(value)
    expected = sorted(values)[math.ceil(q * len(values)) - 1]
    assert found.quantile(q) == pytest.approx(expected, rel=0.006)
    assert Latencies.of(found.sparse()).quantile(q) == found.quantile(q)
    assert len(found + found) == 2 * len(values)


def test_bounds_of_a_percentile_hold_as_often_as_they_say() -> None:
    random = np.random.default_rng(1)
    true, inside = -math.log(0.01) / 100, 0
    for _ in range(200):
        found = Latencies()
        for value in random.exponential(0.01, 1500):
            found.add(float(value))
        low, high = found.bounds(0.99)
        inside += low <= true <= high
    assert inside >= 182
    assert Latencies().bounds(0.99)[1] == math.inf


@contextlib.contextmanager
def stalling(after_s: float, stall_s: float) -> Iterator[int]:
    """A server of one connection that answers at once, but stands still once."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)

    def serve() -> None:
        with contextlib.suppress(OSError):
            link, _ = listener.accept()
            link.settimeout(10)
            begun, stood = 0.0, False
            while data := link.recv(65536):
                begun = begun or time.monotonic()
                if not stood and time.monotonic() - begun > after_s:
                    stood = True
                    threading.Event().wait(stall_s)
                link.sendall(ANSWER * data.count(b"POST "))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join(10)


def test_a_server_that_stands_still_is_charged_for_what_would_have_come_meanwhile() -> None:
    """Half a second of two, at 300 a second over one connection: a client that waited had seen one slow answer."""
    with stalling(0.5, 0.5) as port:
        found = step(
            Target(url=f"http://127.0.0.1:{port}", path="/predict/x", bodies=("{}",), connections=1), 300.0, 2.0, seed=3
        )
    assert found.errors == {}
    assert found.requests == pytest.approx(600, rel=0.2)
    assert found.p99_ms is not None
    assert found.p90_ms is not None
    assert found.p99_ms > 420, "the stall itself"
    assert found.p90_ms > 200, "a quarter of all requests were due while it stood still"
    assert found.p50_ms is not None
    assert found.p50_ms < 200


def test_what_is_no_answer_is_an_error_with_its_reason() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    listener.close()
    nobody = Target(url=f"http://127.0.0.1:{port}", path="/", bodies=("{}",), connections=1, timeout_s=0.3)
    found = step(nobody, 50.0, 0.5)
    assert found.answered == 0
    assert set(found.errors) == {"no connection"}
    assert not found.carried(1000.0)
