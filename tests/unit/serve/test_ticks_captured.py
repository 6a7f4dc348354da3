"""What requests of one tick become in the spool: one frame where they can share one, each with its own identity."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import FIRST, ROW, SECOND, ask, deploy, plane

from fairlead.contract.routes import Variant
from fairlead.runtime.capture import Records, collect, reconcile, redact
from fairlead.runtime.capture.spool import segments
from fairlead.runtime.serve.assignment import assign
from fairlead.runtime.wire import frames

BODIES = (
    [{**ROW, "customer": "c1"}],
    [ROW],
    [{**ROW, "customer": "c2", "tenure": 9}, {**ROW, "customer": "c3"}, {**ROW, "customer": "c1"}],
)
KEYS = ["c1", None, "c2", "c3", "c1"]


@pytest.mark.parametrize("redacted", [False, True])
def test_requests_of_a_tick_share_a_frame_and_are_recorded_each_by_itself(home: Path, redacted: bool) -> None:
    deploy(home, redact=("customer", "contract") if redacted else ())
    with plane(home) as app:
        replies = ask(app, *BODIES)
    assert [reply.code for reply in replies] == [200] * 3
    (path,) = segments(home / "spool" / "test" / "0")
    assert [type(f).__name__ for _, _, f in frames.scan(path)].count("Tick") == 1
    collect(home)
    table = Records(home, "churn").between(None, None).sort_by([("offset", "ascending"), ("row", "ascending")])
    shown = [redact(key, bytes.fromhex("0a0b")) if key and redacted else key for key in KEYS]
    assert table.column("key").to_pylist() == shown
    assert table.column("row").to_pylist() == [0, 0, 0, 1, 2]
    ids = [replies[at].headers["x-request-id"] for at in (0, 1, 2, 2, 2)]
    assert table.column("request").to_pylist() == ids
    assert table.column("in.tenure").to_pylist() == [3.0, 3.0, 9.0, 3.0, 3.0]
    said = [one["probabilities"]["Yes"] for reply in replies for one in reply.json["predictions"]]
    assert table.column("out.p.Yes").to_pylist() == said
    books = reconcile(home)
    assert books.ok
    assert (books.answered, books.collected) == (5, 5)


def test_metrics_and_books_agree_from_the_first_moment_of_a_new_worker(home: Path) -> None:
    with plane(home) as app:
        ask(app, *BODIES)
    (home / "run" / "counters-test-0.bin").unlink()
    with plane(home) as app:
        page = ask(app, b"", path="/metrics", method="GET")[0].body.decode()
    (line,) = [text for text in page.splitlines() if text.startswith('fairlead_capture_rows_total{outcome="captured"')]
    assert float(line.rpartition(" ")[2]) == reconcile(home).captured == 5


def test_each_variant_of_a_split_route_answers_its_requests_whole_and_shadows_hear_of_all(home: Path) -> None:
    shared = (Variant("champion", FIRST, 1, 0.6), Variant("challenger", SECOND, 2, 0.4))
    deploy(home, *shared, Variant("quiet", FIRST, 3, 0.0, shadow=True), salt="s")
    with plane(home) as app:
        replies = ask(app, *[ROW] * 40)
        route = app._serving.routes.routes[0]
    assert [reply.code for reply in replies] == [200] * 40
    (path,) = segments(home / "spool" / "test" / "0")
    found = [frame for _, _, frame in frames.scan(path)]
    ticks = {frame.variant: frame for frame in found if isinstance(frame, frames.Tick)}
    assert sorted(ticks) == ["challenger", "champion"]
    assert not [frame for frame in found if type(frame) is frames.Prediction]
    for name, tick in ticks.items():
        assert {assign(route, request).name for request in tick.requests} == {name}
    collect(home)
    seen = Records(home, "churn").between(None, None, shadows=True).to_pylist()
    asked = sorted(reply.headers["x-request-id"] for reply in replies)
    assert sorted(r["request"] for r in seen if r["kind"] == "shadow") == asked
    assert sorted(r["request"] for r in seen if r["kind"] == "prediction") == asked
    assert reconcile(home).ok
