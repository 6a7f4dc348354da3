"""The report's part about how a model comes to its answers: rows by what they stand for, sums that hold, bounds."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import numpy as np
import pytest
from explain_samples import explainable, frame, prepared, truth
from sklearn.linear_model import LinearRegression, LogisticRegression

from fairlead.contract.errors import DeadlineExceeded
from fairlead.contract.evidence import Check, Interval, Verdict
from fairlead.lab.compile.foreign import columns_like
from fairlead.lab.evaluate.evidence import Report
from fairlead.lab.evaluate.explaining import reported
from fairlead.lab.evaluate.explaining.reported import Explanations, explanations, picked
from fairlead.lab.evaluate.page import render
from fairlead.lab.evaluate.rows import Judged
from fairlead.lab.stats.loss import losses
from fairlead.runtime.explain import Explainable

ROWS, BACKGROUND = frame(300), frame(30, 5)
NAMES = ("accuracy", "roc_auc", "precision", "recall", "f1", "log_loss", "mae", "r2")


def judged(estimator: Any, kind: str) -> tuple[Explainable, Judged]:
    told = truth(ROWS, kind)
    made = explainable(prepared(estimator).fit(ROWS, told), ROWS, BACKGROUND)
    model, columns = made.model, columns_like(ROWS, made.model.signature)
    scores = np.asarray(model.score_columns(columns))
    signature = model.signature
    clip = 5.0
    return made, Judged(
        model=model, signature=signature, source=ROWS, columns=columns, truth=told, times=None, scores=scores,
        loss=losses(signature.task, told, scores, signature, clip), clip=clip, block=1, unlabelled=0,
    )  # fmt: skip


@pytest.fixture(scope="module")
def binary() -> tuple[Explainable, Judged]:
    return judged(LogisticRegression(), "binary")


def test_rows_are_those_that_their_names_say(binary: tuple[Explainable, Judged]) -> None:
    _, rows = binary
    chosen = picked(rows)
    p = rows.scores[:, 1]
    assert abs(p[chosen["typical"]] - np.median(p)) == np.abs(p - np.median(p)).min()
    assert abs(p[chosen["borderline"]] - 0.5) <= np.sort(np.abs(p - 0.5))[1]
    assert rows.loss[chosen["most wrong"]] == rows.loss.max()
    assert len(set(chosen.values())) == 3
    _, numbers = judged(LinearRegression(), "number")
    assert set(picked(numbers)) == {"typical", "most wrong"}
    apart = np.abs(numbers.truth - numbers.scores[:, 0])
    assert apart[picked(numbers)["most wrong"]] == apart.max()


def test_parts_sum_to_the_margin_and_cells_can_be_hidden(binary: tuple[Explainable, Judged]) -> None:
    found = explanations(*binary, rows=True, hidden=("n0",))
    assert found.whole is not None
    assert found.whole.surrogate is not None
    assert [one.which for one in found.rows] == ["typical", "borderline", "most wrong"]
    for one in found.rows:
        assert one.baseline + sum(part.adds for part in one.parts) + one.others == pytest.approx(one.margin)
        assert {part.value for part in one.parts if part.column == "n0"} <= {"(not shown)"}
        assert one.truth == rows_truth(binary[1], one.row)
    assert explanations(*binary, rows=False).rows == ()
    # Of the same rows the same, and plain JSON.
    again = msgspec.json.decode(
        msgspec.json.encode(explanations(*binary, rows=True, hidden=("n0",))), type=Explanations
    )
    assert again == msgspec.convert(msgspec.to_builtins(found), Explanations)


def rows_truth(rows: Judged, at: int) -> str:
    return str(rows.truth[at])


def test_a_model_too_slow_is_told_by_fewer_rows_or_says_why_not(
    binary: tuple[Explainable, Judged], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reported, "SECONDS", -1.0)
    found = explanations(*binary, rows=True)
    assert found.whole is None
    assert "not ready in time" in found.why
    with pytest.raises(DeadlineExceeded):
        reported._overall(binary[0], binary[1].columns)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "number"])
def test_the_page_shows_all_of_it_and_needs_no_script(kind: str) -> None:
    made, rows = judged(LinearRegression() if kind == "number" else LogisticRegression(), kind)
    signature = rows.signature
    report = Report(
        model="m", bundle="b" * 64, task=signature.task, target="y", rows=rows.rows,
        metrics=dict.fromkeys(NAMES, Interval(0.8, 0.7, 0.9)),
        loss=Interval(0.1, 0.0, 0.2), baselines=(), classes=signature.classes, positive=signature.positive,
        explanation=explanations(made, rows, rows=True),
    )  # fmt: skip
    page = render(report, Verdict("pass", (Check("rows", 300, 30, "pass", "300 rows with a truth"),)))
    part = page[page.index('id="explained"') :]
    assert "A few rules that imitate it" in part
    assert "Most wrong" in part
    assert ("Borderline" in part) == (kind != "number")
    assert part.count("<polyline") > (10 if kind != "multiclass" else 3)
    assert "<script" not in page
    assert not re.search(r"nan|None<", part)
    assert "How it comes to its answers" not in render(
        msgspec.structs.replace(report, explanation=None), Verdict("pass", ())
    )
