"""docs/how-to/prepare.md: its settings can be set, and its table names every key with its words and defaults."""

from __future__ import annotations

import re
import typing
from pathlib import Path

import msgspec

from fairlead.contract.preparing import Treatment
from fairlead.lab.train.preparing.treating import completed
from fairlead.ops.project import parse_settings

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "prepare.md").read_text()
MODEL = '[model]\nname = "churn"\ntask = "classification"\ntarget = "Churn"\n'


def test_the_settings_shown_can_be_set() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", TEXT, re.S)
    settings, _ = parse_settings(f"{MODEL}\n{block}")
    assert settings.preparation.columns["TotalCharges"] == Treatment(missing="drop", scale="quantile_normal")


def test_every_key_and_every_word_of_it_is_told() -> None:
    told = set(re.findall(r"`(\w+)`", TEXT))
    for field in msgspec.structs.fields(Treatment):
        assert field.name in told
        for part in typing.get_args(field.type):
            words = typing.get_args(part) if typing.get_origin(part) is typing.Literal else ()
            assert {word for word in words if word != "none"} <= told, field.name


def test_the_defaults_told_are_those_of_the_code() -> None:
    words = completed("texts", Treatment(text="tfidf"))
    assert f"`max_features` ({words.max_features:,})" in TEXT
    assert f"`ngrams` (`{list(words.ngrams or ())}`)" in TEXT
    assert f"`buckets`, {completed('categories', Treatment(encode='hashing')).buckets})" in TEXT
