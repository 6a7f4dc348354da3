"""How far back to train: all rows, only the recent ones of a changed world, or old ones that count for less.

After an abrupt change "all rows so far" may never recover, while recent rows
alone throw away what still holds; so the newest labelled window is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from fairlead.ops.project.learning_from import ALL, AUTO, Way

ERRORS = 2.0


class Choice(msgspec.Struct, frozen=True):
    """first, last: windows to fit on, both included; the newest is among them. span: None for all rows, else how many
    windows. half_life: windows in which the weight of a row halves, 0 where all weigh the same.

    losses: mean loss of each contender on the newest window, by its name. why: in words.
    """

    first: int
    last: int
    span: int | None
    losses: dict[str, float]
    why: str
    half_life: float = 0.0


class Contender(msgspec.Struct, frozen=True):
    """A way in numbers of windows. first: of the fit that is tried, which ends before the newest window."""

    name: str
    said: str
    first: int
    span: int | None
    half_life: float
    moves: bool


def pick(
    windows: int,
    fit: Callable[..., Any],
    score: Callable[[Any, int], np.ndarray],
    *,
    ways: Sequence[Way] = AUTO,
    since: int | None = None,
    window_s: float = 0.0,
    errors: float = ERRORS,
) -> Choice:
    """The windows to refit on, of labelled windows 0 .. windows - 1 in time order.

    fit(first, last), or fit(first, last, half_life) where rows are weighted by age: a model of the rows of these
    windows, both included. score(model, index): per-row losses (n,) on that window, rows in the same order each time.
    ways: to be tried, the simplest first; one alone is taken without a trial. since: the window in which the newest
    known change began, None where none is known. window_s: seconds that a window takes, for half-lives in time.
    Contenders see everything but the newest window and are scored on it; the simplest is kept unless another beats it
    by `errors` standard errors of the paired differences. Weights are tried only where recent rows alone are not
    surely worse than all: old rows that help as they are need not fade. The caller then refits on the choice.
    """
    newest = windows - 1
    contenders = contenders_of(ways, newest, since, window_s)
    if len(contenders) == 1 or newest < 1:
        return _taken(contenders[0], newest, {}, "" if len(ways) == 1 else "there are too few windows to choose from")
    losses: dict[str, np.ndarray] = {}
    best = contenders[0]
    for contender in contenders:
        if contender.half_life and _recent_is_worse(losses, contenders, errors):
            continue
        asked = (contender.first, newest - 1, *((contender.half_life,) if contender.half_life else ()))
        losses[contender.name] = np.asarray(score(fit(*asked), newest), dtype=np.float64)
        if contender is not best and _beats(losses[contender.name], losses[best.name], errors):
            best = contender
    means = {name: float(lost.mean()) if lost.size else 0.0 for name, lost in losses.items()}
    told = ", ".join(f"{name} {mean:.4f}" for name, mean in means.items())
    return _taken(best, newest, means, f"loss on the newest window: {told}")


def contenders_of(ways: Sequence[Way], newest: int, since: int | None, window_s: float) -> list[Contender]:
    """The ways that differ from each other in a history that long; always at least one."""
    found: list[Contender] = []
    for way in ways:
        contender = _contender(way, newest, since, window_s)
        known = {(c.first, c.half_life) for c in found}
        if contender is not None and (contender.first, contender.half_life) not in known:
            found.append(contender)
    return found or [Contender("all", "all rows", 0, None, 0.0, False)]


def age_weights(windows: np.ndarray, half_life: float) -> np.ndarray:
    """Weights of rows by their age, (n,): 1 in the newest window, halved every `half_life` windows before it.

    windows: (n,) window numbers of the rows.
    """
    age = np.asarray(windows).max(initial=0) - np.asarray(windows, dtype=np.float64)
    weights: np.ndarray = np.exp2(-age / half_life) if half_life > 0 else np.ones(len(age))
    return weights


def _contender(way: Way, newest: int, since: int | None, window_s: float) -> Contender | None:
    if way == ALL:
        return Contender("all", "all rows", 0, None, 0.0, False)
    if way.kind == "last":
        span = int(way.windows)
        if span > newest:
            return Contender("all", "all rows", 0, None, 0.0, False)
        return Contender(f"last {span}", f"the last {span} windows", newest - span, span, 0.0, True)
    if way.kind == "since_change":
        if since is None or not 0 < since < newest:
            return None
        return Contender("since change", f"the {newest - since + 1} windows since the newest change", since,
                         newest - since + 1, 0.0, False)  # fmt: skip
    half = way.windows or (way.seconds / window_s if window_s > 0 else 0.0)
    if half <= 0:
        return None
    return Contender(f"weighted {half:.3g}", f"all rows, the weight halved every {half:.3g} windows", 0, None, half,
                     False)  # fmt: skip


def _taken(contender: Contender, newest: int, means: dict[str, float], why: str) -> Choice:
    # Refitting takes the newest window in; a span stays as long as it was, what begins at a change goes on from there.
    start = contender.first + 1 if contender.moves else contender.first
    said = contender.said + (f" ({why})" if means else f": {why}" if why else "")
    return Choice(start, max(newest, 0), contender.span, means, said, contender.half_life)


def _recent_is_worse(losses: dict[str, np.ndarray], contenders: Sequence[Contender], errors: float) -> bool:
    whole = losses.get("all")
    shorter = [losses[c.name] for c in contenders if c.name in losses and c.first > 0]
    return whole is not None and bool(shorter) and all(_beats(whole, lost, errors) for lost in shorter)


def _beats(one: np.ndarray, other: np.ndarray, errors: float) -> bool:
    """Whether the first loses surely less."""
    gain = other - one
    if gain.size < 2:
        return False
    return bool(gain.mean() > errors * gain.std(ddof=1) / np.sqrt(gain.size) and gain.mean() > 0)
