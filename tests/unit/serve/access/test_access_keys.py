"""Keys at the data plane: who is let in, to what, how often, and what of it is recorded."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from admitting import REDACT, allow, guarded, key, secrets
from asking import FIRST, ROW, SECOND, Reply, ask, plane
from tests.conftest import eventually

from fairlead.contract.ports import Request
from fairlead.contract.routes import Variant
from fairlead.contract.settings import AccessSettings, ServeSettings
from fairlead.runtime.capture import collect
from fairlead.runtime.capture.reader import Records
from fairlead.runtime.capture.redaction import redact
from fairlead.runtime.serve.access.doorkeeper import Doorkeeper, refusals_path
from fairlead.runtime.serve.counters import read_counters
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.wire import frames


def one(plane: DataPlane, body: Any = ROW, path: str = "/predict", **headers: str) -> Reply:
    return ask(plane, body, path=path, **headers)[0]


def basic(secret: str) -> str:
    return "Basic " + b64encode(f"anybody:{secret}".encode()).decode()


def test_nobody_is_asked_on_loopback_unless_the_project_says_so(home: Path) -> None:
    allow(home, key(secrets(1)[0]))
    with plane(home) as open_to_all:
        assert open_to_all._serving.access is None
        assert one(open_to_all).code == 200


def test_a_key_is_taken_in_three_ways_and_nothing_else_is(home: Path) -> None:
    secret, other = secrets(2)
    allow(home, key(secret))
    with guarded(home) as app:
        for _ in range(2):
            assert one(app, authorization=f"Bearer {secret}").code == 200
            assert one(app, x_api_key=secret).code == 200
            assert one(app, authorization=basic(secret)).code == 200
        told = set()
        right, wrong = f"Bearer {secret}", f"Bearer {other}"
        for headers in (
            {}, {"x_api_key": other}, {"x_api_key": ""}, {"authorization": secret}, {"authorization": wrong},
            {"authorization": basic(other)}, {"x_api_key": secret[:-1]}, {"x_api_key": secret + "0"},
            {"authorization": wrong, "cookie": secret}, {"x_api_key": other, "authorization": right},
        ):  # fmt: skip
            reply = one(app, **headers)
            assert reply.code == 401
            assert reply.headers["www-authenticate"] == 'Bearer realm="fairlead"'
            told.add(reply.body)
        assert len(told) == 1, "what was wrong is never said"
        assert secret not in told.pop().decode()


def test_without_any_key_every_request_is_turned_away(home: Path) -> None:
    allow(home)
    with guarded(home) as app:
        assert one(app, x_api_key=secrets(1)[0]).code == 401


def test_before_the_first_routes_a_worker_is_closed(home: Path) -> None:
    (home / "routes.json").unlink()
    with guarded(home) as app:
        assert one(app, b"", path="/metrics").code == 401
        assert ask(app, b"", path="/health/live", method="GET")[0].code == 200


def test_a_key_does_its_verbs_with_its_models_and_no_more(home: Path) -> None:
    asking, telling, reading = secrets(3)
    allow(
        home,
        key(asking, "asking", models=("churn",), verbs=("predict",)),
        key(telling, "telling", verbs=("feedback",)),
        key(reading, "reading", verbs=("metrics",)),
        models=("churn", "price"),
    )
    label = {"request_id": "r1", "label": "Yes"}
    with guarded(home) as app:
        assert one(app, path="/predict/churn", x_api_key=asking).code == 200
        reply = one(app, path="/predict/price", x_api_key=asking)
        assert (reply.code, reply.json) == (403, {"error": "this key may not ask for predictions of model 'price'"})
        assert one(app, path="/predict/churn", x_api_key=telling).code == 403
        assert one(app, label, path="/feedback/price", x_api_key=telling).code == 200
        assert one(app, label, path="/feedback/churn", x_api_key=asking).code == 403
        assert ask(app, b"", path="/metrics", method="GET", x_api_key=reading)[0].code == 200
        assert ask(app, b"", path="/metrics", method="GET", x_api_key=asking)[0].code == 403
        for secret in (asking, telling, reading):
            assert ask(app, b"", path="/v2/models", method="GET", x_api_key=secret)[0].code == 200


def test_an_item_of_feedback_about_another_model_is_refused_too(home: Path) -> None:
    (secret,) = secrets(1)
    allow(home, key(secret, models=("churn",), verbs=("feedback",)), models=("churn", "price"))
    items = [
        {"model": "churn", "request_id": "r", "label": "Yes"},
        {"model": "price", "request_id": "r", "label": "No"},
    ]
    with guarded(home) as app:
        assert one(app, items[:1], path="/feedback", x_api_key=secret).code == 200
        assert one(app, items, path="/feedback", x_api_key=secret).code == 403
        assert one(app, items[1:], path="/feedback/churn", x_api_key=secret).code == 403


def test_an_expired_key_opens_nothing_remembered_or_not(home: Path) -> None:
    """A machine that needs longer than a key lasts to ask with it at all is given a key that lasts longer."""
    short, over = secrets(2)
    for seconds in (0.6, 5.0, 40.0):
        until = time.time() + seconds
        allow(home, key(short, "short", expires=until), key(over, "over", expires=time.time() - 1))
        with guarded(home) as app:
            assert one(app, x_api_key=over).code == 401
            code = one(app, x_api_key=short).code
            if code == 401 and time.time() >= until and seconds < 40.0:
                continue
            assert code == 200
            eventually(lambda app=app: one(app, x_api_key=short).code == 401, within_s=seconds + 20.0)
            assert time.time() >= until
            return


def test_a_revoked_key_is_gone_with_the_next_routes_though_it_was_remembered(home: Path) -> None:
    kept, revoked = secrets(2)
    allow(home, key(kept, "kept"), key(revoked, "revoked"))
    with guarded(home) as app:
        assert [one(app, x_api_key=secret).code for secret in (kept, revoked)] == [200, 200]
        allow(home, key(kept, "kept"), generation=2)
        eventually(lambda: one(app, x_api_key=revoked).code == 401)
        assert one(app, x_api_key=kept).code == 200


def test_a_revoked_key_is_gone_even_where_the_new_routes_are_refused(home: Path) -> None:
    kept, revoked = secrets(2)
    allow(home, key(kept, "kept"), key(revoked, "revoked"))
    with guarded(home) as app:
        assert one(app, x_api_key=revoked).code == 200
        allow(home, key(kept, "kept"), generation=2, variants=(Variant("champion", "f" * 64, 9),))
        eventually(lambda: one(app, x_api_key=revoked).code == 401, within_s=30)
        assert one(app, x_api_key=kept).code == 200


def test_limits_answer_429_and_say_when_to_come_back(home: Path) -> None:
    often, many = secrets(2)
    allow(home, key(often, "often", rate_per_s=0.01, burst=2), key(many, "many", rows_per_day=3))
    with guarded(home) as app:
        codes = [one(app, x_api_key=often).code for _ in range(3)]
        assert codes == [200, 200, 429]
        reply = one(app, x_api_key=often)
        assert 1 <= int(reply.headers["retry-after"]) <= 100
        assert one(app, [ROW, ROW], x_api_key=many).code == 200
        reply = one(app, [ROW, ROW], x_api_key=many)
        assert (reply.code, reply.json) == (429, {"error": "this key may ask 3 rows a day (UTC)"})
        assert one(app, ROW, x_api_key=many).code == 200
    with guarded(home) as again:
        assert one(again, ROW, x_api_key=many).code == 429
        assert one(again, x_api_key=often).code == 429


def test_blunted_answers_are_told_and_whole_ones_recorded(home: Path) -> None:
    whole, rounded, label = secrets(3)
    allow(home, key(whole, "whole"), key(rounded, "rounded", digits=1), key(label, "label", label_only=True))
    rows = [ROW, {**ROW, "tenure": 60, "charges": 99.0}]
    with guarded(home) as app:
        full, short, bare = (one(app, rows, x_api_key=secret).json["predictions"] for secret in (whole, rounded, label))
        tensors = {
            "inputs": [
                {"name": n, "shape": [1], "datatype": t, "data": [ROW[n]]}
                for n, t in (("tenure", "INT64"), ("charges", "FP64"), ("contract", "BYTES"), ("paperless", "BOOL"))
            ]
        }
        v2 = one(app, tensors, path="/v2/models/churn/infer", x_api_key=label)
        assert v2.code == 200
        said = {output["name"]: output["data"] for output in v2.json["outputs"]}
        assert any(sorted(map(float, data)) == [0.0, 1.0] for data in said.values() if len(data) == 2), said
    for a, b, c in zip(full, short, bare, strict=True):
        assert a["label"] == b["label"] == c["label"]
        assert b["probabilities"] != a["probabilities"]
        assert sum(b["probabilities"].values()) == pytest.approx(1.0)
        assert all(round(p, 1) == p for p in b["probabilities"].values())
        assert c["probabilities"] == {name: float(name == c["label"]) for name in ("No", "Yes")}
    collect(home)
    table, _ = Records(home, "churn").since()
    names = [name for name in table.column_names if "Yes" in name]
    recorded = {round(p, 9) for name in names for p in table.column(name).to_pylist()}
    assert recorded == {round(row["probabilities"]["Yes"], 9) for row in full}


def test_a_purpose_the_model_is_not_meant_for_is_refused_and_counted(home: Path) -> None:
    right, wrong, none = secrets(3)
    allow(
        home,
        key(right, "right", purpose="retention"),
        key(wrong, "wrong", purpose="advertising"),
        key(none, "none"),
        purposes=("retention", "reporting"),
    )
    with guarded(home) as app:
        assert one(app, x_api_key=right).code == one(app, x_api_key=none).code == 200
        for _ in range(3):
            reply = one(app, x_api_key=wrong)
            assert (reply.code, reply.json) == (
                403, {"error": "this key is for 'advertising', which is no intended use of 'churn'"},
            )  # fmt: skip
    counted = read_counters([refusals_path(home / "run", "test", 0)])
    assert counted["purpose", "k-wrong", "churn", "advertising"] == [3.0]
    reasons = [frame.reason for _, _, frame in spooled(home) if isinstance(frame, frames.Error)]
    assert reasons == ["PurposeRefused"] * 3


def spooled(home: Path) -> list[Any]:
    return [item for path in sorted((home / "spool").rglob("*.spool")) for item in frames.scan(path)]


def test_records_carry_a_keyed_hash_of_the_key_and_strangers_fill_no_spool(home: Path) -> None:
    (secret,) = secrets(1)
    allow(home, key(secret, rate_per_s=0.001, burst=3))
    mark = redact("k-app", bytes.fromhex(REDACT))
    with guarded(home) as app:
        assert one(app, x_api_key=secret).code == 200
        assert one(app, [ROW, ROW], x_api_key=secret).code == 200
        assert one(app, {"request_id": "r", "label": "Yes"}, path="/feedback", x_api_key=secret).code == 200
        assert one(app, x_api_key=secret).code == 429
        assert one(app).code == 401
    found = [frame for _, _, frame in spooled(home)]
    assert not any(isinstance(frame, frames.Error) for frame in found)
    assert {frame.caller for frame in found if isinstance(frame, frames.Label)} == {mark}
    marks = [caller for frame in found if isinstance(frame, frames.Tick) for caller in frame.callers or [None]]
    marks += [frame.caller for frame in found if type(frame) is frames.Prediction]
    assert marks == [mark, mark]
    assert secret not in b"".join(path.read_bytes() for path in (home / "spool").rglob("*.spool")).decode("latin-1")


def test_a_canary_answers_with_the_same_marks(home: Path) -> None:
    (secret,) = secrets(1)
    variants = (Variant("champion", FIRST, 1, weight=0.5), Variant("challenger", SECOND, 2, weight=0.5))
    allow(home, key(secret, digits=2), variants=variants)
    with guarded(home) as app:
        replies = ask(app, *[ROW] * 20, x_api_key=secret)
    assert {reply.code for reply in replies} == {200}
    said = {tuple(json.loads(reply.body)["predictions"][0]["probabilities"].values()) for reply in replies}
    assert len(said) == 2
    assert all(round(p, 2) == p for pair in said for p in pair)


def request(peer: str | None = None, **headers: str) -> Request:
    return Request("POST", "/predict", "", headers, b"", time.time(), lambda *_: None, peer)


def test_a_client_certificate_is_a_caller_where_no_key_is_demanded_in_words(home: Path) -> None:
    routes = allow(home, key(secrets(1)[0]))
    run = home / "run"
    run.mkdir(exist_ok=True)
    beside = {"host": "0.0.0.0", "server": ServeSettings(tls_client_ca="ca.pem")}
    access = Doorkeeper(run, "test", 0, beside).access(routes)
    assert access is not None
    caller = access.admit(request("billing"), "churn", "predict")
    assert (caller.id, caller.rules.mark) == ("certificate billing", redact("certificate billing", b"\x0a\x0b"))
    assert access.admit(request("billing"), "churn", "predict") is caller
    with pytest.raises(Exception, match="may not load"):
        access.admit(request("billing"), "churn", "admin")
    with pytest.raises(Exception, match="key or token"):
        access.admit(request(None), "churn", "predict")
    both = Doorkeeper(run, "test", 0, {**beside, "access": AccessSettings(required=True)}).access(routes)
    assert both is not None
    with pytest.raises(Exception, match="key or token"):
        both.admit(request("billing"), "churn", "predict")


def test_what_is_remembered_is_bounded_and_strangers_are_not(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = secrets(5)
    monkeypatch.setattr("fairlead.runtime.serve.access.access.REMEMBERED", 3)
    routes = allow(home, *(key(secret, f"n{at}") for at, secret in enumerate(made)))
    (home / "run").mkdir(exist_ok=True)
    access = Doorkeeper(home / "run", "test", 0, {"access": AccessSettings(required=True)}).access(routes)
    assert access is not None
    for secret in [*made, *made]:
        access.admit(request(**{"x-api-key": secret}), "churn", "predict")
        assert len(access._by_key) <= 3
    for secret in secrets(10):
        with pytest.raises(Exception, match="key or token"):
            access.admit(request(**{"x-api-key": secret}), "churn", "predict")
    assert set(access._by_key) <= set(made)
