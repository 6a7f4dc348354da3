"""What the pages on rollouts show can be run: the template that Argo reads, settings, verbs and their options."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import msgspec
import pytest
import yaml
from tests.conftest import ROOT

from fairlead.contract.analysis import Analysis, nothing_tried
from fairlead.contract.settings import RolloutSettings

PAGES = [ROOT / "docs" / "how-to" / name for name in ("rollouts.md", "pilot.md")]
WORDS = re.compile(r"fairlead (\w+)((?: [^\n#]*)?)")


def blocks(kind: str) -> list[str]:
    """The code blocks of one language."""
    return [found for page in PAGES for found in re.findall(rf"```{kind}\n(.*?)```", page.read_text(), re.DOTALL)]


def test_the_analysis_template_is_what_argo_takes_and_our_answer_is_what_it_reads() -> None:
    template: dict[str, Any] = yaml.safe_load(blocks("yaml")[0])
    assert (template["apiVersion"], template["kind"]) == ("argoproj.io/v1alpha1", "AnalysisTemplate")
    assert template["spec"]["args"] == [{"name": "model"}]
    (metric,) = template["spec"]["metrics"]
    known = {"name", "interval", "count", "successCondition", "failureCondition", "failureLimit", "inconclusiveLimit"}
    assert set(metric) - known == {"provider"}
    web = metric["provider"]["web"]
    assert set(web) == {"url", "timeoutSeconds", "jsonPath"}
    assert web["jsonPath"] == "{$.data}"
    assert "/analysis?model={{args.model}}" in web["url"]
    fields = {field.name for field in msgspec.structs.fields(Analysis)}
    for condition in (metric["successCondition"], metric["failureCondition"]):
        (name, value) = re.fullmatch(r'result\.(\w+) == "(\w+)"', condition).groups()  # type: ignore[union-attr]
        assert name in fields
        assert value in ("pass", "fail")
    answer = msgspec.to_builtins(nothing_tried("churn", 0.0))
    assert (answer["verdict"], answer["n"]) == ("inconclusive", 0)


def test_the_settings_shown_are_settings() -> None:
    told = tomllib.loads(blocks("toml")[0])["rollout"]
    assert msgspec.convert(told, RolloutSettings).objective == "value"


@pytest.mark.parametrize("line", [line for text in blocks("sh") for line in text.splitlines() if "fairlead " in line])
def test_every_verb_and_option_shown_exists(line: str) -> None:
    import typer

    from fairlead.doors.cli.main import app

    verb, rest = WORDS.search(line).groups()  # type: ignore[union-attr]
    command = typer.main.get_command(app).get_command(None, verb)  # type: ignore[attr-defined, arg-type]
    assert command is not None, verb
    options = {name for parameter in command.params for name in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", rest)) <= options
