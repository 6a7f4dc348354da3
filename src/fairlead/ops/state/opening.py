"""The revision of a database: whether it is ours, and the way there."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from fairlead.contract.errors import FormatUnknown
from fairlead.ops.state.schema import HEAD, REVISIONS


def is_current(engine: Engine) -> bool:
    """Whether the revision is ours; False for an older or an empty database. Raises FormatUnknown for a newer one."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if found is not None and found not in REVISIONS:
        raise FormatUnknown(
            f"the state database has revision {found}, this Fairlead knows up to {HEAD}: use a newer Fairlead"
        )
    return bool(found == HEAD)


def migrate(connection: Connection) -> None:
    """Bring the database to our revision, in the transaction that the caller began under a lock of its own."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
