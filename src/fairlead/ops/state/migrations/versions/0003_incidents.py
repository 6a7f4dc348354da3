"""Incidents, their findings and timelines; messages that are about one."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_incidents"),
        sa.UniqueConstraint("number", name="uq_incidents_number"),
    )
    op.create_index("ix_incidents_model", "incidents", ["model", "state"])
    op.create_table(
        "incident_findings",
        sa.Column("finding", sa.String, nullable=False),
        sa.Column("incident", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("finding", name="pk_incident_findings"),
        sa.ForeignKeyConstraint(["incident"], ["incidents.id"], name="fk_incident_findings_incident"),
    )
    op.create_index("ix_incident_findings_incident", "incident_findings", ["incident"])
    op.create_table(
        "incident_entries",
        sa.Column("incident", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("incident", "key", name="pk_incident_entries"),
        sa.UniqueConstraint("position", name="uq_incident_entries_position"),
        sa.ForeignKeyConstraint(["incident"], ["incidents.id"], name="fk_incident_entries_incident"),
    )
    op.add_column("messages", sa.Column("incident", sa.String, nullable=False, server_default=""))
    op.create_index("ix_messages_incident", "messages", ["incident"])
