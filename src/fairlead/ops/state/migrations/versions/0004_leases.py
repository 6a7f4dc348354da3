"""Who leads, where several control planes share one database; PostgreSQL sorts text as SQLite does."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("holder", sa.String, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("expires", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    if op.get_bind().dialect.name == "postgresql":
        _sort_by_bytes()


def _sort_by_bytes() -> None:
    """Whatever language the server was set up with, lists come in one order."""
    connection = op.get_bind()
    found = connection.exec_driver_sql(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = "
        "current_schema() AND data_type IN ('character varying', 'text') AND table_name <> 'alembic_version'"
    ).all()
    tables: dict[str, list[str]] = {}
    for table, column, kind in found:
        tables.setdefault(table, []).append(f'ALTER COLUMN "{column}" TYPE {kind} COLLATE "C"')
    for table, changes in tables.items():
        connection.exec_driver_sql(f'ALTER TABLE "{table}" {", ".join(changes)}')
