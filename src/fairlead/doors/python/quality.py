"""The verb `quality`: what is wrong with a table, before anything is learned from it."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.errors import NotAProject, UsageError

if TYPE_CHECKING:
    from fairlead.contract.engines import EngineSettings
    from fairlead.lab.tables.quality.looking import Look
    from fairlead.lab.tables.quality.report import Issue, QualityReport
    from fairlead.ops.project import Project

Answer = dict[str, Any]
Say = Callable[..., None]
RECORDS = "records"


def quality(
    folder: str | Path,
    data: Any = None,
    *,
    against: Any = None,
    suspects: bool = False,
    target: str = "",
    id: str = "",
    time: tuple[str, ...] = (),
    out: str | Path | None = None,
    html: str | Path | None = None,
    progress: Say | None = None,
    engine: EngineSettings | None = None,
) -> Answer:
    """See `Project.quality`. folder: of the project, if there is one; without it `data` must be given.

    engine: what looks at the rows; None: this process.
    """
    from fairlead.lab.tables.quality.examining import look_for, report_of

    say = progress or (lambda *words, **more: None)
    started = clock.perf_counter()
    project = _project(folder, needed=data is None)
    settings = None if project is None else project.settings
    _check(project, against, suspects, out, target)
    say("looking at the rows", done=0.0)
    if engine is None or engine.name == "local":
        source = _source(project, data)
        look = look_for(source, settings, target=target, key=id, time=time)
    else:
        source, look = _looked_on(engine, project, data, target, id, time)
    further: list[Issue] = []
    answer: Answer = {}
    if against is not None:
        say("comparing with the other table", done=0.3)
        answer["against"], found = _compared(project, look, against)
        further += found
    if suspects:
        from fairlead.doors.python import suspecting

        answer["suspects"], found = suspecting.suspects(project, data, source, look, out, say)
        further += found
    say("looking for what is wrong", done=0.9)
    answer = {**told(report_of(look, settings, (), started, further)), **answer}
    if html is not None:
        from fairlead.lab.tables.quality.page import write_page

        answer["html"] = str(write_page(answer, Path(html)))
    return answer


def _looked_on(
    settings: EngineSettings, project: Project | None, data: Any, target: str, id: str, time: tuple[str, ...]
) -> tuple[Any, Look]:
    """The table and what an engine's executors saw of it."""
    from fairlead.doors.python.engines import opened
    from fairlead.lab.tables.engines.far import FarTable, is_far
    from fairlead.lab.tables.engines.looking import look_on
    from fairlead.lab.tables.quality.examining import asked_by, leaving_out

    with opened(settings) as engine:
        source = FarTable(engine, data) if is_far(data) else _source(project, data)
        asked: dict[str, Any] = {"target": target, "key": id, "time": time}
        named = project is None or bool(target or id or time)
        if project is not None and not named:
            asked = asked_by(project.settings, source.columns)
        look = look_on(engine, source, now=clock.time(), **asked)
        if project is not None and not named:
            look.excluded = leaving_out(project.settings, source.columns)
    return source, look


def told(report: QualityReport) -> Answer:
    """A report as `--json` prints it: each issue with its share, and with its own lines for fairlead.toml."""
    from fairlead.lab.tables.quality.suggesting import as_toml, merged

    answer: Answer = msgspec.to_builtins(report)
    for said, issue in zip(answer["issues"], report.issues, strict=True):
        said["share"] = issue.share
        said["toml"] = as_toml(merged(issue.suggestions))
    return answer


def _compared(project: Project | None, look: Look, against: Any) -> tuple[Answer, list[Issue]]:
    from fairlead.lab.tables.quality.looking import look_at
    from fairlead.lab.tables.quality.representing import issues_of, represent

    ignored: frozenset[str] = frozenset()
    if isinstance(against, str) and against == RECORDS and project is not None:
        there, other = "what was answered for", look_at(_records(project), now=look.now)
        other.source = "records"
        # A model takes what its records hold, so it misses nothing; hashes tell nothing of values.
        ignored = frozenset(look.facts) - frozenset(other.facts) | frozenset(project.settings.capture.redact)
    else:
        # Of the names that both have: the other table may lack the truth, and often does.
        from fairlead.lab.tables import open_table

        table = _source(project, against) if not hasattr(against, "iloc") else open_table(against)
        has = set(table.columns)
        other = look_at(
            table, target=look.target if look.target in has else "", key=look.key if look.key in has else "",
            time=look.time if set(look.time) <= has else (), now=look.now,
        )  # fmt: skip
        there = other.source or "the other table"
    found = represent(look, other, ignored=ignored)
    answer: Answer = {"source": other.source, **msgspec.to_builtins(found)}
    return answer, issues_of(found, look, there)


def _records(project: Project) -> Iterator[Any]:
    """Rows that were answered, under the names of their columns, a file at a time. Raises UsageError for none."""
    from fairlead.contract import records as names
    from fairlead.runtime.capture import Records

    seen = 0
    for table in Records(project.home.root, project.settings.model.name).batches(None, None):
        chosen = [n for n in table.schema.names if n.startswith(names.FEATURE_IN)]
        if not table.num_rows or not chosen:
            continue
        seen += table.num_rows
        yield table.select(chosen).rename_columns([n.removeprefix(names.FEATURE_IN) for n in chosen])
    if not seen:
        raise UsageError("no record has been collected yet: serve the model, then `fairlead collect`.")


def _project(folder: str | Path, *, needed: bool) -> Project | None:
    from fairlead.ops.project import Project

    try:
        return Project.find(Path(folder))
    except NotAProject:
        if needed:
            raise
        return None


def _check(project: Project | None, against: Any, suspects: bool, out: Any, target: str) -> None:
    if project is None and isinstance(against, str) and against == RECORDS and not Path(against).exists():
        raise UsageError("records are those of a project: there is no fairlead.toml here or above.")
    if out is not None and not suspects:
        raise UsageError("--out takes the rows that --suspects finds: ask for both.")
    if suspects and project is None and not target:
        raise UsageError("--suspects learns models: name the --target, or work in a project.")


def _source(project: Project | None, data: Any) -> Any:
    """The table to look at, by the project's way of reading. Raises UsageError, SourceUnreadable."""
    from fairlead.lab.tables import open_table

    if project is None:
        return open_table(data)
    from fairlead.lab.tables.reading import Reading

    rules = project.settings.data
    if data is None and not rules.train:
        raise UsageError("no training table: set [data] train in fairlead.toml or name a table.")
    where, query = (rules.train, rules.query) if data is None else (data, "")
    return Reading(rules, project.root, project.home.root).open(where, query=query, from_root=data is None)
