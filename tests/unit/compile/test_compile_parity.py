"""Every allow-listed part, compiled and compared with scikit-learn on rows it did and did not see."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    LinearRegression,
    LogisticRegression,
    OrthogonalMatchingPursuit,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
    TweedieRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import LinearSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from fairlead.contract.errors import CellInvalid, NotCompilable
from fairlead.lab.compile import TimeParts, certify, compile_pipeline, frame_like, signature_for_estimator
from fairlead.lab.compile.certifying import holds
from fairlead.lab.compile.foreign import columns_like

NUMBERS, CATEGORIES = ["amount", "age", "visits"], ["plan", "region"]


def frame(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    found = pd.DataFrame(
        {
            "amount": np.where(random.random(rows) < 0.15, np.nan, random.lognormal(3, 1, rows)),
            "age": random.integers(18, 90, rows),
            "visits": random.poisson(3, rows).astype(float),
            "member": random.random(rows) < 0.4,
            "plan": pd.Series(random.choice(["basic", "plus", "pro", "rare"], rows, p=[0.5, 0.3, 0.18, 0.02])),
            "region": pd.Series(random.choice(["n", "s", "e", "w"], rows)).where(random.random(rows) > 0.1),
            "code": random.choice([1, 2, 3, 7], rows),
            "at": pd.to_datetime("2024-01-01") + pd.to_timedelta(random.integers(0, 500 * 24, rows), unit="h"),
        }
    )
    found.loc[random.random(rows) < 0.05, "visits"] = np.nan
    return found


def truth(rows: pd.DataFrame, kind: str, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    score = (
        rows["age"] / 30 + (rows["plan"] == "pro") * 2 + rows["amount"].fillna(20) / 40 + random.normal(0, 1, len(rows))
    )
    if kind == "binary":
        return np.where(score > score.median(), "yes", "no")
    if kind == "multiclass":
        return np.array(["low", "mid", "top"])[pd.qcut(score, 3, labels=False)]
    return np.asarray(score - score.min() + 0.1)


def fit(pipeline, kind="binary", rows=None):
    rows = frame() if rows is None else rows
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pipeline.fit(rows, truth(rows, kind)), rows


def proven(pipeline, rows, *, closed=False):
    """Compile, certify, and compare both forms of the front with the pipeline on fresh rows."""
    signature = signature_for_estimator(pipeline, rows, target="y")
    compiled = compile_pipeline(pipeline, signature, rows)
    certificate = certify(pipeline, compiled, signature, columns_like(rows, signature), rows)
    assert holds(certificate), certificate
    assert certificate.kinds["training"] == len(rows)
    fresh = frame(60, seed=9)
    if not closed and "plan" in signature.names:
        fresh.loc[:5, "plan"] = "never seen"
    columns = columns_like(fresh, signature)
    given = frame_like(columns, signature, rows)
    score = pipeline.predict_proba if signature.task == "classification" else pipeline.predict
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.asarray(score(given)).reshape(len(fresh), -1)
    tail, encode = compiled.running(), compiled.front.row_encoder()
    listed = [
        [None if v is None or v != v else v for v in row]
        for row in zip(*[c.tolist() for c in columns.values()], strict=True)
    ]
    by_row, by_column = encode(listed), compiled.front.encode(columns)
    assert np.array_equal(by_row, by_column, equal_nan=True)
    assert np.abs(tail.scores(by_column) - expected).max() <= 1e-9 * max(1.0, np.abs(expected).max())
    return compiled, certificate


def impute_all(number_steps=None, encoder=None):
    number_steps = (StandardScaler(),) if number_steps is None else number_steps
    encoder = encoder or OneHotEncoder(handle_unknown="ignore")
    return ColumnTransformer(
        [
            ("n", make_pipeline(SimpleImputer(strategy="median"), *number_steps), NUMBERS),
            ("c", make_pipeline(SimpleImputer(strategy="most_frequent"), encoder), CATEGORIES),
        ],
        sparse_threshold=0,
    )


CLASSIFIERS = {
    "logistic": LogisticRegression(max_iter=300),
    "sgd": SGDClassifier(loss="log_loss", random_state=0),
    "tree": DecisionTreeClassifier(max_depth=6, random_state=0),
    "forest": RandomForestClassifier(12, random_state=0),
    "extra": ExtraTreesClassifier(12, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=12, random_state=0),
    "exponential": GradientBoostingClassifier(loss="exponential", n_estimators=12, random_state=0),
    "from zero": GradientBoostingClassifier(init="zero", n_estimators=5, random_state=0),
    "histogram": HistGradientBoostingClassifier(max_iter=15, random_state=0),
    "discriminant": LinearDiscriminantAnalysis(),
    "dummy": DummyClassifier(strategy="prior"),
    "dummy frequent": DummyClassifier(strategy="most_frequent"),
}
REGRESSORS = {
    "linear": LinearRegression(),
    "ridge": Ridge(),
    "elastic": ElasticNet(0.01),
    "poisson": PoissonRegressor(max_iter=300),
    "tree": DecisionTreeRegressor(max_depth=6, random_state=0),
    "forest": RandomForestRegressor(12, random_state=0),
    "extra": ExtraTreesRegressor(12, random_state=0),
    "boosting": GradientBoostingRegressor(n_estimators=12, loss="huber", random_state=0),
    "histogram": HistGradientBoostingRegressor(max_iter=15, random_state=0),
    "histogram gamma": HistGradientBoostingRegressor(loss="gamma", max_iter=15, random_state=0),
    "tweedie": TweedieRegressor(power=1.5, max_iter=300),
    "tweedie normal": TweedieRegressor(power=0, max_iter=300),
    "pursuit": OrthogonalMatchingPursuit(n_nonzero_coefs=3),
    "support vectors": LinearSVR(max_iter=5000, random_state=0),
    "dummy": DummyRegressor(),
    "dummy median": DummyRegressor(strategy="median"),
}


BINARY_ONLY = ("sgd", "exponential")
KINDS = [(n, k) for k in ("binary", "multiclass") for n in CLASSIFIERS if k == "binary" or n not in BINARY_ONLY]


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_classifiers_are_reproduced(name, kind):
    proven(*fit(make_pipeline(impute_all(), CLASSIFIERS[name]), kind))


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors_are_reproduced(name):
    proven(*fit(make_pipeline(impute_all(), REGRESSORS[name]), "number"))


@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        MinMaxScaler(),
        MinMaxScaler((-1, 2), clip=True),
        MaxAbsScaler(),
        RobustScaler(),
        RobustScaler(with_centering=False),
        FunctionTransformer(),
        "passthrough",
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "estimator",
    [LogisticRegression(max_iter=300), HistGradientBoostingClassifier(max_iter=10)],
    ids=["linear", "trees"],
)
def test_scalers_are_reproduced(scaler, estimator):
    proven(*fit(make_pipeline(impute_all((scaler,)), estimator)))


@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(handle_unknown="ignore", drop="first"),
        OneHotEncoder(handle_unknown="ignore", drop="if_binary"),
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=30),
        OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=2, drop="first"),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-5, min_frequency=30),
        TargetEncoder(random_state=0),
    ],
    ids=str,
)
@pytest.mark.parametrize("estimator", ["linear", "trees"])
@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_encoders_are_reproduced(encoder, estimator, kind):
    model = LogisticRegression(max_iter=300) if estimator == "linear" else RandomForestClassifier(8, random_state=0)
    pipeline = make_pipeline(impute_all(encoder=encoder), StandardScaler(), model)
    proven(*fit(pipeline, kind))


def test_missing_as_a_category_of_its_own():
    encoder = OneHotEncoder(handle_unknown="ignore")
    pipeline = make_pipeline(make_column_transformer((encoder, CATEGORIES), sparse_threshold=0), LogisticRegression())
    compiled, _ = proven(*fit(pipeline))
    assert any(lane.missing for lane in compiled.front.lanes)


@pytest.mark.parametrize("value", [-1.0, np.nan])
def test_ordinal_with_encoded_missing_values(value):
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-9, encoded_missing_value=value)
    pipeline = make_pipeline(make_column_transformer((encoder, CATEGORIES)), HistGradientBoostingClassifier(max_iter=8))
    proven(*fit(pipeline))


def test_numbers_encoded_as_categories():
    parts = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["code", "member"]),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")), ["visits"]),
        sparse_threshold=0,
    )
    proven(*fit(make_pipeline(parts, LogisticRegression(max_iter=300))))


def test_an_encoder_that_refuses_the_unseen_stays_closed():
    pipeline, rows = fit(make_pipeline(make_column_transformer((OneHotEncoder(), ["plan"])), LogisticRegression()))
    compiled, _ = proven(pipeline, rows, closed=True)
    assert compiled.front.closed == {"plan"}
    encode = compiled.front.row_encoder()
    at = compiled.front.columns.index("plan")
    row = [0.0] * len(compiled.front.columns)
    row[at] = "basic"
    other = [*row]
    other[at] = "secret"
    with pytest.raises(CellInvalid, match="row 1, column 'plan'") as refused:
        encode([row, other])
    assert "secret" not in str(refused.value)
    with pytest.raises(CellInvalid, match="row 1, column 'plan'"):
        compiled.front.encode(
            {
                n: np.array([a, b], dtype=object if n == "plan" else float)
                for n, a, b in zip(compiled.front.columns, row, other, strict=True)
            }
        )


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant"])
@pytest.mark.parametrize("indicator", [True, False])
def test_imputers_of_numbers(strategy, indicator):
    imputer = SimpleImputer(strategy=strategy, add_indicator=indicator)
    pipeline = make_pipeline(
        make_column_transformer((imputer, NUMBERS)), StandardScaler(), DecisionTreeClassifier(max_depth=5)
    )
    proven(*fit(pipeline))


def test_indicators_beside_numbers_in_a_union():
    union = FeatureUnion([("filled", SimpleImputer()), ("gaps", MissingIndicator(features="all"))])
    proven(*fit(make_pipeline(make_column_transformer((union, NUMBERS)), LogisticRegression(max_iter=300))))


@pytest.mark.parametrize(
    "forest",
    [
        RandomForestClassifier(10, random_state=0),
        ExtraTreesClassifier(10, random_state=0),
        DecisionTreeClassifier(max_depth=6),
    ],
    ids=["forest", "extra", "tree"],
)
def test_trees_fitted_on_missing_values(forest):
    proven(*fit(make_pipeline(make_column_transformer(("passthrough", NUMBERS)), forest)))


def test_columns_by_selector_slice_mask_and_remainder():
    rows = frame()[["amount", "age", "visits", "plan", "region"]]
    for numbers in (
        make_column_selector(dtype_include="number"),
        slice(0, 3),
        slice("amount", "visits"),
        [True] * 3 + [False] * 2,
        [0, 1, -3],
    ):
        parts = ColumnTransformer(
            [("n", SimpleImputer(), numbers)],
            remainder=make_pipeline(
                SimpleImputer(strategy="constant", fill_value="?"), OneHotEncoder(handle_unknown="ignore")
            ),
            sparse_threshold=0,
        )
        proven(*fit(make_pipeline(parts, LogisticRegression(max_iter=300)), rows=rows))


def test_remainder_passthrough_puts_columns_last():
    parts = ColumnTransformer(
        [("c", OneHotEncoder(handle_unknown="ignore"), ["plan"])], remainder="passthrough", sparse_threshold=0
    )
    rows = frame()[["amount", "age", "plan", "member"]]
    proven(*fit(make_pipeline(parts, HistGradientBoostingClassifier(max_iter=10)), rows=rows))


def test_native_categories_by_dtype_and_by_position():
    rows = frame()[["amount", "age", "plan", "region"]]
    typed = rows.astype({"plan": "category", "region": "category"})
    proven(*fit(HistGradientBoostingClassifier(max_iter=20, random_state=0), "multiclass", rows=typed))
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    parts = make_column_transformer((ordinal, ["region", "plan"]), remainder="passthrough")
    model = HistGradientBoostingRegressor(max_iter=20, categorical_features=[0, 1], random_state=0)
    proven(*fit(make_pipeline(parts, model), "number", rows=rows))


def test_parts_of_times():
    parts = make_column_transformer(
        (TimeParts(("year", "month", "day", "weekday:cyclic", "hour:cyclic", "day_of_year", "epoch_day")), ["at"]),
        (SimpleImputer(), NUMBERS),
    )
    pipeline, rows = fit(make_pipeline(parts, HistGradientBoostingClassifier(max_iter=10)))
    proven(pipeline, rows)
    stamps = rows["at"]
    found = TimeParts(("year", "month", "day", "weekday", "hour", "minute", "day_of_year")).fit_transform(rows[["at"]])
    expected = [
        stamps.dt.year,
        stamps.dt.month,
        stamps.dt.day,
        stamps.dt.weekday,
        stamps.dt.hour,
        stamps.dt.minute,
        stamps.dt.dayofyear,
    ]
    assert np.array_equal(found, np.column_stack(expected))


def test_selection_search_and_nesting():
    inner = make_pipeline(impute_all(), VarianceThreshold(), SelectKBest(k=5))
    search = GridSearchCV(
        make_pipeline(inner, LogisticRegression(max_iter=300)), {"logisticregression__C": [0.1, 1.0]}, cv=2
    )
    proven(*fit(search))


def test_pandas_output_between_steps():
    parts = impute_all().set_output(transform="pandas")
    parts.set_params(c__onehotencoder__sparse_output=False)
    second = make_column_transformer((StandardScaler(), make_column_selector(pattern="^n__")), remainder="passthrough")
    proven(*fit(make_pipeline(parts, second, LogisticRegression(max_iter=300))))


def test_integers_beyond_single_precision_keep_their_decisions():
    rows = pd.DataFrame({"big": np.arange(400, dtype=np.int64) + 2**24})
    y = np.where(rows["big"] % 2 == 0, "even", "odd")
    pipeline = HistGradientBoostingClassifier(max_iter=10, max_bins=255).fit(rows, y)
    signature = signature_for_estimator(pipeline, rows)
    compiled = compile_pipeline(pipeline, signature)
    certificate = certify(pipeline, compiled, signature, columns_like(rows, signature), rows)
    assert holds(certificate)
    assert certificate.kinds["thresholds"] > 100


def taken_from(step, columns, estimator, **options):
    return make_pipeline(ColumnTransformer([("step", step, columns)], **options), estimator)


REFUSED = {
    "holds code": taken_from(FunctionTransformer(np.log1p), ["age"], LogisticRegression()),
    "at random": taken_from("passthrough", ["age"], DummyClassifier(strategy="stratified")),
    "missing_values": taken_from(SimpleImputer(missing_values=30), ["age"], LogisticRegression()),
    "transformer_weights": taken_from("passthrough", ["age"], LogisticRegression(), transformer_weights={"step": 2.0}),
    "SplineTransformer": taken_from(SplineTransformer(), ["age"], LogisticRegression()),
    "no form fits": taken_from("passthrough", ["age"], KNeighborsClassifier()),
}


@pytest.mark.parametrize(("why", "pipeline"), REFUSED.items(), ids=REFUSED.keys())
def test_what_is_not_on_the_list_is_refused_by_name(why, pipeline):
    fitted, rows = fit(pipeline)
    with pytest.raises(NotCompilable, match=why):
        compile_pipeline(fitted, signature_for_estimator(fitted, rows), rows)


def test_a_transformer_of_ones_own_is_refused_even_under_a_known_name():
    class StandardScaler(FunctionTransformer):  # a namesake from another module
        pass

    fitted, rows = fit(make_pipeline(make_column_transformer((StandardScaler(), ["age"])), LogisticRegression()))
    with pytest.raises(NotCompilable, match="not among what can be compiled"):
        compile_pipeline(fitted, signature_for_estimator(fitted, rows), rows)


def test_a_certificate_tells_a_wrong_model():
    pipeline, rows = fit(make_pipeline(impute_all(), DecisionTreeClassifier(max_depth=5, random_state=0)))
    other, _ = fit(
        make_pipeline(impute_all(), DecisionTreeClassifier(max_depth=4, random_state=5, min_samples_leaf=20))
    )
    signature = signature_for_estimator(pipeline, rows)
    certificate = certify(pipeline, compile_pipeline(other, signature), signature, columns_like(rows, signature), rows)
    assert not holds(certificate)
    assert certificate.flipped > 0


def test_a_column_that_the_model_cannot_miss_must_not_be_nullable():
    pipeline, rows = fit(make_pipeline(make_column_transformer((StandardScaler(), ["age"])), LogisticRegression()))
    signature = signature_for_estimator(pipeline, rows)
    assert [c.nullable for c in signature.columns if c.name == "age"] == [False]
    import msgspec

    loose = msgspec.structs.replace(
        signature, columns=tuple(msgspec.structs.replace(c, nullable=True) for c in signature.columns)
    )
    with pytest.raises(NotCompilable, match="column age may be missing"):
        certify(pipeline, compile_pipeline(pipeline, loose), loose, columns_like(rows, loose), rows)


BENT = {
    "powers": [SimpleImputer(), PowerTransformer()],
    "plain powers": [SimpleImputer(), PowerTransformer(standardize=False), MinMaxScaler()],
    "quantiles": [SimpleImputer(), QuantileTransformer(n_quantiles=50)],
    "quantiles to normal": [SimpleImputer(), QuantileTransformer(n_quantiles=50, output_distribution="normal")],
    "bins": [SimpleImputer(), KBinsDiscretizer(5, encode="onehot-dense", strategy="uniform")],
    "numbered bins": [SimpleImputer(), KBinsDiscretizer(5, encode="ordinal", strategy="uniform")],
    "thresholds": [SimpleImputer(), Binarizer(threshold=3.0)],
    "polynomials": [SimpleImputer(), StandardScaler(), PolynomialFeatures(3), StandardScaler()],
    "interactions": [SimpleImputer(), PolynomialFeatures(interaction_only=True, include_bias=False)],
}


@pytest.mark.parametrize("name", BENT)
@pytest.mark.parametrize("estimator", ["linear", "trees"])
def test_what_bends_cuts_and_multiplies_in_pipelines_of_ones_own(name, estimator):
    model = LogisticRegression(max_iter=300) if estimator == "linear" else DecisionTreeClassifier(max_depth=6)
    proven(*fit(make_pipeline(make_column_transformer((make_pipeline(*BENT[name]), NUMBERS)), model)))


def test_products_of_encoded_categories():
    parts = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["plan"]), (SimpleImputer(), ["amount"]), sparse_threshold=0
    )
    proven(*fit(make_pipeline(parts, PolynomialFeatures(interaction_only=True), LogisticRegression(max_iter=300))))


def test_powers_of_positive_numbers_alone():
    rows = frame()[["amount"]].fillna(1.0)
    parts = make_column_transformer((PowerTransformer("box-cox"), ["amount"]))
    pipeline = make_pipeline(parts, LogisticRegression()).fit(rows, np.where(rows["amount"] > 20, "yes", "no"))
    signature = signature_for_estimator(pipeline, rows)
    compiled = compile_pipeline(pipeline, signature, rows)
    assert holds(certify(pipeline, compiled, signature, columns_like(rows, signature), rows))


def texts(rows: pd.DataFrame) -> pd.Series:
    words = np.array(["refund", "Server", "down", "please", "ÉCOLE", "help", "a", "2.0"])
    random = np.random.default_rng(3)
    return pd.Series([" ".join(words[random.integers(0, 8, random.integers(0, 6))]) for _ in range(len(rows))])


@pytest.mark.parametrize("made", [TfidfVectorizer(ngram_range=(1, 2)), CountVectorizer(analyzer="char", min_df=3)])
def test_vectorizers_of_a_column_of_texts(made):
    rows = frame()[["age"]]
    rows["note"] = texts(rows)
    parts = make_column_transformer((made, "note"), (StandardScaler(), ["age"]))
    pipeline = make_pipeline(parts, SelectKBest(k=12), LogisticRegression(max_iter=300))
    pipeline.fit(rows, np.where(rows["note"].str.contains("down|ÉCOLE"), "yes", "no"))
    signature = signature_for_estimator(pipeline, rows)
    compiled = compile_pipeline(pipeline, signature, rows)
    certificate = certify(pipeline, compiled, signature, columns_like(rows, signature), rows)
    assert holds(certificate)
    assert certificate.kinds["texts"] > 0


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (TfidfVectorizer(tokenizer=str.split, token_pattern=None), "tokenizer of your own"),
        (TfidfVectorizer(preprocessor=str.lower), "preprocessor of your own"),
        (TfidfVectorizer(token_pattern=r"[a-z]+"), "token_pattern"),
        (TfidfVectorizer(dtype=np.float32), "float32"),
    ],
)
def test_vectorizers_beyond_the_allow_list_are_refused_by_name(made, why):
    rows = frame()[["age"]]
    rows["note"] = texts(rows)
    parts = make_column_transformer((made, "note"))
    pipeline = make_pipeline(parts, LogisticRegression()).fit(rows, np.where(rows["age"] > 40, "yes", "no"))
    with pytest.raises(NotCompilable, match=why):
        compile_pipeline(pipeline, signature_for_estimator(pipeline, rows), rows)


@pytest.mark.parametrize("union", [False, True])
def test_a_pipeline_of_nothing_but_texts(union):
    rows = pd.DataFrame({"note": texts(frame())})
    made = TfidfVectorizer(sublinear_tf=True, stop_words="english")
    first = FeatureUnion([("words", made), ("letters", CountVectorizer(analyzer="char_wb"))]) if union else made
    pipeline = make_pipeline(first, LogisticRegression(max_iter=300))
    pipeline.fit(rows["note"], np.where(rows["note"].str.contains("down|ÉCOLE"), "yes", "no"))
    signature = signature_for_estimator(pipeline, rows)
    compiled = compile_pipeline(pipeline, signature, rows)
    assert holds(certify(pipeline, compiled, signature, columns_like(rows, signature), rows))


def test_texts_that_are_read_by_terms_are_no_categories_of_a_signature():
    rows = pd.DataFrame({"note": texts(frame()), "plan": frame()["plan"]})
    parts = make_column_transformer((TfidfVectorizer(), "note"), (OneHotEncoder(), ["plan"]))
    pipeline = make_pipeline(parts, LogisticRegression()).fit(rows, np.where(rows["plan"] == "pro", "yes", "no"))
    note, plan = signature_for_estimator(pipeline, rows).columns
    assert (note.kind, note.categories) == ("text", ())
    assert (plan.kind, plan.categories) == ("category", ("basic", "plus", "pro", "rare"))
