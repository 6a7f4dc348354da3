"""A credit-scoring table of which the truth is known: Agrawal's generator, with a change at a known row."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

Table = dict[str, Any]
WEEK_S = 7 * 86_400
# A Monday, so that weeks of rows are weeks of the calendar.
FIRST = 1_704_067_200


def agrawal(
    rows: int,
    functions: tuple[int, ...] = (2, 5),
    change_at: int | None = None,
    seed: int = 0,
    noise: float = 0.0,
    *,
    rows_per_week: int = 500,
) -> pd.DataFrame:
    """Loan applications, evenly spaced in time, decided by one rule before a change and by another after it.

    functions: one of the ten classification functions, or two: before and after. change_at: first row decided by
    the second; the middle without it. noise: the numbers are blurred by up to this share of their range after the
    decision was made, as in the paper. rows_per_week: how dense event time is.
    Returns `rows` rows: at (timestamp), salary, commission, age, elevel, car, zipcode, hvalue, hyears, loan,
    approved (1 for group A, else 0). Deterministic for a seed. Raises UsageError for an unknown function.
    Source: Agrawal, Imielinski and Swami, Database mining: a performance perspective (IEEE TKDE, 1993).
    """
    import pandas as pd

    unknown = [f for f in functions if f not in FUNCTIONS]
    if unknown or not 1 <= len(functions) <= 2:
        raise UsageError(f"classification functions {list(functions)}: give one or two of 1 to 10.")
    rng = np.random.default_rng(seed)
    table = _applicants(rng, rows)
    change = rows if len(functions) == 1 else rows // 2 if change_at is None else change_at
    before, after = FUNCTIONS[functions[0]](table), FUNCTIONS[functions[-1]](table)
    approved = np.where(np.arange(rows) < change, before, after).astype(np.int64)
    if noise > 0:
        table = _blurred(rng, table, noise)
    seconds = FIRST + np.arange(rows, dtype=np.int64) * WEEK_S // rows_per_week
    return pd.DataFrame({"at": pd.to_datetime(seconds, unit="s"), **table, "approved": approved})


def _applicants(rng: np.random.Generator, rows: int) -> Table:
    salary = np.round(rng.uniform(20_000, 150_000, rows), 2)
    commission = np.where(salary >= 75_000, 0.0, np.round(rng.uniform(10_000, 75_000, rows), 2))
    zipcode = rng.integers(0, 9, rows)
    hvalue = np.round((9 - zipcode) * 100_000 * rng.uniform(0.5, 1.5, rows), 2)
    return {
        "salary": salary,
        "commission": commission,
        "age": rng.integers(20, 81, rows),
        "elevel": rng.integers(0, 5, rows),
        "car": rng.integers(1, 21, rows),
        "zipcode": zipcode,
        "hvalue": hvalue,
        "hyears": rng.integers(1, 31, rows),
        "loan": np.round(rng.uniform(0, 500_000, rows), 2),
    }


_RANGES = {
    "salary": (20_000.0, 150_000.0),
    "commission": (0.0, 75_000.0),
    "age": (20.0, 80.0),
    "hvalue": (50_000.0, 1_350_000.0),
    "hyears": (1.0, 30.0),
    "loan": (0.0, 500_000.0),
}


def _blurred(rng: np.random.Generator, table: Table, noise: float) -> Table:
    blurred = dict(table)
    for name, (low, high) in _RANGES.items():
        moved = table[name] + rng.uniform(-1.0, 1.0, len(table[name])) * noise * (high - low)
        moved = np.clip(moved, low, high)
        blurred[name] = np.round(moved).astype(np.int64) if name in ("age", "hyears") else np.round(moved, 2)
    # No commission stays none: blurring it would give the salary bracket away or hide it by accident.
    blurred["commission"] = np.where(table["commission"] == 0, 0.0, blurred["commission"])
    return blurred


def _within(values: np.ndarray, low: float, high: float) -> np.ndarray:
    inside: np.ndarray = (values >= low * 1000) & (values <= high * 1000)
    return inside


def _by_age(age: np.ndarray, young: np.ndarray, middle: np.ndarray, old: np.ndarray) -> np.ndarray:
    return np.where(age < 40, young, np.where(age < 60, middle, old))


def _first(t: Table) -> Any:
    return (t["age"] < 40) | (t["age"] >= 60)


def _income_bands(age: np.ndarray, income: np.ndarray) -> np.ndarray:
    return _by_age(age, _within(income, 50, 100), _within(income, 75, 125), _within(income, 25, 75))


def _second(t: Table) -> Any:
    return _income_bands(t["age"], t["salary"])


def _third(t: Table) -> Any:
    level = t["elevel"]
    return _by_age(t["age"], level <= 1, (level >= 1) & (level <= 3), level >= 2)


def _fourth(t: Table) -> Any:
    level, salary = t["elevel"], t["salary"]
    young = np.where(level <= 1, _within(salary, 25, 75), _within(salary, 50, 100))
    middle = np.where((level >= 1) & (level <= 3), _within(salary, 50, 100), _within(salary, 75, 125))
    old = np.where(level >= 2, _within(salary, 50, 100), _within(salary, 25, 75))
    return _by_age(t["age"], young, middle, old)


def _fifth(t: Table) -> Any:
    salary, loan = t["salary"], t["loan"]
    young = np.where(_within(salary, 50, 100), _within(loan, 100, 300), _within(loan, 200, 400))
    middle = np.where(_within(salary, 75, 125), _within(loan, 200, 400), _within(loan, 300, 500))
    old = np.where(_within(salary, 25, 75), _within(loan, 300, 500), _within(loan, 100, 300))
    return _by_age(t["age"], young, middle, old)


def _sixth(t: Table) -> Any:
    return _income_bands(t["age"], t["salary"] + t["commission"])


def _income(t: Table) -> Any:
    income: np.ndarray = 2.0 * (t["salary"] + t["commission"]) / 3.0
    return income


def _seventh(t: Table) -> Any:
    return _income(t) - t["loan"] / 5.0 - 20_000 > 0


def _eighth(t: Table) -> Any:
    return _income(t) - 5_000 * t["elevel"] - 20_000 > 0


def _ninth(t: Table) -> Any:
    return _income(t) - 5_000 * t["elevel"] - t["loan"] / 5.0 - 10_000 > 0


def _tenth(t: Table) -> Any:
    equity = np.where(t["hyears"] >= 20, t["hvalue"] * (t["hyears"] - 20) / 10.0, 0.0)
    return _income(t) - 5_000 * t["elevel"] + equity / 5.0 - 10_000 > 0


FUNCTIONS: dict[int, Callable[[Table], np.ndarray]] = {
    1: _first, 2: _second, 3: _third, 4: _fourth, 5: _fifth,
    6: _sixth, 7: _seventh, 8: _eighth, 9: _ninth, 10: _tenth,
}  # fmt: skip
