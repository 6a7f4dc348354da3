"""Every address of a server, written in every way: without a key there is nothing but probes and empty frames."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from admitting import allow, guarded, key, secrets
from asking import HERE, ROW, ask
from tests.conftest import eventually

from fairlead.contract.plugins import names
from fairlead.runtime.serve.access.addresses import OPEN
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.serve.web import is_frame

METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "get", "PROPFIND")
ALIASES = {"/v1/endpoints/7:predict": "native", "/custom/score": "v2"}
PAGES = (
    "/feedback", "/feedback/churn", "/feedback/nothing", "/v2/models/churn", "/v2/models/churn/ready",
    "/v2/models/churn/versions/1", "/v2/models/churn/versions/1/ready", "/v2/models/nothing", "/v2/repository/index",
    "/v2/repository/models/churn/load", "/v2/repository/models/churn/unload", "/v1/models", "/v1/models/churn",
    "/v1/models/churn:explain", "/openapi.json", "/docs/contents", "/models/churn/contents", "/execution-parameters",
    "/metrics", "/version", "/v2", "/v2/models", "/nowhere", "/admin", "/routes.json", "/..", "*", "", "health/live",
    "grpc:/v2/models/churn", "grpc:/v2/health/live", "grpc:/metrics",
)  # fmt: skip


def written(path: str) -> set[str]:
    """The ways to write an address."""
    inner = path.lstrip("/")
    return {
        path, path + "/", path + "//", "/" + path, "/./" + inner, "/x/../" + inner, path.upper(), path + "%00",
        path + "%2e", path + ";a=b", path + "?", path + "#", path + "%20", "/" + quote(inner, safe=""),
        "/" + "".join(f"%{ord(letter):02x}" for letter in inner), path.replace("/", "%2F"), path.replace("/", "//"),
        path.replace("/", "\\"), "http://localhost" + path, path + "/../health/live", "/health/live/.." + path,
        "/health/live/" + inner, "/v2/health/ready?" + inner,
    }  # fmt: skip


def is_stated_open(method: str, path: str) -> bool:
    return (path in OPEN and method in {"GET", "HEAD"}) or is_frame(path)


@pytest.fixture
def app(home: Path) -> Iterator[DataPlane]:
    (secret,) = secrets(1)
    allow(home, key(secret, models=("*",), verbs=("predict", "feedback", "metrics", "admin")))
    with guarded(home, aliases=ALIASES) as made:
        assert ask(made, ROW, x_api_key=secret)[0].code == 200
        assert ask(made, ROW, path="/v1/endpoints/7:predict", x_api_key=secret)[0].code == 200
        yield made


def test_without_a_key_every_address_is_closed_however_it_is_written(app: DataPlane) -> None:
    spoken = {endpoint.codec.name for endpoint in app._serving.endpoints.values()}
    assert set(ALIASES) <= set(app._serving.endpoints)
    assert {"native", "v2"} <= spoken <= set(names("codec"))
    known = {*app._serving.endpoints, *app._pages._fixed, *app._pages.neighbours.fixed, *PAGES, *OPEN}
    tried = 0
    for path in sorted({way for address in known for way in written(address)}):
        for method in METHODS:
            reply = ask(app, ROW, path=path, method=method)[0]
            tried += 1
            if is_stated_open(method, path):
                continue
            assert reply.code == 401, (method, path)
            assert "www-authenticate" in reply.headers
            assert method == "HEAD" or b"key or token is needed" in reply.body or b"detail" in reply.body
    assert tried > 3000


def test_what_is_open_says_nothing_of_what_is_served(app: DataPlane) -> None:
    for method in ("GET", "HEAD"):
        for path in sorted(OPEN):
            reply = ask(app, b"", path=path, method=method)[0]
            assert reply.code in {200, 404}
            assert b"churn" not in reply.body
    real, made_up = (ask(app, b"", path=f"/models/{name}", method="GET")[0] for name in ("churn", "made-up"))
    assert (real.code, real.body) == (made_up.code, made_up.body)
    for path in ("/", "/docs", "/models/churn", "/models/"):
        assert b"tenure" not in ask(app, b"", path=path, method="GET", accept="text/html")[0].body
        assert b"churn" not in ask(app, b"", path=path, method="GET", accept="text/html")[0].body
    for path in ("/", "/docs", "/models/churn"):
        assert b"churn" not in ask(app, ROW, path=path, method="POST")[0].body


def test_a_key_for_nothing_much_opens_nothing_that_has_a_verb(home: Path) -> None:
    (secret,) = secrets(1)
    allow(home, key(secret, models=("other",), verbs=("feedback",)))
    with guarded(home) as app:
        for path in app._serving.endpoints:
            assert ask(app, ROW, path=path, x_api_key=secret)[0].code == 403, path
        for path in ("/metrics", "/feedback/churn", "/v2/repository/models/churn/load"):
            for method in ("GET", "POST"):
                for way in (path, path + "/", "/" + path, path.replace("r", "%72")):
                    code = ask(app, {"label": "Yes"}, path=way, method=method, x_api_key=secret)[0].code
                    assert code in {403, 404}, (method, way)
                    assert code == 403 or way.startswith(("//feedback", "/feedb")), (method, way)


PROGRAM = """
import sys
from pathlib import Path
from fairlead.contract.settings import AccessSettings
from fairlead.runtime.serve import ServeOptions, serve
serve(ServeOptions(home=Path(sys.argv[1]), port=0, load="stand_in:load", transport=sys.argv[2],
                   access=AccessSettings(required=True)), lambda url: print(url, flush=True))
