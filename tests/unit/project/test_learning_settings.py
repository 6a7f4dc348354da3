"""Weights, classes and orders in fairlead.toml that cannot be."""

from __future__ import annotations

import pytest

from fairlead.contract.errors import ConfigInvalid
from fairlead.ops.project import parse_settings

HEAD = '[model]\nname = "m"\ntask = "{task}"\ntarget = "y"\nid = "key"\n'


@pytest.mark.parametrize(
    ("task", "rules", "key", "said"),
    [
        ("classification", 'weight = "y"', "train.weight", "is the target"),
        ("classification", 'weight = "key"', "train.weight", "is the key"),
        ("regression", 'class_weight = "balanced"', "train.class_weight", "no classes to weigh"),
        ("classification", "class_weight = { a = 0 }", "train.class_weight", "0"),
        ("classification", "monotone = { a = 2 }", "train.monotone", "2"),
        ("classification", "monotone = { y = 1 }", "train.monotone", "no feature"),
        ("regression", 'entrypoint = "train.py:fit"\npatience = 5', "train.patience", "would do nothing"),
        ("regression", 'entrypoint = "train.py:fit"\nweight = "w"', "train.weight", "would do nothing"),
        ("regression", "patience = -1", "train.patience", "0"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(task, rules, key, said):
    with pytest.raises(ConfigInvalid) as refused:
        parse_settings(HEAD.format(task=task) + "[train]\n" + rules)
    assert key in str(refused.value)
    assert said in str(refused.value)


def test_what_can_be_is_read():
    text = 'weight = "w"\nclass_weight = { yes = 20, no = 1.5 }\nmonotone = { age = -1, income = 1 }\npatience = 20'
    rules = parse_settings(HEAD.format(task="classification") + "[train]\n" + text)[0].train
    assert (rules.weight, rules.patience) == ("w", 20)
    assert rules.class_weight == {"yes": 20.0, "no": 1.5}
    assert rules.monotone == {"age": -1, "income": 1}
