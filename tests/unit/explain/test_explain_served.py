"""Explanations by a running server: as offline, behind the same rules, and never in the way of predictions."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from explain_samples import LINEAGE, frame, prepared, truth
from sklearn.ensemble import RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression
from tests.conftest import environment, eventually

from fairlead.contract.profile import Reference
from fairlead.contract.routes import Key, Limits, Route, Routes, Variant
from fairlead.lab.compile import Candidate, signature_for_estimator, write_bundle
from fairlead.lab.compile.foreign import columns_like
from fairlead.lab.stats import bins_for, profile
from fairlead.runtime.bundle import BundleStore, SigningKey
from fairlead.runtime.explain import load
from fairlead.runtime.native import NativeTerms
from fairlead.runtime.serve import live_workers, publish
from fairlead.runtime.serve.access import hash_of, new_secret
from fairlead.runtime.serve.lane import WAITING

PROGRAM = """
import sys
from pathlib import Path
from fairlead.contract.settings import AccessSettings, ServeSettings
from fairlead.runtime.native import NativeTerms
from fairlead.runtime.serve import ServeOptions, serve
options = ServeOptions(
    home=Path(sys.argv[1]), port=0, transport=sys.argv[2], server=ServeSettings(explain_rows=5, batch_kb=16),
    access=AccessSettings(required=True), native=NativeTerms(),
)
serve(options, ready=lambda url: print(url, flush=True))
"""
TIMEOUT_S = 4.0
SECRETS = {name: new_secret() for name in ("all", "predict", "blunt", "other", "metered")}
ROWS = json.loads(frame(5, 9).to_json(orient="records"))


def sealed(store: BundleStore, folder: Path, key: SigningKey, estimator: Any, rows: Any) -> str:
    signature = signature_for_estimator(estimator, rows, target="y")
    columns = columns_like(rows, signature)
    reference = Reference(profile(columns, bins_for(columns, signature)))
    folder.mkdir()
    made = Candidate(estimator, signature, LINEAGE, reference, columns, sample=rows, name=folder.name)
    write_bundle(made, folder, key, native=NativeTerms())
    return store.add(folder)


def keys() -> tuple[Key, ...]:
    every = ("predict", "explain", "metrics")
    told: dict[str, dict[str, Any]] = {
        "all": {"verbs": every},
        "predict": {"verbs": ("predict",)},
        "blunt": {"verbs": every, "label_only": True},
        "other": {"verbs": every, "models": ("odd",)},
        "metered": {"verbs": every, "rows_per_day": 3},
    }
    return tuple(Key(id=name, name=name, hash=hash_of(SECRETS[name]), **said) for name, said in told.items())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    key, rows = SigningKey.create(home / "seal.key"), frame()
    store = BundleStore(home / "bundles")
    forest = prepared(RandomForestClassifier(5, random_state=0)).fit(rows, truth(rows, "binary"))
    line = prepared(LogisticRegression()).fit(rows, truth(rows, "binary"))
    few = frame(40, gaps=0.0)
    # No form reproduces it, so it is served as native.
    odd = GaussianProcessClassifier(optimizer=None).fit(few[["n0", "n1"]], truth(few, "binary"))
    bundles = {
        "forest": sealed(store, home / "forest", key, forest, rows),
        "line": sealed(store, home / "line", key, line, rows),
        "odd": sealed(store, home / "odd", key, odd, few[["n0", "n1"]]),
    }
    routes = [Route(name, (Variant("champion", bundle, 7),)) for name, bundle in bundles.items()]
    shared = (Variant("champion", bundles["forest"], 7, 0.5), Variant("challenger", bundles["line"], 8, 0.5))
    routes.append(Route("shared", shared, sticky_by="who"))
    limits = Limits(timeout_s=TIMEOUT_S, max_body_bytes=200_000, batch_bytes=16_000)
    said = Routes(1, tuple(routes), default="forest", trusted=(key.public,), limits=limits, keys=keys())
    publish(home / "routes.json", said)
    return home


class Server:
    def __init__(self, home: Path, transport: str) -> None:
        self.home, self.log = home, home / f"{transport}.log"
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(home), transport],
            stdout=subprocess.PIPE, stderr=self.log.open("ab"), env=environment(), text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http://"), self.log.read_text()

    def post(self, path: str, body: Any, who: str = "all", **headers: str) -> httpx.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        own = {"x-api-key": SECRETS[who]} if who else {}
        return httpx.post(self.url + path, content=data, headers={**own, **headers}, timeout=30.0)

    @property
    def explainer(self) -> int:
        """The process that explains."""
        live = live_workers(self.home, lanes=True)
        return next(worker.pid for worker in live if worker.role == "explain")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    running = Server(home, "bare")
    yield running
    running.stop()


def test_the_other_transport_explains_too(home: Path) -> None:
    running = Server(home, "granian")
    try:
        assert running.post("/explain/forest", ROWS).json()["method"] == "trees"
        assert running.post("/explain/forest", [ROWS[0]] * 150).status_code == 413
        assert running.post("/predict/forest", [ROWS[0]] * 150).status_code == 200  # by the batch lane
    finally:
        running.stop()


def offline(home: Path, model: str) -> dict[str, Any]:
    key = SigningKey.load(home / "seal.key").public
    found: dict[str, Any] = load(home / model, (key,)).explain(ROWS).answer()
    return found


@pytest.mark.parametrize(("model", "method"), [("forest", "trees"), ("line", "linear")])
def test_served_explanations_are_those_made_offline(server: Server, home: Path, model: str, method: str) -> None:
    answer = server.post(f"/explain/{model}", ROWS).json()
    predicted = server.post(f"/predict/{model}", ROWS).json()
    assert answer.pop("predictions") == predicted["predictions"]
    assert (answer.pop("model"), answer.pop("version")) == (model, "7")
    assert len(answer.pop("bundle")) == 64
    assert answer["method"] == method
    assert answer == json.loads(json.dumps(offline(home, model)))
    instances = server.post(f"/v1/models/{model}:explain", {"instances": ROWS}).json()
    assert instances["explanations"] == answer["attributions"]


def test_the_default_model_is_explained_without_its_name_and_ids_come_back(server: Server) -> None:
    reply = server.post("/explain", ROWS[0], **{"x-request-id": "why-1"})
    assert (reply.status_code, reply.headers["x-request-id"]) == (200, "why-1")
    assert reply.json()["model"] == "forest"
    columns = {"columns": {name: [row[name] for row in ROWS] for name in ROWS[0]}}
    assert server.post("/explain", columns).json()["attributions"][0] == reply.json()["attributions"][0]


@pytest.mark.parametrize(
    ("path", "body", "who", "code", "told"),
    [
        ("/explain/forest", [*ROWS, ROWS[0]], "all", 413, "6 rows at once, the limit is 5"),
        ("/explain/forest", [ROWS[0]] * 150, "all", 413, "the limit is 5"),  # of the size that goes to the batch lane
        ("/explain/forest", {**ROWS[0], "n0": "x"}, "all", 400, "row 0, column 'n0'"),
        ("/explain/forest", {"n0": 1.0}, "all", 400, "columns missing"),
        ("/explain/forest", b"{", "all", 400, ""),
        ("/explain/forest", b" " * 300_000, "all", 413, "200000"),
        ("/explain/nobody", ROWS, "all", 404, "no such model"),
        ("/v1/models/nobody:explain", {"instances": ROWS}, "all", 404, "no such model"),
        ("/explain/odd", {"n0": 1.0, "n1": 0.0}, "all", 501, "only compiled models are explained"),
        ("/explain/forest", ROWS, "", 401, "key"),
        ("/explain/forest", ROWS, "predict", 403, "may not ask for explanations"),
        ("/v1/models/forest:explain", {"instances": ROWS}, "predict", 403, "may not ask for explanations"),
        ("/explain/forest", ROWS, "other", 403, "forest"),
        ("/explain/forest", ROWS, "blunt", 403, "told less"),
        ("/explain/forest", ROWS, "metered", 429, ""),
    ],
)  # fmt: skip
def test_what_is_refused_says_why(server: Server, path: str, body: Any, who: str, code: int, told: str) -> None:
    reply = server.post(path, body, who)
    assert reply.status_code == code, reply.text
    assert told in reply.json()["error"]
    assert server.post("/predict/forest", ROWS).status_code == 200


def test_other_methods_are_405_and_other_verbs_501(server: Server) -> None:
    head = {"x-api-key": SECRETS["all"]}
    for path in ("/explain", "/explain/forest", "/v1/models/forest:explain"):
        reply = httpx.get(server.url + path, headers=head)
        assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
    assert server.post("/v1/models/forest:classify", {"instances": ROWS}).status_code == 501


def test_the_variant_that_answers_explains(server: Server) -> None:
    versions = {}
    for who in map(str, range(8)):
        answer = server.post("/explain/shared", {**ROWS[0], "who": who}).json()
        versions[who] = answer["version"]
        assert answer["method"] == {"7": "trees", "8": "linear"}[answer["version"]]
        assert answer["predictions"] == server.post("/predict/shared", {**ROWS[0], "who": who}).json()["predictions"]
    assert set(versions.values()) == {"7", "8"}
    apart = [next(who for who, version in versions.items() if version == wanted) for wanted in ("7", "8")]
    reply = server.post("/explain/shared", [{**ROWS[0], "who": who} for who in apart])
    assert (reply.status_code, "one at a time" in reply.text) == (400, True)


def test_explanations_are_counted_and_no_prediction_is(server: Server) -> None:
    def counted() -> dict[str, float]:
        lines = httpx.get(server.url + "/metrics", headers={"x-api-key": SECRETS["all"]}).text.splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line[:1] not in ("#", "")}

    labels = 'model_name="line",model_version="7",variant="champion"'
    before = counted()
    assert server.post("/explain/line", ROWS).status_code == 200
    after = counted()
    asked = f'fairlead_requests_total{{{labels},protocol="explain",code="200"}}'
    assert after[asked] == before.get(asked, 0.0) + 1
    rows = f"fairlead_rows_total{{{labels}}}"
    assert after.get(rows, 0.0) == before.get(rows, 0.0)


def test_predictions_are_answered_while_explanations_stand_still(server: Server) -> None:
    assert server.post("/explain/forest", ROWS).status_code == 200
    os.kill(server.explainer, signal.SIGSTOP)
    codes: list[int] = []
    asking = [
        threading.Thread(target=lambda: codes.append(server.post("/explain/forest", ROWS).status_code))
        for _ in range(WAITING + 2)
    ]
    try:
        for one in asking:
            one.start()
        # Those beyond what may wait are turned away, and all the while each prediction is answered.
        eventually(lambda: codes.count(503) >= 2, what="explanations that are turned away")
        for _ in range(20):
            assert server.post("/predict/forest", ROWS).status_code == 200
        assert len(codes) == 2
    finally:
        os.kill(server.explainer, signal.SIGCONT)
    for one in asking:
        one.join(30)
    assert sorted(codes)[:1] == [200]
    assert set(codes) <= {200, 503, 504}


def test_a_killed_explainer_costs_its_request_and_is_replaced(server: Server, home: Path) -> None:
    wanted = server.post("/explain/forest", ROWS).json()["attributions"]
    before = server.explainer
    os.kill(before, signal.SIGSTOP)
    codes: list[int] = []
    waiting = threading.Thread(target=lambda: codes.append(server.post("/explain/forest", ROWS).status_code))
    waiting.start()
    os.kill(before, signal.SIGKILL)
    waiting.join(30)
    assert codes[0] in (200, 503)
    assert server.post("/predict/forest", ROWS).status_code == 200

    def again() -> Any:
        with contextlib.suppress(httpx.TransportError):
            reply = server.post("/explain/forest", ROWS)
            return reply.status_code == 200 and reply.json()["attributions"]
        return None

    assert eventually(again, within_s=30, what="an explanation by the next process") == wanted
    assert server.explainer != before
