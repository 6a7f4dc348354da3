"""Preparation by settings: rows left out of training alone, target means that give nothing away, words about it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fairlead.contract.errors import ConfigInvalid, InputInvalid
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.lab.train import fit, material_of, score_pipeline
from fairlead.lab.train.bench import Bench
from fairlead.lab.train.folding import folds_of
from fairlead.lab.train.preparing import notes_of, prepared_as
from fairlead.lab.train.preparing.binning import Bins
from fairlead.lab.train.preparing.clipping import Outliers
from fairlead.lab.train.preparing.curving import Powers, Quantiles
from fairlead.lab.train.preparing.grouping import RareCategories
from fairlead.lab.train.preparing.targets import TargetMeans
from fairlead.lab.train.preparing.texts import Terms
from fairlead.lab.train.provenance import config_hash
from fairlead.ops.project import parse_settings


def settings_of(text: str, target: str = "y") -> Settings:
    task = "regression" if target == "amount" else "classification"
    model = f'[model]\nname = "m"\ntask = "{task}"\ntarget = "{target}"\n'
    return parse_settings(f"{model}\n[preparation]\n{text}\n")[0]


def frame(rows: int = 200) -> pd.DataFrame:
    random = np.random.default_rng(0)
    size = random.normal(size=rows)
    size[:10] = np.nan
    size[10:14] = 1e6
    kind = random.choice(list("abcd"), rows)
    return pd.DataFrame({"size": size, "kind": kind, "y": np.where(random.random(rows) < 0.5, "yes", "no")})


def test_rows_are_left_out_of_training_alone_and_counted():
    settings = settings_of('numbers = {missing = "drop", outliers = "iqr", action = "drop"}')
    material = material_of(frame(), settings)
    kept = material.learned()
    assert kept is not None
    assert set(range(200)) - set(kept.tolist()) >= set(range(14))
    bench = Bench(material, folds_of(material, 4, 0))
    for index, fold in enumerate(bench.folds):
        learned, judged = bench.prepared(index)
        assert len(learned) == len(bench.learned(index)) < len(fold.fit)
        assert len(judged) == len(fold.judge)
    pipeline = fit(material, "logistic", {})
    assert np.isfinite(score_pipeline(pipeline, material.columns, material.signature)).all()
    told = notes_of(prepared_as(material.signature, material.preparing, material.columns, "logistic"))
    assert told[0].startswith(f"{200 - len(kept)} of 200 training rows were left out (10 for size (missing), ")


def test_what_serving_answers_for_a_dropped_row_is_what_training_kept():
    settings = settings_of('numbers = {missing = "drop", outliers = "iqr", action = "drop", scale = "none"}')
    material = material_of(frame(), settings)
    prepared = fit(material, "logistic", {})[0]
    kept = material.frame["size"].to_numpy(dtype=float)[material.learned()]
    asked = material.frame.head(11).copy()
    found = prepared.transform(asked)[:, 0]
    assert found[0] == np.median(kept)
    assert found[10] == kept.max()


def test_a_table_of_which_no_row_is_left_is_refused_by_column():
    rows = frame().assign(size=np.nan)
    rows.loc[0, "size"] = 1.0
    settings = settings_of('[preparation.columns.size]\nmissing = "drop"')
    material = material_of(rows, settings).take(np.arange(1, 200))
    with pytest.raises(InputInvalid, match="no row to learn from: 199 of 199 are dropped for 'size'"):
        fit(material, "logistic", {})


def test_a_column_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(ConfigInvalid, match=r"preparation\.columns\.sise: 'sise' is no feature\. Did you mean 'size'"):
        material_of(frame(), settings_of('[preparation.columns.sise]\nscale = "power"'))
    with pytest.raises(ConfigInvalid, match=r"columns\.kind\.outliers: categories take no outliers"):
        material_of(frame(), settings_of('[preparation.columns.kind]\noutliers = "iqr"'))


def test_what_a_column_says_for_itself_rules_out_what_its_kind_says():
    kind = 'numbers = {scale = "minmax", outliers = "iqr", threshold = 2, value = 0}\n'
    own = '[preparation.columns.size]\nbins = 3\nmissing = "mean"\noutliers = "none"'
    material = material_of(frame(), settings_of(kind + own))
    said = prepared_as(material.signature, material.preparing, material.columns, "logistic")["columns"]["size"]
    expected = {"missing": "mean", "outliers": "none", "scale": "none", "encode": "one_hot", "bins": 3}
    assert said == expected | {"bins_by": "quantile"}
    fit(material, "logistic", {})


def test_means_of_a_target_that_says_nothing_teach_nothing():
    # Every row its own category: encoded by its own target it would be known, cross-fitted it is not.
    random = np.random.default_rng(1)
    keys = np.array([f"k{n // 2}" for n in range(600)], dtype=object)[:, None]
    truth = random.choice(["no", "yes"], 600)
    means = TargetMeans(seed=0)
    fitted = means.fit_transform(keys, truth)[:, 0]
    naive = means.transform(keys)[:, 0]
    assert abs(np.corrcoef(naive, truth == "yes")[0, 1]) > 0.5
    assert abs(np.corrcoef(fitted, truth == "yes")[0, 1]) < 0.2
    assert np.array_equal(fitted, TargetMeans(seed=0).fit_transform(keys, truth)[:, 0])


@pytest.mark.parametrize("truth", [np.arange(40.0), np.array(list("abcd") * 10), np.array(["a"] * 38 + ["b", "c"])])
def test_means_of_numbers_of_several_classes_and_of_rare_ones(truth):
    keys = np.array(["x", "y"] * 20, dtype=object)[:, None]
    means = TargetMeans()
    outputs = 1 if truth.dtype.kind == "f" else len(set(truth.tolist()))
    assert means.fit_transform(keys, truth).shape == means.transform(keys).shape == (40, outputs)


def test_categories_as_amounts_are_warned_of_where_they_are_amounts():
    settings = settings_of('categories = {encode = "label"}')
    material = material_of(frame(), settings)
    said = [notes_of(prepared_as(material.signature, material.preparing, material.columns, name))
            for name in ("logistic", "hist_gradient_boosting")]  # fmt: skip
    assert "kind" in said[0][0]
    assert said[1] == []


def test_settings_are_part_of_what_a_model_depends_on_only_where_there_are_some():
    plain = Settings(model=ModelSettings(name="m", task="classification", target="y"))
    assert config_hash(settings_of("")) == config_hash(plain)
    assert config_hash(settings_of('numbers = {scale = "power"}')) != config_hash(plain)


@pytest.mark.parametrize("made", [Outliers(), Outliers("zscore"), Powers(), Quantiles(), Quantiles(True), Bins(3)])
@pytest.mark.parametrize("cells", [[np.nan] * 5, [2.0] * 5, [1.0, np.nan, 3.0, 1e300, -1e300], [0.0, -0.0, 5e-324, 1]])
def test_columns_that_say_little_are_prepared_without_complaint(made, cells):
    x = np.array(cells)[:, None]
    found = made.fit(x).transform(x)
    assert np.array_equal(np.isnan(found), np.isnan(x))
    assert np.isfinite(found[~np.isnan(x)]).all()


def test_rare_categories_and_those_never_seen_are_one():
    groups = RareCategories(0.2).fit(np.array([["a"]] * 5 + [["b"]] * 4 + [["c"]], dtype=object))
    found = groups.transform(np.array([["a"], ["c"], ["new"], [None]], dtype=object))[:, 0].tolist()
    assert found == ["a", "(rare)", "(rare)", None]
    none = RareCategories(0.2).fit(np.array([["a"]] * 5, dtype=object))
    assert none.transform(np.array([["new"]], dtype=object)).tolist() == [["new"]]


def test_texts_without_a_term_in_common_are_fitted_all_the_same():
    terms = Terms().fit(np.array(["one", "two", ""], dtype=object))
    assert terms.transform(np.array(["one"], dtype=object)).tolist() == [[0.0]]
