"""The data plane without a transport: lists of requests in, replies and records out."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest
import stand_in
from asking import FIRST, ROW, SECOND, ask, deploy, plane

from fairlead.contract.routes import Limits, Variant
from fairlead.lab.tables import event_times
from fairlead.runtime.capture import collect, reconcile, redact
from fairlead.runtime.capture.reader import Records
from fairlead.runtime.serve import assign
from fairlead.runtime.serve.counters import read_counters


def test_a_tick_of_many_requests_answers_each_with_its_own(home: Path) -> None:
    rows = [{**ROW, "tenure": tenure} for tenure in range(40)]
    with plane(home) as app:
        replies = ask(app, *rows)
        together = ask(app, rows)[0].json["predictions"]
    alone = [reply.json["predictions"][0] for reply in replies]
    assert alone == together
    expected = [stand_in.scored(row, 0.5) for row in rows]
    assert [one["probabilities"]["Yes"] for one in alone] == pytest.approx(expected, abs=1e-12)
    assert len({reply.headers["x-request-id"] for reply in replies}) == 40


def test_one_bad_request_in_a_tick_fails_alone(home: Path) -> None:
    with plane(home) as app:
        good, bad, broken, fine = ask(app, ROW, {**ROW, "tenure": 2.5}, b"{", ROW)
    assert (good.code, bad.code, broken.code, fine.code) == (200, 400, 400, 200)
    assert bad.json["error"] == "row 0, column 'tenure': found a number with a fraction, allowed: an integer"


def test_a_model_that_fails_for_one_row_fails_that_request_alone(home: Path) -> None:
    # 0.01 * tenure overflows math.exp in the stand-in: a fault inside the model, no fault of the validation.
    with plane(home) as app:
        good, fault = ask(app, ROW, {**ROW, "tenure": -(10**6)})
        text = ask(app, b"", path="/metrics", method="GET")[0].body.decode()
    assert (good.code, fault.code) == (200, 500)
    assert fault.json == {"error": "the model could not answer this request"}
    assert 'code="500"} 1' in text


def test_ids_come_from_the_protocol_then_the_header_then_time(home: Path) -> None:
    with plane(home) as app:
        made, given = ask(app, ROW)[0], ask(app, ROW, x_request_id="mine-1")[0]
        unusable = ask(app, ROW, x_request_id="a b\r\n")[0]
        body = {"id": "v2-id", "inputs": [
            {"name": n, "shape": [1], "datatype": t, "data": [ROW[n]]}
            for n, t in (("tenure", "INT64"), ("charges", "FP64"), ("contract", "BYTES"), ("paperless", "BOOL"))
        ]}  # fmt: skip
        own = ask(app, body, path="/v2/models/churn/infer", x_request_id="mine-2")[0]
    assert made.headers["x-request-id"][14] == "7"
    assert given.headers["x-request-id"] == "mine-1"
    assert unusable.headers["x-request-id"] != "a b\r\n"
    assert own.headers["x-request-id"] == own.json["id"] == "v2-id"


PAGES = [
    ("GET", "/health/live", 200), ("GET", "/health/ready", 200), ("GET", "/v2/health/live", 200),
    ("GET", "/v2/health/ready", 200), ("GET", "/v2", 200), ("GET", "/v2/models", 200), ("GET", "/version", 200),
    ("GET", "/v2/models/churn", 200), ("GET", "/v2/models/churn/ready", 200),
    ("GET", "/v2/models/churn/versions/1", 200),
    ("GET", "/v2/models/churn/versions/9", 404), ("GET", "/v2/models/nobody", 404), ("POST", "/predict/nobody", 404),
    ("POST", "/v2/models/nobody/infer", 404), ("GET", "/predict", 405), ("POST", "/metrics", 405), ("GET", "/", 200),
    ("GET", "/feedback", 405), ("POST", "/v2/models/churn/versions/9/infer", 404), ("GET", "/../../etc/passwd", 404),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "code"), PAGES)
def test_every_address_answers_with_its_code(home: Path, method: str, path: str, code: int) -> None:
    with plane(home) as app:
        reply = ask(app, b"", path=path, method=method)[0]
    assert reply.code == code
    if code >= 400:
        assert list(reply.json) == ["error"]


def test_compressed_bodies_are_read_within_the_limit_of_what_they_unpack_to(home: Path) -> None:
    deploy(home, limits=Limits(max_body_bytes=2000))
    bomb = gzip.compress(b" " * 1_000_000)
    with plane(home) as app:
        assert ask(app, gzip.compress(json.dumps(ROW).encode()), content_encoding="gzip")[0].code == 200
        assert ask(app, bomb, content_encoding="gzip")[0].code == 413
        assert ask(app, b"not gzip", content_encoding="gzip")[0].code == 400
        assert ask(app, gzip.compress(b"{}")[:-4], content_encoding="gzip")[0].code == 400
        assert ask(app, b"x", content_encoding="br")[0].code == 415
        assert ask(app, b"PAR1", content_type="application/vnd.apache.parquet")[0].code == 415
        assert ask(app, b" " * 3000)[0].code == 413


def test_records_hold_what_was_asked_and_answered(home: Path) -> None:
    deploy(home, redact=("customer", "contract"))
    with plane(home) as app:
        first = ask(app, [{**ROW, "customer": "secret-c1", "at": "2020-01-01"}, {**ROW, "tenure": 9}])[0]
    assert collect(home).records == 2
    table = Records(home, "churn").between(None, None)
    one, two = table.to_pylist()
    key = bytes.fromhex("0a0b")
    assert one["request"] == two["request"] == first.headers["x-request-id"]
    assert (one["row"], two["row"]) == (0, 1)
    assert (one["key"], two["key"]) == (redact("secret-c1", key), None)
    assert one["in.contract"] == redact("monthly", key)
    assert one["time"] == 1577836800.0
    assert two["time"] == two["arrived"]
    assert (one["in.tenure"], one["in.charges"], one["in.paperless"]) == (3.0, 20.5, 1.0)
    assert one["out.p.Yes"] == first.json["predictions"][0]["probabilities"]["Yes"]
    assert one["out.label"] == "Yes"
    raw = b"".join(path.read_bytes() for path in home.rglob("*.spool"))
    assert b"secret" not in raw
    assert b"monthly" not in raw


def test_variants_share_requests_by_key_and_the_split_is_in_the_records(home: Path) -> None:
    variants = (Variant("champion", FIRST, 1, 0.7), Variant("challenger", SECOND, 2, 0.3))
    deploy(home, *variants, sticky_by="customer", salt="s1")
    rows = [{**ROW, "customer": f"c{number}"} for number in range(400)]
    with plane(home) as app:
        one_by_one = [reply.json["predictions"][0] for reply in ask(app, *rows)]
        at_once = ask(app, rows)[0].json["predictions"]
        route = app._serving.routes.routes[0]
    assert one_by_one == at_once
    collect(home)
    table = Records(home, "churn").between(None, None)
    assert table.num_rows == 800
    said = {(r["request"], r["row"]): r for r in table.to_pylist()}
    for record in said.values():
        assert record["variant"] == assign(route, record["key"]).name
    share = sum(r["variant"] == "challenger" for r in said.values()) / 800
    assert 0.2 < share < 0.4
    assert sorted(r["row"] for r in said.values())[-1] == 399


def test_a_shadow_is_recorded_and_answers_nobody(home: Path) -> None:
    deploy(home, Variant("champion", FIRST, 1), Variant("challenger", SECOND, 2, 0.0, shadow=True))
    with plane(home) as app:
        reply = ask(app, ROW)[0]
    assert reply.json["predictions"][0]["probabilities"]["Yes"] == pytest.approx(stand_in.scored(ROW, 0.5))
    collect(home)
    seen = Records(home, "churn").between(None, None, shadows=True).to_pylist()
    assert sorted((r["kind"], r["variant"]) for r in seen) == [("prediction", "champion"), ("shadow", "challenger")]
    assert Records(home, "churn").between(None, None).num_rows == 1
    books = reconcile(home)
    assert (books.ok, books.answered, books.captured) == (True, 1, 1)


def test_sampled_out_rows_are_counted(home: Path) -> None:
    deploy(home, sample=0.25)
    with plane(home) as app:
        ask(app, *[ROW] * 400)
    collect(home)
    books = reconcile(home)
    assert books.ok
    assert books.answered == 400
    assert books.captured + books.sampled_out == 400
    assert 50 < books.captured < 160
    assert Records(home, "churn").between(None, None).num_rows == books.captured


def test_a_full_spool_drops_and_counts_while_serving_goes_on(home: Path) -> None:
    deploy(home, limits=Limits(max_spool_bytes=20_000))
    with plane(home) as app:
        codes = [ask(app, ROW)[0].code for _ in range(300)]
        refused = ask(app, {"key": "c1", "label": "Yes"}, path="/feedback")[0]
        page = ask(app, b"", path="/metrics", method="GET")[0].body.decode()
    assert set(codes) == {200}
    assert refused.code == 503, "feedback that cannot be written is not acknowledged"
    books = reconcile(home)
    assert 'fairlead_capture_rows_total{outcome="dropped",reason="spool_full"}' in page
    assert books.ok
    assert books.answered == 300 == books.captured + books.dropped
    assert 0 < books.captured < 300


def test_feedback_takes_what_is_right_and_says_what_is_not(home: Path) -> None:
    items = [
        {"key": "c1", "label": "Yes"},
        {"request_id": "r1", "row": 2, "label": "No", "comment": "called back", "definition": "v2"},
        {"key": 7, "time": "2020-01-01", "value": 12.5},
        {"key": "c1", "label": "Perhaps"},
        {"label": "Yes"},
        {"key": "c1"},
        {"key": "c1", "time": "soon", "label": "Yes"},
        {"key": "c1", "label": "Yes", "model": "nobody"},
        {"key": "c1", "label": "Yes", "colour": "red"},
        3,
    ]
    with plane(home) as app:
        said = ask(app, items, path="/feedback")[0].json
        assert ask(app, {"key": "c1", "label": "Yes"}, path="/feedback/churn")[0].json["accepted"] == 1
        assert ask(app, {"key": "c1", "label": "Yes"}, path="/feedback/nobody")[0].code == 404
    assert said["accepted"] == 3
    assert [one["item"] for one in said["rejected"]] == [3, 4, 5, 6, 7, 8, 9]
    assert "Allowed: No, Yes" in said["rejected"][0]["reason"]
    collect(home)
    labels = Records(home, "churn").labels().to_pylist()
    assert [(r["request"], r["row"], r["key"], r["label"], r["value"], r["definition"]) for r in labels] == [
        (None, 0, "c1", "Yes", None, "v1"),
        ("r1", 2, None, "No", None, "v2"),
        (None, 0, "7", None, 12.5, "v1"),
        (None, 0, "c1", "Yes", None, "v1"),
    ]


def test_counters_are_exact_and_outlive_their_worker(home: Path) -> None:
    with plane(home) as app:
        ask(app, ROW, ROW, {**ROW, "tenure": "x"})
    with plane(home) as app:
        ask(app, ROW)
    total = read_counters(list((home / "run").glob("counters-*.bin")))
    assert total["requests", "churn", "1", "champion", "native", "200"] == [3.0]
    assert total["requests", "churn", "", "", "native", "400"] == [1.0]
    assert total["rows", "churn", "1", "champion"] == [3.0]


def test_unknown_models_do_not_grow_the_metrics(home: Path) -> None:
    with plane(home) as app:
        for number in range(50):
            ask(app, ROW, path=f"/predict/nobody{number}")
        page = ask(app, b"", path="/metrics", method="GET")[0].body.decode()
    assert "nobody" not in page
    assert 'fairlead_requests_total{model_name="",model_version="",variant="",protocol="http",code="404"} 50' in page


def test_variants_that_cannot_stand_in_for_each_other_are_refused(home: Path) -> None:
    from fairlead.contract.errors import BundleRefused
    from fairlead.contract.routes import Route, Routes
    from fairlead.contract.signature import Column, Signature
    from fairlead.runtime.serve.counters import Counters
    from fairlead.runtime.serve.fleet import Fleet

    other = Signature("classification", (Column("age", "number"),), classes=("No", "Yes"))
    models = {FIRST: stand_in.StandIn(0.5), SECOND: stand_in.StandIn(0.5, other)}
    routes = Routes(1, (Route("churn", (Variant("champion", FIRST), Variant("challenger", SECOND, weight=0.0))),))
    counters = Counters(home / "c.bin")
    with pytest.raises(BundleRefused, match="'age'"):
        Fleet(Path, lambda folder, trusted: models[folder.name], counters).take(routes)


NAIVE = ("2024-07-01T12:00", "2024-01-01 00:30", "01.02.2024 09:15", "2024-03-31T02:30", "2024-10-27T02:30:00")


def test_naive_times_are_of_the_models_zone_in_records_and_labels(home: Path) -> None:
    stand_in.write(home / "bundles" / FIRST, shift=0.5, timezone="Europe/Berlin")
    expected = event_times(pd.DataFrame({"at": NAIVE}), "at", "Europe/Berlin").tolist()
    with plane(home) as app:
        replies = ask(app, *({**ROW, "customer": f"c{n}", "at": at} for n, at in enumerate(NAIVE)))
        labels = [{"key": f"c{n}", "time": at, "label": "Yes"} for n, at in enumerate(NAIVE)]
        told = ask(app, labels, path="/feedback")[0]
    assert {reply.code for reply in replies} == {200}
    assert told.json == {"accepted": len(NAIVE), "rejected": []}
    collect(home)
    records = Records(home, "churn").joined(None, None).to_pylist()
    assert [record["time"] for record in records] == expected
    assert [record["label"] for record in records] == ["Yes"] * len(NAIVE)
    assert Records(home, "churn").labels().column("time").to_pylist() == expected
    assert Records(home, "churn").between(expected[0], expected[0] + 1).num_rows == 1
