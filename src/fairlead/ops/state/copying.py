"""All rows of one state database into another, whatever either is: how a backup is taken and brought back."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, select

from fairlead.contract.errors import StateError
from fairlead.ops.state.schema import leases, metadata

BATCH = 500


def copy_rows(source: Connection, target: Connection) -> dict[str, int]:
    """Copy every table but the lease into an empty database of the same revision; rows by table.

    Raises StateError if the target holds anything.
    """
    done = {}
    for table in metadata.sorted_tables:
        if table is leases:
            continue
        if target.execute(select(func.count()).select_from(table)).scalar_one():
            raise StateError(f"the state database holds {table.name} already: it must be empty to be filled")
        found = source.execution_options(yield_per=BATCH).execute(select(table))
        done[table.name] = 0
        for rows in found.mappings().partitions(BATCH):
            target.execute(insert(table), [dict(row) for row in rows])
            done[table.name] += len(rows)
    return done


def empty(target: Connection) -> None:
    """Delete every row but the lease's: what follows another home is replaced whole."""
    for table in reversed(metadata.sorted_tables):
        if table is not leases:
            target.execute(delete(table))
