"""What a project says of a forecast: what it needs, and what has no meaning for one."""

from __future__ import annotations

import pytest

from fairlead.contract.errors import ConfigInvalid
from fairlead.ops.project.reading import parse_settings

PLAIN = """[model]
name = "demand"
task = "forecasting"
target = "cnt"
time = ["dteday", "hr"]
horizon = 24
"""


def test_a_project_that_forecasts() -> None:
    model = parse_settings(PLAIN + 'every = "1h"\nlags = 168\nseries = "shop"\ncovariates = ["temp"]\n')[0].model
    assert (model.horizon, model.lags, model.every, model.series, model.covariates) == (
        24,
        168,
        "1h",
        "shop",
        ("temp",),
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (PLAIN.replace('time = ["dteday", "hr"]\n', ""), "model.time: a forecast goes by time"),
        (PLAIN.replace("horizon = 24", ""), "model.horizon: how many values ahead are asked?"),
        (PLAIN + "lags = 1\n", "model.lags: one value is no history"),
        (PLAIN + "lags = 9999\ncovariates = ['a','b','c','d','e','f','g','h','i','j']\n", "more than 100,000 numbers"),
        (PLAIN + "every = 'fortnight'\n", "model.every: 'fortnight' is no step of a series. Write it as 15m"),
        (PLAIN + "covariates = ['cnt']\n", "model.covariates: 'cnt' is the target"),
        (PLAIN + "covariates = ['hr']\n", "'hr' is a time"),
        (PLAIN + "covariates = ['a', 'a']\n", "lists 'a' twice"),
        (PLAIN + "series = 'hr'\n", "model.series: 'hr' is the target or a time"),
        (PLAIN + "exclude = ['casual']\n", "model.exclude: has no meaning for a forecast"),
        (PLAIN + "[train]\nmonotone = {temp = 1}\n", "train.monotone"),
        (PLAIN + "[gate]\nmin = {r2 = 0.5}\n", "no metric of a forecasting"),
        (PLAIN.replace("forecasting", "regression"), "model.horizon: a regression has no series to forecast"),
    ],
)
def test_what_cannot_be_names_the_key(text: str, part: str) -> None:
    with pytest.raises(ConfigInvalid) as raised:
        parse_settings(text)
    assert part in str(raised.value)
