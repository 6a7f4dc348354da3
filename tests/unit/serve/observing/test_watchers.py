"""What watchers leave in the home is on the page of metrics, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import msgspec

from fairlead.contract.gauges import FOLDER, MOST_COLUMNS, Distance, Watched, file_of
from fairlead.runtime.serve.observing.families import FAMILIES
from fairlead.runtime.serve.observing.page import Page
from fairlead.runtime.serve.observing.watchers import LARGEST, add_watched

FULL = Watched(
    model="bike/2 \"x\"", at=10.0, judged=9.0, window=4, rows=168, labelled=160, late=2, metrics={"mae": 40.5},
    estimated={"mae": 41.0}, distances=(Distance("temp", 0.2, 0.15), Distance("value", 0.1, None, "scores")),
    findings=(("data_drift", "warning", 1),), incidents={"warning": 1}, evidence=3.0, threshold=30.0, waits=5.0,
)  # fmt: skip


def left(run: Path, name: str, text: bytes) -> None:
    folder = run / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file_of(name)).write_bytes(text)


def page_of(run: Path, *models: str) -> str:
    page = Page(FAMILIES)
    add_watched(page, run, models)
    return page.bytes().decode()


def test_every_gauge_of_a_model_is_on_the_page(tmp_path: Path) -> None:
    left(tmp_path, FULL.model, msgspec.json.encode(FULL))
    text = page_of(tmp_path, FULL.model)
    assert 'fairlead_window_metric{model_name="bike/2 \\"x\\"",metric="mae",source="estimated"} 41' in text
    assert 'fairlead_drift_distance{model_name="bike/2 \\"x\\"",kind="scores",column="value"} 0.1' in text
    assert text.count("fairlead_drift_limit{") == 1
    assert 'area="data_drift",severity="warning"} 1' in text
    for name in FAMILIES:
        if name.startswith(("fairlead_watch", "fairlead_window", "fairlead_promise", "fairlead_incidents")):
            assert text.count(f"# TYPE {name} gauge") == 1, name


def test_models_that_are_not_served_and_files_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    left(tmp_path, "gone", msgspec.json.encode(msgspec.structs.replace(FULL, model="gone")))
    left(tmp_path, "torn", b'{"model":"torn","at":1')
    left(tmp_path, "huge", b" " * (LARGEST + 1))
    left(tmp_path, "newer", msgspec.json.encode(msgspec.structs.replace(FULL, model="newer", format=2)))
    left(tmp_path, "other", msgspec.json.encode(FULL))
    assert page_of(tmp_path, "torn", "huge", "newer", "other", "absent").strip() == ""


def test_a_model_that_was_watched_for_the_first_time_has_what_there_is(tmp_path: Path) -> None:
    left(tmp_path, "m", msgspec.json.encode(Watched(model="m", at=1.0)))
    assert [line for line in page_of(tmp_path, "m").splitlines() if line[0] != "#"] == [
        'fairlead_watch_pass_timestamp_seconds{model_name="m"} 1'
    ]


def test_columns_are_bounded(tmp_path: Path) -> None:
    many = tuple(Distance(f"c{i}", 0.1, 0.2) for i in range(3 * MOST_COLUMNS))
    left(tmp_path, "m", msgspec.json.encode(Watched(model="m", at=1.0, distances=many)))
    assert page_of(tmp_path, "m").count("fairlead_drift_limit{") == MOST_COLUMNS
