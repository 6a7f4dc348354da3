"""Sealed models behind the data plane: what one request holds is never felt by another one of its tick."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from asking import Reply, ask, settings
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from tests.unit.bundle import bundle_samples as samples

from fairlead.contract.ports import Request
from fairlead.contract.routes import Route, Routes, Variant
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle import BundleStore, Front, SigningKey, seal
from fairlead.runtime.bundle.front import Number
from fairlead.runtime.bundle.golden import Golden
from fairlead.runtime.bundle.manifest import canonical
from fairlead.runtime.bundle.tail import LinearForm
from fairlead.runtime.capture import collect, reconcile
from fairlead.runtime.capture.reader import Records
from fairlead.runtime.serve import publish
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.serve.worker import open_plane
from fairlead.runtime.wire import frames

CHURN = {"age": 50, "plan": "pro", "code": 2}
NEVER = "row 0, column 'code': found a value never seen in training, allowed: one of the 2 values it was trained on"


def price_files() -> dict[str, bytes]:
    """A regression with an exp link: e to the power of x, which floats cannot hold from x = 710 on."""
    tail = LinearForm(weights=((1.0,),), intercept=(0.0,), link="exp")
    return samples.files() | {
        "signature.json": canonical(Signature("regression", (Column("x", "number", nullable=False),), target="y")),
        "model/front.json": Front(("x",), (True,), (Number("x"),)).to_json(),
        "model/tail.json": tail.to_json(),
        "golden.jsonl": canonical(Golden({"x": 0.0}, (1.0,), 1.0)) + b"\n",
    }


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home where `churn` (closed in `code`, twice: a champion and a canary) and `price` are deployed."""
    home = tmp_path_factory.mktemp("sealed")
    key = SigningKey.create(home / "keys" / "signing.key")
    store = BundleStore(home / "bundles")
    ids = []
    for name, files in (("churn", samples.files()), ("price", price_files())):
        folder = samples.write_files(home / "made" / name, files)
        seal(folder, name, samples.LINEAGE, "linear", "2.4.6", key)
        ids.append(store.add(folder))
    other = samples.write_files(home / "made" / "other", samples.files() | {"model_card.md": b"# the other\n"})
    seal(other, "churn", samples.LINEAGE, "linear", "2.4.6", key)
    variants = (Variant("champion", ids[0], 1, 0.5), Variant("challenger", store.add(other), 2, 0.5))
    routes = (Route("churn", variants, sticky_by="id", salt="s"), Route("price", (Variant("champion", ids[1], 1),)))
    publish(home / "routes.json", Routes(1, routes, trusted=(key.public,)))
    return home


@pytest.fixture(scope="module")
def app(sealed: Path) -> Iterator[DataPlane]:
    made = open_plane(0, {**settings(sealed), "load": ""})
    yield made
    made.close()


def tensors(row: dict[str, Any]) -> dict[str, Any]:
    types = {int: "INT64", float: "FP64", str: "BYTES", type(None): "BYTES"}
    return {"inputs": [{"name": n, "shape": [1], "datatype": types[type(v)], "data": [v]} for n, v in row.items()]}


@pytest.mark.parametrize("path", ["/predict/churn", "/v2/models/churn/infer", "/v2/models/churn/versions/2/infer"])
def test_a_category_never_seen_is_refused_where_the_trained_model_refuses_it(app: DataPlane, path: str) -> None:
    def said(row: dict[str, Any]) -> dict[str, Any]:
        return row if path.startswith("/predict") else tensors(row)

    good, never, fine = ask(app, said(CHURN), said({**CHURN, "code": 3}), said({**CHURN, "plan": "new"}), path=path)
    assert (good.code, never.code, fine.code) == (200, 400, 200)
    assert never.json == {"error": NEVER}


def test_the_row_named_is_the_one_of_the_request_whatever_variant_has_it(app: DataPlane) -> None:
    for bad in range(8):
        rows = [{**CHURN, "id": n, "code": 3 if n == bad else 1} for n in range(8)]
        assert ask(app, rows, path="/predict/churn")[0].json["error"].startswith(f"row {bad}, column 'code': found")


def refused(app: DataPlane) -> list[str]:
    """What the page counts of requests answered with 422."""
    page = ask(app, b"", path="/metrics", method="GET")[0].body.decode()
    return [line for line in page.splitlines() if line.startswith("fairlead_requests_total{") and '"422"' in line]


@pytest.mark.parametrize("path", ["/predict/price", "/v2/models/price/infer"])
def test_an_answer_that_is_no_finite_number_is_422_for_that_request_alone(app: DataPlane, path: str) -> None:
    if path.startswith("/predict"):
        bodies: list[Any] = [{"x": 1.0}, {"x": 1e6}, [{"x": 0.0}, {"x": 0.0}, {"x": 800.0}], {"x": 2.0}]
    else:
        bodies = [tensors({"x": 1.0}), tensors({"x": 1e6}), tensors({"x": 2.0})]
        many = {"name": "x", "shape": [3], "datatype": "FP64", "data": [0.0, 0.0, 800.0]}
        bodies.insert(2, {"inputs": [many]})
    before = len(refused(app))
    replies = ask(app, *bodies, path=path)
    assert [reply.code for reply in replies] == [200, 422, 422, 200]
    assert replies[1].json == {"error": "row 0: the model's answer is not a finite number, so there is none to give"}
    assert replies[2].json["error"].startswith("row 2: ")
    assert b"2.718281828459045" in replies[0].body
    assert len(refused(app)) == before + 1


