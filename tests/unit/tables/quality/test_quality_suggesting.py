"""Every suggestion goes into a project file, and the file is read."""

import tomllib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import NOW, clean

from fairlead.contract.errors import ConfigInvalid
from fairlead.lab.tables.quality import Suggestion, examine
from fairlead.lab.tables.quality.page import render
from fairlead.lab.tables.quality.suggesting import as_toml, merged, with_lines
from fairlead.ops.project import parse_settings

PROJECT = """\
# churn, by hand
[model]
name = "shop"
task = "classification"
target = "bought"
exclude = ["legacy"]  # since 2024

[data]
train = "shop.csv"
"""


def flawed() -> pd.DataFrame:
    """A table with as many flaws as there are suggestions."""
    frame = clean(3000)
    random = np.random.default_rng(1)
    frame.loc[::9, "income"] = np.nan
    frame.loc[:1999, "score"] = np.nan
    frame.loc[::50, "visits"] = -999
    frame.loc[[1, 2], "age"] = 10**7
    frame.loc[[3, 4], "plan"] = "Basic"
    frame.loc[[5, 6], "region"] = "centre"
    frame['a "quoted" = name'] = 1
    frame["copy"] = frame["age"]
    frame["login"] = [f"u{n}" for n in random.integers(0, 10**6, len(frame))]
    frame["status"] = np.where(frame["bought"] == "yes", "closed", "open")
    frame["later"] = frame["at"] + pd.Timedelta(days=9)
    frame["flag"] = np.where(random.random(len(frame)) < 0.1, None, random.random(len(frame)) < 0.5)
    frame.loc[frame.index[frame["bought"] == "yes"][40:], "bought"] = "no"
    return frame


def test_every_suggestion_alone_and_all_together_make_a_project_that_is_read():
    report = examine(flawed(), target="bought", time=("at",), now=NOW)
    suggestions = [s for i in report.issues for s in i.suggestions]
    assert len({s.key for s in suggestions}) >= 6, {s.key for s in suggestions}
    before = {"model": {"exclude": ["legacy"]}}
    for suggestion in suggestions:
        settings, _ = parse_settings(with_lines(PROJECT, merged([suggestion], before)))
        if suggestion.key == "exclude":
            assert settings.model.exclude == ("legacy", suggestion.value)
        elif suggestion.table[0] == "preparation":
            said = (suggestion.value,) if suggestion.add else suggestion.value
            assert getattr(settings.preparation.columns[suggestion.table[-1]], suggestion.key) == said
    text = with_lines(PROJECT, merged(suggestions, before))
    assert text.startswith("# churn, by hand\n")
    assert 'a "quoted" = name' in parse_settings(text)[0].model.exclude
    tomllib.loads(report.toml)


def test_the_page_holds_every_issue_and_nothing_from_elsewhere():
    from fairlead.doors.python.quality import told

    report = examine(flawed(), target="bought", time=("at",), now=NOW)
    page = render(told(report))
    assert page.count('<span class="mark') == len(report.issues)
    assert "http" not in page
    assert "<script" not in page
    assert "a &#34;quoted&#34; = name" in page


def test_a_list_over_several_lines_is_left_to_a_person():
    text = 'x = 1\n[model]\nexclude = [\n  "a",\n]\n'
    with pytest.raises(ConfigInvalid, match="by hand"):
        with_lines(text, {("model",): {"exclude": ["a", "b"]}})


TEXT = st.text(st.characters(exclude_categories=("Cs",)))


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=("Cs",)), min_size=1),
            st.one_of(
                st.booleans(),
                st.floats(allow_nan=False, allow_infinity=False),
                st.text(st.characters(exclude_categories=("Cs",))),
            ),
        ),
        max_size=6,
    )
)
def test_whatever_a_column_is_called_its_lines_are_toml_and_mean_it(pairs):
    suggestions = [Suggestion(("preparation", "columns", name), "value", value, "") for name, value in pairs]
    read = tomllib.loads(as_toml(merged(suggestions))).get("preparation", {}).get("columns", {})
    wanted = {}
    for name, value in pairs:
        wanted.setdefault(name, value)
    assert {name: cell["value"] for name, cell in read.items()} == wanted
