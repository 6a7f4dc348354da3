"""What plots of explanations say, as their titles: a reader who sees nothing else has the point."""

from __future__ import annotations

from typing import Any

from fairlead.lab.evaluate.explaining.evidence import Dependence, Effect, Overall

STEADY = 0.8
"""Rank correlation from which a column is said to push one way."""


def amount(value: float) -> str:
    """A figure as people read it."""
    return f"{value:.3g}" if abs(value) < 1e5 else f"{value:,.0f}"


def share(value: float) -> str:
    """A probability in per cent."""
    return f"{100 * value:.0f} %" if 0.01 <= value <= 0.99 or value in (0.0, 1.0) else f"{100 * value:.1f} %"


def decision(prediction: Any) -> Any:
    """What was decided, of a native answer: a label, a cluster, whether it is an anomaly, or a number."""
    if not isinstance(prediction, dict):
        return prediction
    if "anomaly" in prediction:
        return "an anomaly" if prediction["anomaly"] else "no anomaly"
    return prediction.get("label", prediction.get("cluster"))


def headline(whole: Overall, output: str) -> str:
    """Which columns carry most."""
    effects = [effect for effect in whole.effects[output] if effect.share > 0]
    if not effects:
        return "No column moves the answer"
    carried, names = 0.0, []
    for effect in effects[:5]:
        carried += effect.share
        names.append(effect.column)
        if carried >= 0.6:
            break
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{listed} {'makes' if len(names) == 1 else 'make'} {100 * carried:.0f} % of what moves the answer"


def effect_says(effect: Effect, scale: str) -> str:
    """How one column pushes."""
    if effect.categories:
        told = [one for one in effect.categories if one[1] >= 5] or list(effect.categories)
        up, down = max(told, key=lambda one: one[2]), min(told, key=lambda one: one[2])
        if up[0] == down[0]:
            return f"{effect.column} is {up[0]}: {up[2]:+.3g} {scale}"
        return f"{effect.column}: {up[0]} pushes up most ({up[2]:+.2g}), {down[0]} down ({down[2]:+.2g})"
    if effect.at and len({value for value, _ in effect.at}) == 1:
        mean = sum(added for _, added in effect.at) / len(effect.at)
        return f"{effect.column} is {amount(effect.at[0][0])} in all of these rows and adds {mean:+.3g}"
    if effect.direction is None or abs(effect.direction) < STEADY:
        return f"{effect.column} pushes by {amount(effect.size.value)} on average, not one way"
    way = "up" if effect.direction > 0 else "down"
    return f"The higher {effect.column}, the further it pushes {way}"


def dependence_says(curve: Dependence, unit: str) -> str:
    """Where the mean answer goes over the grid."""
    name, points = next(iter(curve.outputs.items()))
    means = [point[0] for point in points]
    shown = share if unit in ("probability", "membership") else amount
    about = f"{unit.capitalize()} of {name}" if unit in ("probability", "membership") else unit.capitalize()
    if max(point[1] for point in points) <= min(point[2] for point in points):
        return f"{about} hardly follows {curve.column}: {shown(sum(means) / len(means))} on average, whatever it is"
    low, high = means.index(min(means)), means.index(max(means))
    if isinstance(curve.grid[0], str):
        return f"{about}: {shown(means[high])} with {curve.grid[high]}, {shown(means[low])} with {curve.grid[low]}"
    first, last = means[0], means[-1]
    if abs(last - first) >= 0.8 * curve.spread > 0:
        word = "rises" if last > first else "falls"
        return f"{about} {word} from {shown(first)} to {shown(last)} as {curve.column} grows"
    at = f"{curve.column} of {amount(float(curve.grid[high]))}"
    return f"{about} is highest, {shown(means[high])}, at {at}, and lowest {shown(means[low])}"


def fidelity_says(small: Any) -> str:
    """How far the small tree may be believed."""
    told = f"The tree tells {share(max(0.0, small.fidelity.value))} of what makes the model's answers differ"
    if small.agreement is not None:
        told += f" and decides as the model does for {share(small.agreement.value)} of rows"
    worth = "good enough to tell the model by" if small.fidelity.low > 0.8 else "a simplification, not the model"
    return f"{told}, on {small.judged:,} rows it was not grown on: {worth}."
