"""What a compression tries: every shrinker of the port, and those that are asked for by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

from fairlead.contract.errors import UsageError
from fairlead.contract.plugins import names, variant
from fairlead.contract.signature import Task
from fairlead.lab.compress.subject import Said, Smaller, Subject


@cache
def words_of_ways() -> dict[str, tuple[str, ...]]:
    """What may be asked for: groups of ways, and each way alone. word -> names of shrinkers."""
    found: dict[str, tuple[str, ...]] = {}
    for name in names("shrinker"):
        group = variant("shrinker", name).group
        found[group] = (*found.get(group, ()), name)
    for name in names("shrinker"):
        found.setdefault(name, (name,))
    return found


def ways_of(only: Collection[str] | None) -> tuple[str, ...]:
    """Names of the shrinkers that these words ask for; all for None. Raises UsageError for a word that is none."""
    if not only:
        return names("shrinker")
    known = words_of_ways()
    if unknown := [word for word in only if word not in known]:
        raise UsageError(f"no way to make a model smaller is called {unknown[0]!r}. There are: {', '.join(known)}.")
    asked = {name for word in only for name in known[word]}
    return tuple(name for name in names("shrinker") if name in asked)


def smaller_than(
    learner: str,
    parameters: Mapping[str, Any],
    task: Task,
    only: Collection[str] | None = None,
    said: Said | None = None,
) -> tuple[Smaller, ...]:
    """What to try for a model of this learner and parameters, without repeats, from mild to bold of each way.

    only: words of `words_of_ways`. said: how the model itself came about, where it was tried before.
    """
    subject = Subject.of(learner, parameters, task, said or Said())
    found: dict[str, Smaller] = {}
    for name in ways_of(only):
        shrinker = variant("shrinker", name)()
        if subject.steps and not hasattr(shrinker, "shrink"):
            continue  # what is fitted in another way was tried before anything was done to it
        for one in shrinker.tries(subject):
            if dict(parameters) != one.parameters or learner != one.learner:
                found.setdefault(key_of(one), one)
    return tuple(found.values())


def key_of(one: Smaller) -> str:
    """The same for the same fit."""
    return f"{one.learner} {sorted(one.parameters.items(), key=str)!r}"
