"""What the form of a model that forecasts says and asks; `assets/forecast.js` draws its answer."""

from __future__ import annotations

from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle.forecasts import HISTORY

_UNITS = (("week", 604_800.0), ("day", 86_400.0), ("hour", 3_600.0), ("minute", 60.0))
_MONTH = 86_400.0 * 365.2425 / 12.0
"""The mean length of a month, which stands for one of the calendar."""


def is_history(column: Column) -> bool:
    """Whether a tensor is the newest values of a series, and no image."""
    return column.name == HISTORY and column.dtype == "float64" and len(column.shape) == 2


def history_in_words(column: Column) -> str:
    """What a history is, in a few words."""
    lags, width = column.shape
    said = f"The newest {lags} value{'s' if lags > 1 else ''} of the series, oldest first"
    if width == 1:
        return said
    return said + f", each followed by its {f'{width - 1} covariates' if width > 2 else 'covariate'}"


def step_in_words(step: float) -> str:
    """The time from one value to the next.

    >>> step_in_words(3600.0), step_in_words(900.0), step_in_words(7 * 86400.0), step_in_words(1.5)
    ('hour', '15 minutes', 'week', '1.5 seconds')
    """
    if abs(step - _MONTH) < 1.0:
        return "month"
    for name, seconds in _UNITS:
        count = step / seconds
        if count >= 1.0 and count.is_integer():
            return name if count == 1.0 else f"{count:.0f} {name}s"
    return f"{step:g} seconds"


def steps_in_words(signature: Signature) -> str:
    """How far a model looks ahead: `3 values, one every hour`."""
    many = f"{signature.horizon} value{'s' if signature.horizon > 1 else ''}"
    return f"{many}, one every {step_in_words(signature.step)}"


def right_answer(signature: Signature) -> str:
    """Where people say which values came."""
    steps = f"From t+1 on, at most {signature.horizon}, with commas or spaces between them; - for what is not known."
    return f"""<div class="field" data-kind="steps" data-column="label"><label for="right">The values that came</label>
<p class="hint" id="right-hint">{steps}</p>
<textarea id="right" rows="2" autocomplete="off" spellcheck="false" data-steps="{signature.horizon}" \
aria-describedby="right-hint right-error"></textarea>
<p class="error" id="right-error" hidden></p></div>"""
