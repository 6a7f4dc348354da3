"""[preparation]: what cannot be is refused with line, key and the nearest that can."""

from __future__ import annotations

import pytest

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.preparing import PreparationSettings, Treatment
from fairlead.ops.project import parse_settings

MODEL = '[model]\nname = "m"\ntask = "classification"\ntarget = "y"\n[preparation]\n'
REFUSED = [
    ('numbers = {scale = "minmx"}', r"toml:6: preparation\.numbers\.scale: .*Did you mean 'minmax'"),
    ('numbers = {scael = "minmax"}', r"toml:6: preparation\.numbers\.scael: unknown key\. Did you mean scale"),
    ('number = {scale = "minmax"}', r"preparation\.number: unknown key\. Did you mean preparation\.numbers"),
    ("numbers = {threshold = -1}", r"preparation\.numbers\.threshold: expected a number > 0"),
    ("numbers = {threshold = 3}", r'threshold: has no outliers.*Add outliers = "iqr"'),
    ('numbers = {encode = "one_hot"}', r"encode: numbers are encoded as bins alone\. Add bins"),
    ('numbers = {encode = "hashing", bins = 3}', r"encode: 'hashing' is not for numbers"),
    ('numbers = {bins = 3, scale = "minmax"}', r'scale: bins as one column each.*encode = "ordinal"'),
    ('numbers = {bins_by = "uniform"}', r"bins_by: is about bins.*Add bins"),
    ('numbers = {missing = "constant"}', r"numbers\.value: is needed"),
    ('numbers = {missing = "mean", value = 3}', r"value: is used by missing = \"constant\" alone"),
    ('numbers = {value = "x"}', r"value: numbers take a number here"),
    ("categories = {value = 3}", r"value: categories take text here"),
    ('numbers = {missing = "knn"}', r'missing: knn looks at other columns.*model\.trust = "native", or use median'),
    ('categories = {scale = "standard"}', r'scale: one_hot columns are not scaled.*"target"'),
    ('categories = {missing = "median"}', r"missing: 'median' is not for categories"),
    ("categories = {buckets = 8}", r'buckets: is about hashing.*Say encode = "hashing"'),
    ("categories = {indicator = true}", r"indicator: categories take no indicator\. categories take: missing"),
    ('times = {dates = "circle"}', r"dates: expected one of 'parts', 'cyclic', 'elapsed'"),
    ("texts = {ngrams = [1, 2]}", r'ngrams: texts are not used\. Add text = "tfidf"'),
    ('texts = {text = "tfidf", ngrams = [3, 2]}', r"ngrams: the shortest is longer"),
    (
        'flags = {indicator = true}\n[train]\nentrypoint = "t.py:fit"',
        r"preparation\.flags: says nothing to train\.entrypoint",
    ),
    ('interactions = [["a", "a"]]', r"interactions: 'a' with itself"),
    ('interactions = [["a", "y"]]', r"interactions: 'y' is the target"),
    ('[preparation.columns.y]\nscale = "power"', r"columns\.y: 'y' is the target"),
    ('[preparation.columns.age]\nscale = "pwer"', r"toml:7: preparation\.columns\.age\.scale: .*'power'"),
    ("[preparation.columns.age]\nrare = 0.1\nbins = 3", r"toml:\d: preparation\.columns\.age\.\w+: .* take"),
]


@pytest.mark.parametrize(("text", "told"), REFUSED)
def test_what_cannot_be_is_refused_by_key_with_the_nearest_that_can(text, told):
    with pytest.raises(ConfigInvalid, match=told):
        parse_settings(MODEL + text + "\n")


def test_means_of_a_target_need_one():
    model = '[model]\nname = "m"\ntask = "clustering"\ntarget = ""\n[preparation]\n'
    with pytest.raises(ConfigInvalid, match=r"categories\.encode: there is no target"):
        parse_settings(model + 'categories = {encode = "target"}\n')


def test_the_environment_speaks_of_it_too():
    settings, origins = parse_settings(MODEL, environ={"FAIRLEAD_PREPARATION__NUMBERS": "{scale = 'minmax'}"})
    assert settings.preparation == PreparationSettings(numbers=Treatment(scale="minmax"))
    assert origins["preparation.numbers"] == "FAIRLEAD_PREPARATION__NUMBERS"
