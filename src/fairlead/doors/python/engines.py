"""The engine that a verb works with: what was asked for, else what the project says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.engines import EngineSettings

if TYPE_CHECKING:
    from fairlead.contract.settings import Settings
    from fairlead.lab.tables.engines import Engine
    from fairlead.ops.flow import Workspace


def engine_asked(
    settings: Settings | None = None, engine: str = "", master: str = "", connect: str = ""
) -> EngineSettings:
    """[engine] of the project with what was asked for in its place; an address of Spark asks for Spark."""
    found = EngineSettings() if settings is None else settings.engine
    asked = {"name": engine or ("spark" if master or connect else ""), "master": master, "connect": connect}
    if master:
        # One asked for now wins over an address that the project has.
        found = msgspec.structs.replace(found, connect="")
    return msgspec.structs.replace(found, **{name: value for name, value in asked.items() if value})


def engine_of_folder(folder: str | Path, engine: str = "", master: str = "", connect: str = "") -> EngineSettings:
    """The same by the project of a folder, where there is one."""
    from fairlead.contract.errors import NotAProject
    from fairlead.ops.project import Project

    try:
        settings = Project.find(Path(folder)).settings
    except NotAProject:
        settings = None
    return engine_asked(settings, engine, master, connect)


@contextmanager
def opened(settings: EngineSettings) -> Iterator[Engine]:
    """The engine, let go of at the end. Raises UnknownPlugin, MissingExtra."""
    from fairlead.lab.tables.engines import engine_of

    found = engine_of(settings)
    try:
        yield found
    finally:
        found.close()


def rows_for(ws: Workspace, rows: Any) -> Any:
    """Rows as an engine takes them: a path or address as it is, anything else read by the project's rules."""
    from fairlead.lab.tables.engines.far import is_far
    from fairlead.lab.tables.reading import Reading

    if is_far(rows):
        return rows
    rules = ws.settings.data
    return Reading(rules, home=ws.home.root).open(rows, query=rules.query)
