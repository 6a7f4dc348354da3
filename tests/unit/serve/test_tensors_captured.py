"""Pictures that a worker answers, recorded: as tensors, as hashes, or not at all, and answered in any case."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from asking import ask
from pictures import deployed, images, plane, rows

from fairlead.contract.errors import BundleRefused
from fairlead.contract.routes import Limits, Route
from fairlead.contract.signature import Column
from fairlead.runtime.capture import Records, collect, reconcile
from fairlead.runtime.capture.redaction import redact_cell
from fairlead.runtime.capture.tensors import matrix
from fairlead.runtime.serve.deployed import _stricter


def test_what_was_answered_is_on_record_element_by_element(tmp_path: Path) -> None:
    deployed(tmp_path)
    found = images(6)
    with plane(tmp_path) as app:
        # Requests of one tick, one of them with several rows: the quick path and the general one.
        one, several, wrong = ask(app, rows(found[:1])[0], rows(found[1:]), {"age": 3, "image": [1], "plan": "pro"},
                                  path="/predict/shade")  # fmt: skip
        assert (one.code, several.code, wrong.code) == (200, 200, 400)
    collect(tmp_path)
    table = Records(tmp_path, "shade").between(None, None)
    assert np.array_equal(matrix(table.column("in.image")), found.reshape(6, -1))
    assert table.column("key").to_pylist() == ["k0", "k0", "k1", "k2", "k3", "k4"]
    books = reconcile(tmp_path)
    assert books.ok
    assert (books.answered, books.collected) == (6, 6)


@pytest.mark.parametrize("hidden", [("image",), ("image", "plan", "id")])
def test_a_hidden_picture_is_its_hash_wherever_it_came_from(tmp_path: Path, hidden: tuple[str, ...]) -> None:
    deployed(tmp_path, redact=hidden)
    (picture,) = images(1)
    row = rows([picture])[0]
    as_bytes = {**row, "image": {"b64": base64.b64encode(picture.tobytes()).decode()}}
    with plane(tmp_path) as app:
        assert [one.code for one in ask(app, row, as_bytes, path="/predict/shade")] == [200, 200]
    for path in (tmp_path / "spool").rglob("*.spool"):
        assert picture.tobytes() not in path.read_bytes()
    collect(tmp_path)
    table = Records(tmp_path, "shade").between(None, None)
    assert table.column("in.image").to_pylist() == [redact_cell(picture.tobytes(), bytes.fromhex("0a0b"))] * 2
    assert "mean.image" not in table.schema.names


def test_who_asks_is_answered_when_the_spool_has_no_room_and_the_drop_is_counted(tmp_path: Path) -> None:
    deployed(tmp_path, limits=Limits(max_spool_bytes=200_000))
    with plane(tmp_path) as app:
        many = rows(images(3000))
        assert ask(app, many, path="/predict/shade")[0].code == 200
        assert ask(app, many, path="/predict/shade")[0].code == 200
        page = ask(app, b"", path="/metrics", method="GET")[0].body.decode()
    # 3000 rows of 64 pixels are more than the spool may ever have.
    books = reconcile(tmp_path)
    assert books.ok
    assert (books.answered, books.captured) == (6000, 0)
    assert books.workers[0].dropped == {"too_large": 6000}
    assert 'fairlead_capture_rows_total{outcome="dropped",reason="too_large"} 6000' in page


def test_variants_that_take_other_pictures_are_not_deployed_together() -> None:
    first = Column("image", "tensor", nullable=False, dtype="uint8", shape=(8, 8))
    for other in (Column("image", "tensor", nullable=False, dtype="uint8", shape=(64,)),
                  Column("image", "tensor", nullable=False, dtype="float32", shape=(8, 8))):  # fmt: skip
        with pytest.raises(BundleRefused, match="do not agree"):
            _stricter(Route("m", ()), first, other)
