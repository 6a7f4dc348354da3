"""The verb `drift`: how far rows have moved from what a model was trained on, or from another table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.errors import NotAProject, UsageError
from fairlead.doors.python.engines import engine_asked, opened

if TYPE_CHECKING:
    from fairlead.lab.tables.engines import Engine
    from fairlead.lab.tables.sources import Table
    from fairlead.ops.flow.drifting_elsewhere import Elsewhere
    from fairlead.ops.flow.workspace import Workspace
    from fairlead.ops.monitor.learnt import Learnt
    from fairlead.runtime.bundle import Model

Answer = dict[str, Any]
Tell = Callable[..., None]
RECORDS = "records"
FILE = "fairlead.toml"


def drift(
    folder: str | Path, data: Any, *, against: Any = None, html: str | Path | None = None, scores: bool = True,
    progress: Tell | None = None, engine: str = "", master: str = "", connect: str = "",
) -> Answer:  # fmt: skip
    """See `Project.drift`. folder: of the project, if there is one; without it `against` must be a table or folder."""
    ws = _workspace(folder)
    wanted = engine_asked(None if ws is None else ws.settings, engine, master, connect)
    if wanted.name == "local":
        return _drift(ws, data, against, html, scores, progress, None)
    with opened(wanted) as there:
        return _drift(ws, data, against, html, scores, progress, there)


def _drift(
    ws: Workspace | None, data: Any, against: Any, html: str | Path | None, scores: bool, progress: Tell | None,
    engine: Engine | None,
) -> Answer:  # fmt: skip
    from fairlead.ops.flow import drifting

    say = progress or (lambda *words, **more: None)
    table = _table(ws, data, engine)
    redacted = (
        frozenset(ws.settings.capture.redact)
        if ws is not None and isinstance(table, drifting.RecordsTable)
        else frozenset()
    )
    model = _model(ws, against)

    def counting(rows: int, share: float | None) -> None:
        say(f"{rows:,} rows counted", done=share)

    if model is not None:
        name = f"model {model.id[:12]}"
        learnt = None if ws is None else _learnt(ws, model)
        found = drifting.against_bundle(
            table, model, name, redacted=redacted, scored=scores, say=counting, learnt=learnt,
            elsewhere=None if engine is None else _elsewhere(engine, ws, model, against),
        )  # fmt: skip
    else:
        other = _table(ws, against, engine)
        if ws is not None and any(isinstance(t, drifting.RecordsTable) for t in (table, other)):
            redacted = frozenset(ws.settings.capture.redact)
        settings = None if ws is None else ws.settings
        found = drifting.against_table(table, other, settings, ignored=redacted, say=counting, engine=engine)
    answer: Answer = msgspec.to_builtins(found)
    if html is not None:
        from fairlead.lab.tables.drift.page import write_page

        answer["html"] = str(write_page(found, Path(html)))
    return answer


def _workspace(folder: str | Path) -> Workspace | None:
    here = Path(folder).absolute()
    if not any((place / FILE).is_file() for place in (here, *here.parents)):
        # What a project is made of takes longer to load than two tables to count.
        return None
    from fairlead.ops.flow.workspace import Workspace

    try:
        return Workspace.find(Path(folder))
    except NotAProject:
        return None


def _elsewhere(engine: Engine, ws: Workspace | None, model: Model, against: Any) -> Elsewhere:
    """What executors need to ask the model that is compared with."""
    from fairlead.ops.flow.drifting_elsewhere import Elsewhere
    from fairlead.runtime.bundle import signer_of

    folder = Path(str(against)) if against is not None and (Path(str(against)) / "manifest.json").is_file() else None
    if folder is None:
        assert ws is not None
        folder = ws.store.path(model.id)
    return Elsewhere(engine, folder, tuple(ws.trusted) if ws is not None else (signer_of(folder),))


def _table(ws: Workspace | None, data: Any, engine: Engine | None = None) -> Table:
    from fairlead.lab.tables.engines.far import FarTable, is_far
    from fairlead.lab.tables.sources import open_table
    from fairlead.ops.flow.drifting import RecordsTable

    if engine is not None and is_far(data):
        return FarTable(engine, data)
    if isinstance(data, str) and data == RECORDS and not Path(data).exists():
        if ws is None:
            raise UsageError("records are those of a project: there is no fairlead.toml here or above.")
        return RecordsTable(ws)
    if ws is None:
        return open_table(data)
    from fairlead.lab.tables.reading import Reading

    return Reading(ws.settings.data, ws.project.root, ws.home.root).open(data, from_root=False)


def _model(ws: Workspace | None, against: Any) -> Model | None:
    """The model that is compared with, None where `against` is a table."""
    if against is not None and not isinstance(against, str | Path):
        return None
    text = "" if against is None else str(against)
    if text and (Path(text) / "manifest.json").is_file():
        return _opened(ws, Path(text))
    if text == RECORDS or (text and (Path(text).exists() or "/" in text or "." in text)):
        return None
    if ws is None:
        raise UsageError("there is no project here: say --against which table or bundle folder.")
    from fairlead.ops.flow.making import champion_bundle, resolve_bundle

    bundle = (champion_bundle(ws) if not text else None) or resolve_bundle(ws, text or None)
    return ws.load(bundle)


def _learnt(ws: Workspace, model: Model) -> Learnt | None:
    """Rows that the model was trained on, where the home has them and the model."""
    from fairlead.lab.tables.drift.together import MOST_ROWS
    from fairlead.ops.flow.learnt import learnt_rows

    return learnt_rows(ws, model.id, MOST_ROWS) if (ws.home.bundles / model.id).is_dir() else None


def _opened(ws: Workspace | None, folder: Path) -> Model:
    from fairlead.runtime.bundle import load, signer_of

    return load(folder, ws.trusted if ws is not None else (signer_of(folder),))
