"""The tables, in types that SQLite and PostgreSQL share. Migrations bring a database here; a test compares them."""

from __future__ import annotations

from sqlalchemy import (
    CheckConstraint,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

REVISIONS = ("0001", "0002", "0003", "0004")
HEAD = REVISIONS[-1]

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)

versions = Table(
    "versions",
    metadata,
    Column("model", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("bundle", String, nullable=False),
    Column("at", Double, nullable=False),
    Column("verdict", String, nullable=False),
    Column("details", Text, nullable=False),
    UniqueConstraint("model", "bundle"),
    Index("ix_versions_bundle", "bundle"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("model", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("number", Integer, nullable=False),
    ForeignKeyConstraint(["model", "number"], ["versions.model", "versions.number"]),
)

intents = Table(
    "intents",
    metadata,
    Column("model", String, primary_key=True),
    Column("since", Double, nullable=False),
    Column("hold", String, nullable=False),
    Column("body", Text, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Integer, nullable=False),
)

windows = Table(
    "windows",
    metadata,
    Column("model", String, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("profile", LargeBinary),
)

findings = Table(
    "findings",
    metadata,
    Column("id", String, primary_key=True),
    Column("model", String, nullable=False),
    Column("state", String, nullable=False),
    Column("since", Double, nullable=False),
    Column("closed_at", Double),
    Column("body", Text, nullable=False),
    Index("ix_findings_model", "model", "state"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("model", String, nullable=False),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("outcome", String, nullable=False),
    Column("details", Text, nullable=False),
    Column("body", Text, nullable=False),
    CheckConstraint("state IN ('planned', 'started', 'finished')", name="state"),
    UniqueConstraint("position"),
    Index("ix_decisions_model", "model", "state"),
)

documents = Table(
    "documents",
    metadata,
    Column("name", String, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

messages = Table(
    "messages",
    metadata,
    Column("id", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("finding", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("state", String, nullable=False),
    Column("released_at", Double),
    Column("merged_into", String, nullable=False),
    Column("incident", String, nullable=False, server_default=""),
    UniqueConstraint("position"),
    Index("ix_messages_state", "state"),
    Index("ix_messages_finding", "finding"),
    Index("ix_messages_incident", "incident"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", String, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("model", String, nullable=False),
    Column("state", String, nullable=False),
    Column("since", Double, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("number"),
    Index("ix_incidents_model", "model", "state"),
)

incident_findings = Table(
    "incident_findings",
    metadata,
    Column("finding", String, primary_key=True),
    Column("incident", String, nullable=False),
    ForeignKeyConstraint(["incident"], ["incidents.id"]),
    Index("ix_incident_findings_incident", "incident"),
)

incident_entries = Table(
    "incident_entries",
    metadata,
    Column("incident", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("at", Double, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("position"),
    ForeignKeyConstraint(["incident"], ["incidents.id"]),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("message", String, primary_key=True),
    Column("channel", String, primary_key=True),
    Column("state", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("done_at", Double),
    Column("error", Text, nullable=False),
    ForeignKeyConstraint(["message"], ["messages.id"]),
    Index("ix_deliveries_state", "state", "due_at"),
)

events = Table(
    "events",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("previous", String, nullable=False),
    Column("hash", String, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("hash", String, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires", Double, nullable=False),
    Column("revoked_at", Double),
    Column("body", Text, nullable=False),
    UniqueConstraint("hash"),
    Index("ix_keys_name", "name"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("holder", String, nullable=False),
    Column("since", Double, nullable=False),
    Column("expires", Double, nullable=False),
)
