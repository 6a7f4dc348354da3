"""One suite for every entry of the preparation's catalogue: it fits, compiles exactly, survives edges, is served."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairlead.contract.errors import ConfigInvalid, NotCompilable
from fairlead.contract.evidence import Lineage
from fairlead.contract.profile import Profile, Reference
from fairlead.contract.settings import Settings
from fairlead.lab.compile import Candidate, certify, compile_pipeline, write_bundle
from fairlead.lab.compile.probes import probes
from fairlead.lab.train import fit, material_of, score_pipeline
from fairlead.lab.train.preparing import prepared_as
from fairlead.ops.project import parse_settings
from fairlead.runtime.bundle import SigningKey
from fairlead.runtime.bundle.by_row import arrays_of, closures
from fairlead.runtime.bundle.front import Front
from fairlead.runtime.bundle.plan import plan

MODEL = '[model]\nname = "m"\ntask = "classification"\ntarget = "two"\nexclude = ["number"]\n'
ENTRIES = {
    "nothing said": "",
    "mean": 'numbers = {missing = "mean"}',
    "median": 'numbers = {missing = "median"}',
    "mode": 'numbers = {missing = "mode"}\ncategories = {missing = "mode"}',
    "constant": 'numbers = {value = -1}\ncategories = {value = "none"}\nflags = {value = 0}',
    "indicators": 'numbers = {indicator = true}\nflags = {indicator = true}\ntimes = {indicator = true}',
    "missing rows dropped": 'numbers = {missing = "drop"}\ncategories = {missing = "drop"}\nflags = {missing = "drop"}',
    "stand-ins": '[preparation.columns.count]\nmissing_values = [7, -1]\nindicator = true\nmissing = "mean"',
    "stand-ins in bins": 'numbers = {missing_values = [3], bins = 4}',
    "stand-ins dropped": 'numbers = {missing_values = [7], missing = "drop", outliers = "iqr"}',
    "zscore": 'numbers = {outliers = "zscore", threshold = 2}',
    "iqr": 'numbers = {outliers = "iqr"}',
    "outlying rows dropped": 'numbers = {outliers = "iqr", action = "drop"}',
    "not scaled": 'numbers = {scale = "none"}',
    "minmax": 'numbers = {scale = "minmax"}',
    "robust": 'numbers = {scale = "robust"}',
    "power": 'numbers = {scale = "power"}',
    "quantile": 'numbers = {scale = "quantile"}',
    "quantile to normal": 'numbers = {scale = "quantile_normal"}',
    "ordinal": 'categories = {encode = "ordinal"}',
    "label": 'categories = {encode = "label", scale = "minmax"}',
    "target": 'categories = {encode = "target", scale = "power"}',
    "hashing": 'categories = {encode = "hashing", buckets = 16}',
    "rare": 'categories = {rare = 0.1}',
    "rare by target": 'categories = {rare = 0.1, encode = "target", missing = "mode"}',
    "cyclic": 'times = {dates = "cyclic"}',
    "elapsed": 'times = {dates = "elapsed"}',
    "words": 'texts = {text = "tfidf"}',
    "pairs of words": 'texts = {text = "tfidf", ngrams = [1, 2], max_features = 40}',
    "characters": 'texts = {text = "tfidf", unit = "char", ngrams = [2, 3]}',
    "characters in words": 'texts = {text = "tfidf", unit = "char_wb", ngrams = [1, 4]}',
    "bins": "numbers = {bins = 4}",
    "numbered bins": 'numbers = {bins = 4, bins_by = "uniform", encode = "ordinal"}',
    "products": 'interactions = [["size", "count"], ["colour", "size"], ["colour", "flag"]]',
    "by column": '[preparation.columns.size]\nscale = "power"\noutliers = "iqr"\n'
                 '[preparation.columns.colour]\nencode = "target"',
}  # fmt: skip
SPLIT = ("nothing said", "iqr", "power", "quantile", "quantile to normal", "rare by target", "characters", "bins")
"""Entries that trees are tried on, too, whose splits find what differs in the last bit."""
SEALED = (
    *(
        "nothing said",
        "constant",
        "indicators",
        "stand-ins",
        "stand-ins in bins",
        "missing rows dropped",
        "outlying rows dropped",
        "minmax",
        "power",
    ),
    *("quantile", "quantile to normal", "ordinal", "hashing", "rare by target", "cyclic", "elapsed"),
    *("pairs of words", "characters in words", "bins", "products"),
)
"""Entries that between them hold every operation of the front."""
WORDS = ("server", "down", "please", "help", "INVOICE", "paid", "twice", "école", "straße", "İ", "a", "not-found")


def frame(seed: int = 0, rows: int = 240) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    size = random.lognormal(size=rows)
    colour = random.choice(["red", "green", "blue", None], rows, p=[0.5, 0.3, 0.05, 0.15])
    pull = size + (colour == "red") * 1.0 + random.normal(scale=0.5, size=rows)
    size[::17] = np.nan
    flag = random.choice([True, False, None], rows, p=[0.5, 0.4, 0.1])
    note = [" ".join(random.choice(WORDS, random.integers(0, 8))) for _ in range(rows)]
    at = pd.to_datetime("2024-01-01") + pd.to_timedelta(random.integers(0, 9000, rows), unit="h")
    return pd.DataFrame(
        {
            "size": size,
            "count": random.integers(0, 9, rows),
            "colour": colour,
            "flag": flag,
            "at": pd.Series(at).where(random.random(rows) > 0.05),
            "note": pd.Series(note).where(random.random(rows) > 0.05),
            "two": np.where(pull > 1.8, "yes", "no"),
            "number": pull * 10 + 100,
        }
    )


def settings_of(text: str, model: str = MODEL) -> Settings:
    return parse_settings(f"{model}\n[preparation]\n{text}\n")[0]


_MADE: dict[tuple[str, str], tuple[Any, Any]] = {}


def made(entry: str, learner: str = "logistic") -> tuple[Any, Any]:
    """The material of an entry, and a pipeline fitted on it."""
    if (entry, learner) not in _MADE:
        material = material_of(frame(), settings_of(ENTRIES[entry]))
        _MADE[entry, learner] = material, fit(material, learner, {}, seed=1)
    return _MADE[entry, learner]


def rows_of(columns: dict[str, Any]) -> list[list[Any]]:
    listed = [[None if cell is None or cell != cell else cell for cell in own.tolist()] for own in columns.values()]
    return [list(row) for row in zip(*listed, strict=True)]


@pytest.mark.parametrize(
    ("learner", "entry"), [("logistic", entry) for entry in ENTRIES] + [("hist_gradient_boosting", e) for e in SPLIT]
)
def test_what_is_sealed_decides_as_what_was_trained(learner: str, entry: str) -> None:
    material, pipeline = made(entry, learner)
    compiled = compile_pipeline(pipeline, material.signature)
    certificate = certify(pipeline, compiled, material.signature, material.columns)
    assert certificate.flipped == 0
    assert certificate.max_difference <= 1e-12
    assert Front.from_json(compiled.front.to_json()) == compiled.front


@pytest.mark.parametrize(("task", "target"), [("regression", "number"), ("classification", "count")])
def test_means_of_numbers_and_of_several_classes_decide_as_trained(task: str, target: str) -> None:
    others = [name for name in ("two", "number", "note") if name != target]
    model = f'[model]\nname = "m"\ntask = "{task}"\ntarget = "{target}"\nexclude = {json.dumps(others)}\n'
    material = material_of(frame(), settings_of(ENTRIES["rare by target"], model))
    learner = "ridge" if task == "regression" else "logistic"
    pipeline = fit(material, learner, {}, seed=1)
    compiled = compile_pipeline(pipeline, material.signature)
    certificate = certify(pipeline, compiled, material.signature, material.columns)
    assert (certificate.flipped, certificate.max_difference <= 1e-12) == (0, True)


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_cell_has_features_the_same_bits_in_training_by_column_and_by_row(entry: str) -> None:
    from fairlead.lab.tables import frame_of

    material, pipeline = made(entry)
    signature, front = material.signature, compile_pipeline(pipeline, material.signature).front
    blocks = [rows for _, rows in probes(signature, material.columns, front, {})]
    columns = {name: np.concatenate([block[name] for block in blocks]) for name in signature.names}
    by_column = front.encode(columns)
    assert np.isfinite(by_column).all()
    with np.errstate(all="ignore"):
        assert np.array_equal(pipeline[0].transform(frame_of(columns, signature)), by_column)
    rows, encode = rows_of(columns), front.row_encoder()
    assert np.array_equal(encode(rows), by_column)
    assert np.array_equal(arrays_of(closures(plan(front)), front.width)(rows), by_column)
    assert np.array_equal(np.concatenate([encode([row]) for row in rows[::7]]), by_column[::7])


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_same_rows_and_seed_give_the_same_bytes(entry: str) -> None:
    material, pipeline = made(entry)
    again = fit(material_of(frame(), settings_of(ENTRIES[entry])), "logistic", {}, seed=1)
    first, second = (compile_pipeline(p, material.signature) for p in (pipeline, again))
    assert first.front.to_json() == second.front.to_json()
    assert first.tail == second.tail


def test_what_is_always_done_is_said_by_nobody() -> None:
    material, pipeline = made("nothing said")
    assert "columns" not in prepared_as(material.signature, material.preparing, material.columns, "logistic")
    names = [name for name, _, _ in pipeline[0].transformers_ if name != "remainder"]
    assert names == ["numbers", "flags", "categories", "times"]


SERVED = """
import json, sys
from fairlead.runtime.bundle import load
asked = json.load(sys.stdin)
found = {}
for entry, (path, rows) in asked["bundles"].items():
    model = load(path, [asked["key"]])
    found[entry] = [model.probabilities(rows).tolist(), [model.probabilities([row]).tolist()[0] for row in rows]]
