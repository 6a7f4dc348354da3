"""Tables of records as one, though their columns changed meanwhile.

A column that was redacted for a while is text there and a number elsewhere: text holds both. A model that takes
another shape or dtype now made lists of another kind then, and hashes of tensors are no tensors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.contract import records as names
from fairlead.runtime.capture.lazy import arrow
from fairlead.runtime.capture.tensors import holds_tensors


def as_one(tables: Sequence[Any]) -> Any:
    """All rows of tables of records, at least one table."""
    pa = arrow()
    if len(tables) == 1:
        return tables[0]
    tables = _agreed(tables)
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.concat_tables([_as_text(table) for table in tables], promote_options="permissive")


def _as_text(table: Any) -> Any:
    pa = arrow()
    fields = [
        pa.field(f.name, pa.string()) if f.name.startswith(names.FEATURE_IN) and not holds_tensors(f.type) else f
        for f in table.schema
    ]
    return table.cast(pa.schema(fields))


def _agreed(tables: Sequence[Any]) -> Sequence[Any]:
    """Columns of tensors get one type each: lists of any length where lengths differ, doubles where dtypes do, and
    no cell where there is only a hash."""
    kinds: dict[str, list[Any]] = {}
    for table in tables:
        for field in table.schema:
            found = kinds.setdefault(field.name, [])
            if field.type not in found:
                found.append(field.type)
    wanted = {
        name: _one_type([kind for kind in found if holds_tensors(kind)])
        for name, found in kinds.items()
        if len(found) > 1 and any(map(holds_tensors, found))
    }
    return [_cast(table, wanted) for table in tables] if wanted else tables


def _one_type(kinds: Sequence[Any]) -> Any:
    pa = arrow()
    if len(kinds) == 1:
        return kinds[0]
    values = {kind.value_type for kind in kinds}
    value = values.pop() if len(values) == 1 else pa.float64()
    lengths = {kind.list_size if pa.types.is_fixed_size_list(kind) else -1 for kind in kinds}
    return pa.list_(pa.field("element", value), lengths.pop() if len(lengths) == 1 else -1)


def _cast(table: Any, wanted: dict[str, Any]) -> Any:
    pa = arrow()
    for name, kind in wanted.items():
        at = table.schema.get_field_index(name)
        if at < 0 or table.schema.field(at).type == kind:
            continue
        before = table.column(at)
        column = before.cast(kind) if holds_tensors(before.type) else pa.nulls(len(before), kind)
        table = table.set_column(at, pa.field(name, kind), column)
    return table
