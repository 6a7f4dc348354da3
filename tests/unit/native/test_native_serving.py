"""A native model beside a compiled one in the same worker: whatever it does, the other answers at once."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from native_samples import Capricious, candidate
from sklearn.linear_model import LinearRegression

from fairlead.contract.routes import Limits, Route, Routes, Variant
from fairlead.lab.compile import write_bundle
from fairlead.runtime.bundle import BundleStore
from fairlead.runtime.serve import publish

PROGRAM = """
import sys
from pathlib import Path
from fairlead.contract.settings import ServeSettings
from fairlead.runtime.native import NativeTerms
from fairlead.runtime.serve import ServeOptions, serve
options = ServeOptions(
    home=Path(sys.argv[1]), port=0, transport=sys.argv[2], server=ServeSettings(batch_kb=0),
    native=NativeTerms(deadline_s=2.0),
)
serve(options, ready=lambda url: print("ready:", url, flush=True))
"""
TIMEOUT_S = 3.0


class Server:
    """A server in its own process, asked over one connection a thread."""

    def __init__(self, home: Path, transport: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(home), transport],
            stdout=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        found = re.search(r"ready: http://127\.0\.0\.1:(\d+)", self.process.stdout.readline())
        assert found
        self.port = int(found[1])

    def stop(self) -> None:
        """End it, unless it has ended."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(60)

    def ask(self, model: str, row) -> tuple[int, dict, float]:
        """Code, body and seconds."""
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request("POST", f"/predict/{model}", json.dumps(row), {"content-type": "application/json"})
        reply = connection.getresponse()
        body = json.loads(reply.read())
        connection.close()
        return reply.status, body, time.perf_counter() - began

    def until(self, code: int, row, within_s: float = 30.0) -> dict:
        """Ask the native model until it answers with `code`."""
        end = time.monotonic() + within_s
        while True:
            found, body, _ = self.ask("fickle", row)
            if found == code:
                return body
            assert time.monotonic() < end, (found, body)
            time.sleep(0.05)


@pytest.fixture(scope="module")
def home(tmp_path_factory, key, bundle):
    home = tmp_path_factory.mktemp("home")
    store = BundleStore(home / "bundles")
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=100)})
    fitted = LinearRegression().fit(frame, frame["x"] * 2)
    (home / "plain").mkdir()
    write_bundle(candidate(fitted, frame), home / "plain", key)
    plain, fickle = store.add(home / "plain"), store.add(bundle)
    shadowed = (Variant("main", plain), Variant("dark", plain, shadow=True))
    routes = (
        Route("plain", (Variant("main", plain),)),
        Route("fickle", (Variant("main", fickle),)),
        Route("mirrored", (Variant("main", fickle), Variant("dark", fickle, shadow=True))),
        Route("double", shadowed),
    )
    publish(home / "routes.json", Routes(1, routes, trusted=(key.public,), limits=Limits(timeout_s=TIMEOUT_S)))
    return home


@pytest.fixture(scope="module", params=["bare", "granian"])
def server(request, home):
    running = Server(home, request.param)
    yield running
    running.stop()


def row(amount: float):
    return {"amount": amount, "plan": "pro"}


def test_it_answers_and_is_captured(server, home):
    code, body, _ = server.ask("fickle", [row(60.0), row(5.0)])
    assert code == 200
    expected = Capricious().predict_proba(pd.DataFrame([row(60.0), row(5.0)]))
    found = [list(p["probabilities"].values()) for p in body["predictions"]]
    assert found == expected.tolist()
    code, body, _ = server.ask("mirrored", row(60.0))
    assert code == 200


def test_a_hang_is_504_for_its_request_and_holds_nobody_up(server):
    said = []
    waiting = threading.Thread(target=lambda: said.append(server.ask("fickle", row(669.0))))
    waiting.start()
    slowest = 0.0
    while waiting.is_alive():
        code, body, took = server.ask("plain", {"x": 1.0})
        assert code == 200
        assert body["predictions"] == [pytest.approx(2.0)]
        slowest = max(slowest, took)
    waiting.join()
    assert said[0][0] == 504, said
    assert said[0][2] >= 1.5
    assert slowest < 1.0
    server.until(200, row(10.0))


@pytest.mark.parametrize(("amount", "codes"), [(666.0, {500}), (667.0, {500}), (668.0, {500})])
def test_a_crash_and_an_exception_are_500_without_a_word_of_why(server, amount, codes):
    server.until(200, row(10.0))
    code, body, _ = server.ask("fickle", row(amount))
    assert code in codes
    assert body == {"error": "the model could not answer this request"}
    assert server.ask("plain", {"x": 1.0})[0] == 200
    server.until(200, row(10.0))


def test_while_it_starts_again_requests_are_told_to_come_back(server):
    # It may be there again before a busy machine lets us ask; then once more.
    for _ in range(5):
        server.until(200, row(10.0))
        server.ask("fickle", row(667.0))
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("POST", "/predict/fickle", json.dumps(row(1.0)), {"content-type": "application/json"})
        reply = connection.getresponse()
        reply.read()
        connection.close()
        if reply.status == 503:
            break
    assert reply.status == 503
    assert int(reply.headers["retry-after"]) >= 1
    server.until(200, row(10.0))


def test_one_that_raises_fails_alone_among_many_at_once(server):
    server.until(200, row(10.0))
    said = {}
    threads = [
        threading.Thread(target=lambda at=at: said.update({at: server.ask("fickle", row(668.0 if at == 5 else at))}))
        for at in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {at: code for at, (code, _, _) in said.items()} == {at: 500 if at == 5 else 200 for at in range(12)}


def test_what_was_answered_was_captured_and_the_accounts_add_up(server, home):
    from fairlead.runtime.capture import collect, reconcile

    server.stop()
    collect(home)
    found = reconcile(home)
    assert found.ok, found
    assert found.captured > 0
