"""The report for three readers: its JSON keeps the published schema, it prints, it says aloud what must be heard."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import warnings
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlead.contract.evidence import Check, Interval, Lineage, Verdict
from fairlead.contract.learning import Learning, LearningPoint
from fairlead.contract.settings import CardSettings
from fairlead.lab.evaluate import Comparison, Report, write_report
from fairlead.lab.evaluate.fairness import Disparity, GroupRate
from fairlead.lab.evaluate.page import Written, render, report_schema
from fairlead.lab.evaluate.record import Record, Signed
from fairlead.lab.evaluate.reliability import Reliability
from fairlead.lab.evaluate.slices import Slice, Slices

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SCHEMA = Path(__file__).parents[3] / "docs" / "reference" / "report.schema.json"


def some(value: float) -> Interval:
    return Interval(value, value - 0.1, value + 0.1)


def record(**parts: Any) -> Record:
    lineage = Lineage(data="d" * 64, rows=900, learner="knn", parameters={"k": 5}, seed=0, config="c" * 64)
    found = {
        "signer": "a" * 64, "runtime": "onnx 1.0", "files": {"signature.json": "e" * 64}, "lineage": lineage,
        "judged": 1.7e9, "judged_by": "ann", "gate": {"beats": ["baseline"]},
    }  # fmt: skip
    return Record(**{**found, **parts})


def report(**parts: Any) -> Report:
    found: dict[str, Any] = {
        "model": "shop", "bundle": "b" * 64, "task": "classification", "target": "bought", "rows": 200,
        "classes": ("no", "yes"), "positive": "yes",
        "metrics": {name: some(0.5) for name in ("accuracy", "precision", "recall", "roc_auc")},
        "loss": some(0.2), "baselines": (Comparison("most_frequent", {"accuracy": 0.4}, 0.3, some(-0.2)),),
        "reliability": Reliability("yes", 10, Interval(0.05, 0.02, 0.08), some(1.0), some(0.0)),
        "slices": Slices(
            named=(Slice("town = 'a'", 40, some(0.3), 0.1, some(0.2), {"roc_auc": 0.6}, 0.2),
                   Slice("age > 200", 0, some(0.3), 0.2, some(0.0))),
            found=(Slice("age < 20 and town = 'b'", 40, some(0.5), 0.1, some(0.4), {"roc_auc": 0.6}, 0.2),),
            tried=99, smallest=30, searched=200, worst=some(0.5), worst_rule="age < 20",
        ),
        "fairness": (
            Disparity("sex", "demographic_parity", some(0.3), ("f", "m"),
                      (GroupRate("f", 100, 100, some(0.5), True), GroupRate("x", 3, 3, None, False)), ("x",)),
            Disparity("sex", "equalised_odds", None, small=("x",)),
        ),
        "learning": Learning((LearningPoint(50, some(0.4), 3), LearningPoint(100, some(0.3), 3)),
                             "more rows would help", "twice as many rows would take 0.05 off the loss", some(0.25)),
        "record": record(card=CardSettings(intended_use="Offers <b>only</b>", misuse=("prices",), contact="us")),
    }  # fmt: skip
    return Report(**{**found, **parts})


VERDICT = Verdict.of(
    (
        Check("rows", 200.0, 30.0, "pass", "200 rows"),
        Check("min.roc_auc", 0.5, 0.6, "inconclusive", "too few rows"),
        Check("groups.x", 0.3, 0.2, "inconclusive", "too few rows", refuses=False),
    )
)


def test_what_is_written_keeps_the_published_schema_and_can_be_read_back(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    page = write_report(report(), VERDICT, tmp_path)
    told = json.loads((tmp_path / "report.json").read_bytes())
    for schema in (report_schema(), json.loads(SCHEMA.read_bytes())):
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.Draft202012Validator(schema).validate(told)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(report_schema()).validate({**told, "verdict": {"outcome": "perhaps"}})
    back = msgspec.json.decode((tmp_path / "report.json").read_bytes(), type=Written)
    assert back == Written(report(), VERDICT)
    before = page.read_bytes()
    assert write_report(back.report, back.verdict, tmp_path).read_bytes() == before


def test_three_readers_find_what_is_theirs_in_order() -> None:
    text = render(report(), VERDICT)
    places = [text.index(words) for words in (
        "There is not enough evidence", "What it is for", "For data scientists</h2>", "<h2>Checks</h2>",
        "Where it is worse", "Whether groups", "For auditors</h2>", "b" * 64, "d" * 64, "e" * 64,
    )]  # fmt: skip
    assert places == sorted(places)
    assert "Offers &lt;b&gt;only&lt;/b&gt;" in text
    assert "inconclusive: fewer than two groups" in text
    assert "holds for no row" in text
    assert "One check that looks for harm found none" in text


def test_training_rows_inside_are_said_aloud() -> None:
    assert 'loud">' not in render(report(), VERDICT)
    lineage = msgspec.structs.replace(record().lineage, contains_training_rows=True)
    text = render(report(record=record(lineage=lineage)), VERDICT)
    assert "whoever has the bundle has those rows" in text[: text.index("For data scientists</h2>")]


def test_who_waived_stands_beside_the_verdict_and_what_no_longer_counts_is_told_apart() -> None:
    given = (Signed("min.roc_auc", "A. Cook", 1.7e9, "pilot", "2026-12-31", "root"),
             Signed("min.f1", "B. Dee", 1.7e9, "pilot", "2020-12-31", "root", "expired"))  # fmt: skip
    text = render(report(record=record(waivers=given, missing=("Ben",))), VERDICT)
    first = text[: text.index("For data scientists</h2>")]
    assert "A. Cook waived min.roc_auc until 2026-12-31" in first
    assert "B. Dee" not in first
    assert "a person answers for what did not" in first
    assert "(waived by A. Cook until 2026-12-31)" in first
    assert "no: expired" in text
    assert "Still missing: Ben" in text


@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
def test_it_prints_to_paper_with_everything_that_is_folded_away(tmp_path: Path) -> None:
    page = write_report(report(), VERDICT, tmp_path)
    out = tmp_path / "report.pdf"
    words = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
             "--no-pdf-header-footer", f"--print-to-pdf={out}", page.as_uri()]  # fmt: skip
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    data = out.read_bytes()
    assert data.startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page\b", data)) or _pages_in_streams(data)
    # One for everyone, one or more for data scientists, one or more for auditors.
    assert 3 <= pages <= 12


def _pages_in_streams(data: bytes) -> int:
    found = 0
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL):
        try:
            found += len(re.findall(rb"/Type\s*/Page\b", zlib.decompress(stream)))
        except zlib.error:
            continue
    return found


def test_names_that_matplotlib_has_no_glyphs_for_are_drawn_without_a_warning() -> None:
    from fairlead.lab.evaluate.plots import svg

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "市" in svg(lambda axes: axes.set_title("市"), "a town")