CHURN_ROWS = st.fixed_dictionaries(
    {
        "age": st.one_of(st.none(), st.integers(-(2**70), 2**70), st.just(2.5), st.just("old")),
        "plan": st.one_of(st.none(), st.sampled_from(["basic", "pro", "new"]), st.text(max_size=3), st.just(7)),
        "code": st.one_of(st.sampled_from([1, 2, 1, 2, 3, 2**80, "1", None, True])),
    },
    optional={
        "id": st.one_of(st.none(), st.text(max_size=5), st.integers(), st.just(2**64), st.just(10**200), st.floats()),
        "more": st.just(1),
    },
)
PRICE_ROWS = st.fixed_dictionaries({"x": st.floats(-1e4, 1e4) | st.sampled_from([1e308, 710])})
TENSORS = CHURN_ROWS.filter(lambda row: not isinstance(row["code"], bool)).map(tensors)
LABELS = st.fixed_dictionaries({"key": st.integers() | st.just(10**200), "label": st.sampled_from(["yes", 3])})
BODIES = st.one_of(
    st.tuples(st.just("/predict/churn"), st.lists(CHURN_ROWS, max_size=4)),
    st.tuples(st.just("/predict/churn"), CHURN_ROWS),
    st.tuples(st.just("/v2/models/churn/infer"), TENSORS),
    st.tuples(st.just("/predict/price"), PRICE_ROWS),
    st.tuples(st.just("/predict/price"), st.binary(max_size=20)),
    st.tuples(st.just("/feedback/churn"), LABELS),
    st.tuples(st.sampled_from(["/predict", "/metrics", "/nowhere", "/v2/models/churn"]), st.just({})),
)


def tick(app: DataPlane, asked: list[tuple[str, Any]]) -> list[Reply]:
    replies: list[list[Reply]] = [[] for _ in asked]
    requests = []
    for number, ((path, body), into) in enumerate(zip(asked, replies, strict=True)):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"x-request-id": f"request-{number}"}

        def take(code: int, said: Any, body: bytes, into: list[Reply] = into) -> None:
            into.append(Reply(code, said, body))

        requests.append(Request("POST", path, "", headers, data, 4e9, take))
    app.answer(requests)
    assert [len(into) for into in replies] == [1] * len(asked), "every request is answered exactly once"
    return [into[0] for into in replies]


@examples(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(BODIES, min_size=1, max_size=12))
def test_each_request_of_a_tick_is_answered_as_if_it_had_come_alone(
    app: DataPlane, asked: list[tuple[str, Any]]
) -> None:
    together = tick(app, asked)
    for number, (one, reply) in enumerate(zip(asked, together, strict=True)):
        # The id decides about the variant, so a request that comes alone keeps its own.
        alone = tick(app, [*[("/nowhere", {})] * number, one])[-1]
        assert (alone.code, alone.body) == (reply.code, reply.body)
        assert reply.code != 500
        if b"{" in reply.body:
            json.loads(reply.body, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_what_was_answered_is_recorded_and_what_was_not_is_an_error(app: DataPlane, sealed: Path) -> None:
    collect(sealed)
    before = Records(sealed, "price").between(None, None).num_rows
    tick(app, [("/predict/price", {"x": 1.0}), ("/predict/price", {"x": 1e6}), ("/predict/price", {"x": "a"})])
    (path,) = sorted(sealed.glob("spool/*/*/*.spool"))[-1:]
    errors = [frame for _, _, frame in frames.scan(path) if isinstance(frame, frames.Error)][-2:]
    assert sorted((error.code, error.reason) for error in errors) == [(400, "CellInvalid"), (422, "Unanswerable")]
    collect(sealed)
    assert Records(sealed, "price").between(None, None).num_rows == before + 1
    assert reconcile(sealed).ok


def test_a_request_that_cannot_be_recorded_is_a_fault_of_its_own(app: DataPlane) -> None:
    endpoint = app._serving.endpoints["/predict/price"]
    parse = endpoint.parse

    def strange(body: bytes, headers: Any) -> Any:
        parsed = parse(body, headers)
        if parsed.rows[0][0] == 3.0:
            # A number that models take and records cannot hold.
            parsed.rows[0][0] = np.int64(3)
        return parsed

    endpoint.parse = strange
    try:
        replies = tick(app, [("/predict/price", {"x": x}) for x in (1.0, 3.0, 2.0)])
    finally:
        endpoint.parse = parse
    assert [reply.code for reply in replies] == [200, 500, 200]
    assert msgspec.json.decode(replies[1].body) == {"error": "the model could not answer this request"}
