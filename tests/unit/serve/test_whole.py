"""A tick of requests that one variant answers whole: what counts, and what goes the general way."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stand_in
from asking import FIRST, ROW, ask, bundles, plane

from fairlead.contract.ports import Request
from fairlead.runtime.serve.counters import BUCKETS
from fairlead.runtime.serve.deployed import Endpoint
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.serve.whole import Whole


def whole_of(app: DataPlane, *bodies: Any, path: str = "/predict/churn") -> Whole:
    """A group that is not answered yet."""
    endpoint: Endpoint = app._serving.endpoints[path]
    assert endpoint.whole is not None
    made = Whole(endpoint, endpoint.whole)
    for number, body in enumerate(bodies):
        request = Request("POST", path, "", {}, json.dumps(body).encode(), 0.0, lambda *_: None)
        made.requests.append(request)
        made.parsed.append(endpoint.parse(request.body, {}))
        made.ids.append(str(number))
    return made


def test_sizes_are_told_where_requests_have_several_rows(home: Path) -> None:
    with plane(home) as app:
        alone, mixed = whole_of(app, ROW, ROW), whole_of(app, ROW, [ROW, ROW], ROW)
        assert alone.answer()
        assert mixed.answer()
    assert (alone.sizes, mixed.sizes) == (None, [1, 2, 1])
    assert [len(json.loads(body)["predictions"]) for body in mixed.bodies] == [1, 2, 1]
    assert mixed.bodies[0] == mixed.bodies[2] == alone.bodies[0]
    assert len(mixed.rows) == len(mixed.scores) == len(mixed.labels or ()) == 4


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_an_answer_that_is_no_number_counts_for_nothing(home: Path, bad: float) -> None:
    with plane(home) as app:
        whole = whole_of(app, ROW, ROW)
        whole.live.answer = lambda rows: (["No"] * len(rows), [[0.5, 0.5], [0.5, bad]])
        assert not whole.answer()


@pytest.mark.parametrize("count", [1, 3])
def test_a_model_that_answers_more_or_fewer_rows_is_not_believed(home: Path, count: int) -> None:
    with plane(home) as app:
        whole = whole_of(app, ROW, ROW)
        whole.live.answer = lambda rows: (["No"] * count, [[0.5, 0.5]] * count)
        assert not whole.answer()


def test_a_model_without_lists_of_its_own_is_asked_for_arrays(home: Path) -> None:
    with plane(home) as app:
        whole = whole_of(app, ROW, {**ROW, "tenure": 30})
        model = whole.live.model
        assert not hasattr(model, "answer_rows")
        assert whole.answer()
        found = model.score_rows(whole.rows)
        assert (whole.labels, whole.scores) == (model.decide(found), np.asarray(found).tolist())


def test_every_request_of_a_tick_is_in_its_bucket(home: Path) -> None:
    ages = (0.0, 0.003, 0.003, 0.04, 7.6, 0.003)
    for chosen in (ages, ages[:1], ages[1:3], ages[:2], (0.003,) * 5):
        with plane(home) as app:
            whole = whole_of(app, *[ROW] * len(chosen))
            assert whole.answer()
            cells, at = whole.live.counters.cells, whole.endpoint.seconds_at(whole.live)
            before = cells[at : at + len(BUCKETS) + 2].tolist()
            now = time.monotonic()
            for request, age in zip(whole.requests, chosen, strict=True):
                request.arrived = now - age
            app._reply_whole(whole, now)
            gained = np.subtract(cells[at : at + len(BUCKETS) + 2].tolist(), before)
        expected = np.zeros(len(BUCKETS) + 1)
        for age in chosen:
            expected[next(n for n, most in enumerate((*BUCKETS, math.inf)) if age <= most + 1e-9)] += 1
        assert gained[:-1].tolist() == expected.tolist()
        assert gained[-1] == pytest.approx(sum(chosen))


def test_a_tick_is_answered_the_same_by_every_protocol(home: Path) -> None:
    tensors = [
        {"name": n, "shape": [1], "datatype": t, "data": [ROW[n]]}
        for n, t in (("tenure", "INT64"), ("charges", "FP64"), ("contract", "BYTES"), ("paperless", "BOOL"))
    ]
    with plane(home) as app:
        native = ask(app, ROW, ROW)
        v2 = ask(app, {"inputs": tensors}, {"inputs": tensors, "id": "q"}, path="/v2/models/churn/infer")
    (label, odds), (_, twin) = [one.json["outputs"] for one in v2]
    said = native[0].json["predictions"][0]
    assert label["data"] == [said["label"]]
    assert odds["data"] == twin["data"] == list(said["probabilities"].values())
    assert v2[1].json["id"] == "q"


def test_rows_that_the_model_refuses_fail_alone_in_a_tick_that_is_answered_whole(home: Path) -> None:
    bundles(home)
    stand_in.write(home / "bundles" / FIRST, shift=0.5, closed=True)
    never = {**ROW, "contract": "never"}
    with plane(home) as app:
        endpoint = app._serving.endpoints["/predict/churn"]
        assert endpoint.whole is not None
        assert endpoint.whole.guard is not None
        replies = ask(app, ROW, never, [ROW, ROW, never], ROW)
        page = ask(app, b"", path="/metrics", method="GET")[0].body.decode()
    assert [reply.code for reply in replies] == [200, 400, 400, 200]
    assert replies[0].json == replies[3].json
    said = [reply.json["error"] for reply in replies[1:3]]
    assert [one[:27] for one in said] == ["row 0, column 'contract': f", "row 2, column 'contract': f"]
    assert 'code="400"} 2' in page
    assert 'code="200"} 2' in page
