"""What makes PostgreSQL itself refuse the writes of a leader whose time is over.

A leader's transaction says its epoch (`fairlead.epoch`, for that transaction alone) and each table has a trigger that
compares it with the lease's before a row is touched. Taking over needs the writers' lock, which a transaction that
writes holds to its end: between the comparison and the commit no other can begin to lead.
"""

from __future__ import annotations

from sqlalchemy import Connection

from fairlead.ops.state.schema import leases, metadata

STALE = "FL001"
"""SQLSTATE of the refusal."""

_FUNCTION = """
CREATE OR REPLACE FUNCTION fairlead_fence() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  mine text := nullif(current_setting('fairlead.epoch', true), '');
  theirs integer;
BEGIN
  IF mine IS NULL THEN
    RETURN NULL;
  END IF;
  SELECT epoch INTO theirs FROM leases WHERE name = 'control';
  IF theirs IS DISTINCT FROM CAST(mine AS integer) THEN
    RAISE EXCEPTION USING ERRCODE = 'FL001', MESSAGE = 'epoch ' || mine || ' is over';
  END IF;
  RETURN NULL;
END
$body$
"""


def fence_tables(connection: Connection) -> None:
    """Put the fence before every table but the lease's own; safe to repeat."""
    connection.exec_driver_sql(_FUNCTION)
    for table in metadata.sorted_tables:
        if table is not leases:
            connection.exec_driver_sql(
                f"CREATE OR REPLACE TRIGGER fairlead_fence BEFORE INSERT OR UPDATE OR DELETE ON {table.name} "
                "FOR EACH STATEMENT EXECUTE FUNCTION fairlead_fence()"
            )
