"""The verb `quality`: what is wrong with a table, before anything is learned from it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.errors import NotAProject, UsageError

if TYPE_CHECKING:
    from fairlead.ops.project import Project

Answer = dict[str, Any]


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
    progress: Any = None,
) -> Answer:
    """See `Project.quality`. folder: of the project, if there is one; without it `data` must be given."""
    from fairlead.lab.tables.quality import examine

    say = progress or (lambda *words, **more: None)
    project = _project(folder)
    settings = None if project is None else project.settings
    source = _source(project, data)
    say("looking at the rows", done=0.0)
    report = examine(source, settings=settings, target=target, key=id, time=time)
    answer: Answer = msgspec.to_builtins(report)
    for told, issue in zip(answer["issues"], report.issues, strict=True):
        told["share"] = issue.share
    if html is not None:
        from fairlead.lab.tables.quality.page import write_page

        answer["html"] = str(write_page(answer, Path(html)))
    return answer


def _project(folder: str | Path) -> Project | None:
    from fairlead.ops.project import Project

    try:
        return Project.find(Path(folder))
    except NotAProject:
        return None


def _source(project: Project | None, data: Any) -> Any:
    """The table to look at, by the project's way of reading. Raises UsageError, SourceUnreadable."""
    from fairlead.lab.tables import open_table

    if project is None:
        if data is None:
            raise UsageError("no table: name one, as `fairlead quality TABLE`, or work in a project.")
        return open_table(data)
    rules = project.settings.data
    if data is None:
        if not rules.train:
            raise UsageError("no training table: set [data] train in fairlead.toml or name a table.")
        given = rules.train
        data = given if "://" in given else project.train_path
    if not isinstance(data, str | Path):
        return open_table(data)
    return open_table(str(data), separator=rules.separator, encoding=rules.encoding, decimal=rules.decimal)
