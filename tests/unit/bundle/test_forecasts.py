"""Bundles that forecast: loaded, asked row by row and by columns, and refused where they contradict themselves."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from forecast_samples import HORIZON, LAGS, SIGNATURE, WIDE, cells, expected, histories, origins, sealed_at

from fairlead.contract.errors import BundleRefused
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle import SigningKey, load
from fairlead.runtime.bundle.run import Model, check_signature


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    home = tmp_path_factory.mktemp("forecast")
    key = SigningKey.create(home / "seal.key")
    return load(sealed_at(home / "riders", key), [key.public])


@pytest.mark.parametrize("rows", [1, 3, 64, 700])
def test_a_row_gets_the_same_forecast_alone_among_few_and_among_many(model: Model, rows: int) -> None:
    found, at = histories(rows, seed=rows), origins(rows)
    by_rows = model.score_rows(cells(found, at))
    assert by_rows.shape == (rows, HORIZON)
    assert np.allclose(by_rows, expected(found, at), rtol=0, atol=1e-9)
    by_columns = model.score_columns({"history": found.reshape(rows, -1), "origin": at})
    assert np.allclose(by_columns, by_rows, rtol=0, atol=1e-9)
    labels, said = model.answer_rows(cells(found, at))
    assert labels is None
    assert np.allclose(said, by_rows, rtol=0, atol=1e-9)


def test_people_ask_with_lists_times_and_tables(model: Model) -> None:
    import pandas as pd

    found, at = histories(2), origins(2)
    wanted = [{"forecast": steps} for steps in expected(found, at).tolist()]
    as_text = pd.to_datetime(at, unit="s", utc=True)
    rows = [{"history": one.tolist(), "origin": text.isoformat(), "station": "a"}
            for one, text in zip(found, as_text, strict=True)]  # fmt: skip
    for given in (rows, {"history": found, "origin": at}, pd.DataFrame({"history": list(found), "origin": as_text})):
        for one, other in zip(model.predict(given), wanted, strict=True):
            assert one["forecast"] == pytest.approx(other["forecast"], abs=1e-9)


def test_outputs_are_named_by_their_steps() -> None:
    assert SIGNATURE.outputs == ("t+1", "t+2", "t+3")
    assert SIGNATURE.passthrough == ("station",)
    assert SIGNATURE.row_key == "station"
    assert msgspec.structs.replace(SIGNATURE, key="id").row_key == "id"


HISTORY, ORIGIN = SIGNATURE.columns


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"horizon": 0}, "horizon of 1 to"),
        ({"step": 0.0}, "seconds above 0"),
        ({"step": float("inf")}, "seconds above 0"),
        ({"columns": (ORIGIN,)}, "takes 'history'"),
        ({"columns": (msgspec.structs.replace(HISTORY, dtype="float32"), ORIGIN)}, "takes 'history'"),
        ({"columns": (msgspec.structs.replace(HISTORY, shape=(LAGS * WIDE,)), ORIGIN)}, "takes 'history'"),
        ({"columns": (HISTORY, Column("origin", "number"))}, "takes 'origin'"),
        ({"columns": (HISTORY, Column("origin", "time"))}, "takes 'origin'"),
        ({"series": "origin"}, "passed through"),
        ({"classes": ("a", "b")}, "has no classes"),
        ({"confidence": 0.5}, "does not abstain"),
    ],
)
def test_a_signature_that_cannot_be_is_refused(changed: dict[str, object], why: str) -> None:
    with pytest.raises(BundleRefused, match=why):
        check_signature(msgspec.structs.replace(SIGNATURE, **changed))


def test_no_other_task_has_a_horizon() -> None:
    with pytest.raises(BundleRefused, match="no horizon"):
        check_signature(Signature("regression", (Column("x", "number"),), horizon=2))


def test_as_many_scores_as_steps_or_no_bundle(tmp_path: Path) -> None:
    key = SigningKey.create(tmp_path / "seal.key")
    further = msgspec.json.encode(msgspec.structs.replace(SIGNATURE, horizon=4))
    with pytest.raises(BundleRefused, match="gives 3 scores, its signature states 4"):
        load(sealed_at(tmp_path / "riders", key, signature__json=further), [key.public])
