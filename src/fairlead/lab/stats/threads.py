"""How many threads numerics may use: the fewest that do not make them slower."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

MANY_ROWS = 100_000


def few_threads(rows: int) -> AbstractContextManager[Any]:
    """One thread for the numerics of fewer than 100,000 rows.

    OpenMP's threads wait for each other at every split of every tree: on a machine that does anything else (such as
    serving the model in use) two of them were measured 2 to 40 times slower than one.
    """
    return nullcontext() if rows >= MANY_ROWS else _pools().limit(limits=1)


@cache
def _pools() -> Any:
    # What is to be limited must be loaded first.
    from sklearn.utils import parallel  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
