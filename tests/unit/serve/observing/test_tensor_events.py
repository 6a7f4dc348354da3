"""What is told of pictures: events, traces and examples of errors, none of which ever breaks an answer."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from asking import ask
from pictures import deployed, images, plane, rows
from sinks import Sink

from fairlead.contract.routes import Route
from fairlead.contract.settings import TelemetrySettings
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.capture.redaction import redact_cell
from fairlead.runtime.serve.deployed import Deployed
from fairlead.runtime.serve.observing.errors import error_groups
from fairlead.runtime.serve.observing.events import MOST_ELEMENTS, redacted
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Parsed


def test_a_request_with_a_picture_goes_as_it_came(tmp_path: Path) -> None:
    deployed(tmp_path)
    row = rows(images(1))[0]
    with Sink() as sink, plane(tmp_path, telemetry=TelemetrySettings(events=sink.url)) as app:
        assert ask(app, row, path="/predict/shade")[0].code == 200
    assert json.loads(sink.taken[0].body) == row


def test_of_a_route_that_hides_columns_rows_are_told_with_pictures_as_lists(tmp_path: Path) -> None:
    deployed(tmp_path, redact=("id", "plan"))
    found = images(2)
    with Sink() as sink, plane(tmp_path, telemetry=TelemetrySettings(events=sink.url)) as app:
        assert ask(app, rows(found), path="/predict/shade")[0].code == 200
    told = json.loads(sink.taken[0].body)
    assert [one["image"] for one in told] == found.tolist()
    assert b"pro" not in sink.taken[0].body


def test_a_hidden_picture_is_told_by_its_hash(tmp_path: Path) -> None:
    deployed(tmp_path, redact=("image",))
    found = images(1)
    with Sink() as sink, plane(tmp_path, telemetry=TelemetrySettings(events=sink.url)) as app:
        assert ask(app, rows(found)[0], path="/predict/shade")[0].code == 200
    (told,) = json.loads(sink.taken[0].body)
    assert told["image"] == redact_cell(found[0].tobytes(), bytes.fromhex("0a0b"))


def test_a_large_picture_is_told_as_base64_of_its_bytes() -> None:
    large = Column("image", "tensor", nullable=False, dtype="uint8", shape=(MOST_ELEMENTS + 1,))
    checks = Checks(Signature("regression", (large,), key="key"))
    picture = bytes(number % 256 for number in range(MOST_ELEMENTS + 1))
    parsed = Parsed([[picture]], [["Ada"]], None, None)
    (told,) = json.loads(redacted(Deployed(Route("m", (), redact=("key",)), (), checks, {}), parsed, b"k"))
    assert base64.b64decode(told["image"]["b64"]) == picture
    assert told["key"] == redact_cell("Ada", b"k")


def test_an_example_of_an_error_shows_no_elements(tmp_path: Path) -> None:
    deployed(tmp_path)
    (row,) = rows(images(1))
    row["image"] = [[251] * 8] * 7
    with plane(tmp_path) as app:
        assert ask(app, row, path="/predict/shade")[0].code == 400
    (group,) = error_groups(tmp_path / "run")
    assert (group.cause, group.column) == ("CellInvalid", "image")
    assert "251" not in group.example
