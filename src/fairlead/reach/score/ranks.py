"""The rank of each row within its group, beside the answers of a ranking."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import UsageError
from fairlead.contract.signature import Signature

if TYPE_CHECKING:
    import pyarrow as pa

RANK = "rank"


def group_named(signature: Signature, columns: Iterable[str]) -> str:
    """The column of the groups. Raises UsageError of a model that ranks nothing, or rows that do not say it."""
    if signature.group is None:
        raise UsageError("ranks are of a ranking; this model has no [model] group.")
    if signature.group not in set(columns):
        raise UsageError(f"ranks need the column {signature.group!r}, which says what rows are put in order together.")
    return signature.group


def with_ranks(tables: Iterable[pa.Table], signature: Signature) -> pa.Table | None:
    """All answers in one table with the rank of each row in its group: 1 stands first, missing without a group.

    A group may lie anywhere in the table, so answers are held in memory; features are not among them. None for none.
    """
    import pyarrow as pa

    from fairlead.lab.stats.measures import positive_index
    from fairlead.lab.stats.ranking import group_codes, ranks_within

    parts = list(tables)
    if not parts:
        return None
    whole = pa.concat_tables(parts, promote_options="default")
    group = group_named(signature, whole.column_names)
    answer = signature.outputs[positive_index(signature)] if signature.classes else "value"
    named = f"predicted_{answer}" if f"predicted_{answer}" in whole.column_names else answer
    scores = whole.column(named).to_numpy()
    ranks = ranks_within(group_codes(whole.column(group).to_pandas()), scores)
    free = RANK if RANK not in whole.column_names else f"predicted_{RANK}"
    return whole.append_column(free, pa.array(ranks, mask=ranks == 0))


def ranks_of(rows: Sequence[Mapping[str, Any]], predictions: Sequence[Any], signature: Signature) -> list[int | None]:
    """The same of answers as the server gives them, in the order of the rows."""
    from fairlead.lab.stats.ranking import group_codes, ranks_within

    group = group_named(signature, rows[0] if rows else ())
    event = signature.positive or (signature.classes[-1] if signature.classes else "")
    scores = [p["probabilities"][event] if isinstance(p, dict) else p for p in predictions]
    codes = group_codes([row.get(group) for row in rows])
    found = ranks_within(codes, np.asarray(scores, dtype=np.float64))
    return [int(rank) or None for rank in found]