heavy = {"sklearn", "pandas", "scipy", "torch", "pyarrow"} & set(sys.modules)
print(json.dumps({"found": found, "heavy": sorted(heavy)}))
"""


def test_every_operation_is_served_without_the_libraries_that_trained_it(tmp_path: Path) -> None:
    key = SigningKey.create(tmp_path / "seal.key")
    lineage = Lineage("0" * 64, 240, "logistic", {}, 1, "c")
    bundles, expected = {}, {}
    for number, entry in enumerate(SEALED):
        material, pipeline = made(entry)
        signature = material.signature
        candidate = Candidate(pipeline, signature, lineage, Reference(Profile(0, ())), material.columns, name="m")
        write_bundle(candidate, tmp_path / str(number), key)
        some = {name: cells[:12] for name, cells in material.columns.items()}
        rows = [dict(zip(signature.names, row, strict=True)) for row in rows_of(some)]
        for row in rows:
            row["at"] = None if row["at"] is None else pd.Timestamp(row["at"], unit="s", tz="UTC").isoformat()
            row["flag"] = None if row["flag"] is None else bool(row["flag"])
        bundles[entry] = [str(tmp_path / str(number)), rows]
        expected[entry] = score_pipeline(pipeline, some, signature)
    done = subprocess.run(
        [sys.executable, "-c", SERVED], input=json.dumps({"bundles": bundles, "key": key.public}),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["heavy"] == []
    for entry, (together, alone) in answer["found"].items():
        assert np.abs(np.array(together) - expected[entry]).max() <= 1e-12, entry
        assert together == alone, entry


@pytest.mark.parametrize("way", ["knn", "iterative"])
def test_what_looks_at_other_columns_is_native_and_says_so(way: str) -> None:
    text = f'numbers = {{missing = "{way}"}}'
    with pytest.raises(ConfigInvalid, match=r"preparation\.numbers\.missing: .*cannot be compiled.*native"):
        settings_of(text)
    material = material_of(frame(), settings_of(text, MODEL + 'trust = "native"\n'))
    pipeline = fit(material, "logistic", {}, seed=1)
    assert np.isfinite(score_pipeline(pipeline, material.columns, material.signature)).all()
    with pytest.raises(NotCompilable, match="Imputer is not among what can be compiled"):
        compile_pipeline(pipeline, material.signature)