"""


def spoken_raw(port: int, method: str, path: str, **headers: str) -> tuple[int, bytes]:
    """An answer to a request whose target goes out as it is written."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.putheader("content-length", "2")
        connection.endheaders(b"{}")
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


@pytest.mark.parametrize("transport", names("transport"))
def test_over_a_socket_every_address_is_closed_too(home: Path, transport: str) -> None:
    (secret,) = secrets(1)
    allow(home, key(secret))
    ready, log = home / "ready.txt", home / "server.log"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(home), transport],
        stdout=ready.open("wb"), stderr=log.open("wb"),
        env={**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        eventually(lambda: ready.read_text().endswith("\n") or process.poll() is not None, what=f"ready, see {log}")
        port = int(ready.read_text().strip().rpartition(":")[2])
        asked = [
            "/predict",
            "/predict/churn",
            "/v2/models/churn/infer",
            "/metrics",
            "/feedback",
            "/v2",
            "/v2/models/churn",
        ]
        for path in asked:
            for way in (path, path + "/", "/" + path, "/./" + path[1:], path + "?x=/health/live", "http://h" + path,
                        path.replace("e", "%65"), "/health/live/.." + path):  # fmt: skip
                for method in ("GET", "POST", "OPTIONS"):
                    code, body = spoken_raw(port, method, way)
                    # A transport may refuse what it does not read as an address; it must not answer it.
                    assert code in {400, 401}, (method, way, code, body[:100])
            assert spoken_raw(port, "HEAD", path)[0] == 401
        assert spoken_raw(port, "GET", "/health/live")[0] == 200
        assert spoken_raw(port, "GET", "/v2", authorization=f"Bearer {secret}")[0] == 200
        assert spoken_raw(port, "GET", "/v2", X_API_KEY=secret)[0] == 200
        allow(home, generation=2)
        eventually(lambda: spoken_raw(port, "GET", "/v2", x_api_key=secret)[0] == 401, within_s=30)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.mark.parametrize("transport", ["granian", "bare"])
def test_the_batch_lane_asks_who_its_callers_are_too(home: Path, transport: str) -> None:
    telling, asking = secrets(2)
    allow(home, key(telling, "telling", verbs=("feedback",)), key(asking, "asking", rows_per_day=9000))
    ready, log = home / "ready.txt", home / "server.log"
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(home), transport],
        stdout=ready.open("wb"), stderr=log.open("wb"),
        env={**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        eventually(lambda: ready.read_text().endswith("\n") or process.poll() is not None, what=f"ready, see {log}")
        url = ready.read_text().split()[0]
        if transport == "bare":
            # Before the body has come at all.
            with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10) as nobody:
                nobody.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000\r\n\r\n")
                assert nobody.recv(1000).startswith(b"HTTP/1.1 401 ")
        rows = [ROW] * 6000
        codes = [
            httpx.post(f"{url}/predict", json=rows, headers={"x-api-key": secret}, timeout=30.0).status_code
            for secret in ("", telling, asking, asking)
        ]
        assert codes == [401, 403, 200, 429]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
