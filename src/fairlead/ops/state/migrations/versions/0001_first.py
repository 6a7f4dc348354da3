"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _registry()
    _watching()
    _acting()
    _alerting()


def _registry() -> None:
    op.create_table(
        "versions",
        sa.Column("model", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("bundle", sa.String, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("verdict", sa.String, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("model", "number", name="pk_versions"),
        sa.UniqueConstraint("model", "bundle", name="uq_versions_model"),
    )
    op.create_index("ix_versions_bundle", "versions", ["bundle"])
    op.create_table(
        "aliases",
        sa.Column("model", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("model", "name", name="pk_aliases"),
        sa.ForeignKeyConstraint(["model", "number"], ["versions.model", "versions.number"], name="fk_aliases_model"),
    )
    op.create_table(
        "intents",
        sa.Column("model", sa.String, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("hold", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("model", name="pk_intents"),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("value", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )


def _watching() -> None:
    op.create_table(
        "windows",
        sa.Column("model", sa.String, nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("profile", sa.LargeBinary),
        sa.PrimaryKeyConstraint("model", "number", name="pk_windows"),
    )
    op.create_table(
        "findings",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("closed_at", sa.Double),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_findings"),
    )
    op.create_index("ix_findings_model", "findings", ["model", "state"])
    op.create_table(
        "documents",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_documents"),
    )


def _acting() -> None:
    op.create_table(
        "decisions",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("finished_at", sa.Double),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.CheckConstraint("state IN ('planned', 'started', 'finished')", name="ck_decisions_state"),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
        sa.UniqueConstraint("position", name="uq_decisions_position"),
    )
    op.create_index("ix_decisions_model", "decisions", ["model", "state"])
    op.create_table(
        "events",
        sa.Column("sequence", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("previous", sa.String, nullable=False),
        sa.Column("hash", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_events"),
    )


def _alerting() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.String, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("finding", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("released_at", sa.Double),
        sa.Column("merged_into", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_messages"),
        sa.UniqueConstraint("position", name="uq_messages_position"),
    )
    op.create_index("ix_messages_state", "messages", ["state"])
    op.create_index("ix_messages_finding", "messages", ["finding"])
    op.create_table(
        "deliveries",
        sa.Column("message", sa.String, nullable=False),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", sa.Double, nullable=False),
        sa.Column("done_at", sa.Double),
        sa.Column("error", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("message", "channel", name="pk_deliveries"),
        sa.ForeignKeyConstraint(["message"], ["messages.id"], name="fk_deliveries_message"),
    )
    op.create_index("ix_deliveries_state", "deliveries", ["state", "due_at"])
