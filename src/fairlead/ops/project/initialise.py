"""`fairlead init`: look at a table, write a commented project file, make the home and its key."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import msgspec

from fairlead.contract.errors import ColumnMissing, UsageError
from fairlead.contract.signature import Task
from fairlead.ops.project.home import Home
from fairlead.ops.project.locate import FILE
from fairlead.ops.project.reading import parse_settings
from fairlead.ops.project.series import Ahead, look_ahead
from fairlead.ops.project.untaught import is_untaught, look, name_of

if TYPE_CHECKING:
    from fairlead.lab.tables import Schema


class InitResult(msgspec.Struct, frozen=True):
    """What `init` did and saw. columns: name, role, kind, missing cells and why of each, in the table's order."""

    config: str
    task: str
    rows: int
    columns: list[dict[str, Any]]
    warnings: list[str]


def init_project(
    folder: str | Path,
    data: str | Path,
    target: str | None = None,
    *,
    name: str | None = None,
    task: str | None = None,
    positive: str | None = None,
    id: str | None = None,
    time: str | Sequence[str] | None = None,
    group: str | None = None,
    item: str | None = None,
    series: str | None = None,
    horizon: int = 0,
    every: str = "",
    query: str = "",
    bad_lines: Literal["stop", "set_aside"] = "stop",
    force: bool = False,
) -> InitResult:
    """Write `fairlead.toml` for predicting `target` from the table `data`, and make the home with its sealing key.

    data: a path, relative to the current folder, or an address; query: of a database; bad_lines: see `open_table`.
    What is not given is found, and the file says why. target: None for a task that needs none. group, item: of a
    ranking, see `[model] group`. series, horizon, every: of a forecast; 0 and empty: as found.
    Raises UsageError if there is a project already (without `force`) or a choice does not fit the table;
    ColumnMissing, SourceUnreadable.
    """
    from fairlead.lab.tables import infer, open_table
    from fairlead.lab.tables.addresses import holds_secret, short_name, shown_of
    from fairlead.lab.tables.bad_lines import note

    folder, source = Path(folder), str(data)
    file = folder / FILE
    if file.exists() and not force:
        raise UsageError(f"there is a {FILE} already. Change it by hand, or write it anew with --force.")
    if holds_secret(source):
        raise UsageError(
            f"{shown_of(source)}: a secret has no place in {FILE}. "
            "Write it as ${NAME} and set NAME in the environment."
        )
    home = Home.of(folder.absolute())
    table = open_table(source, query=query, bad_lines=bad_lines, home=home.root)
    decimal = getattr(table, "likely_decimal", ".")
    if decimal != ".":
        table = open_table(source, decimal=decimal, bad_lines=bad_lines, home=home.root)
    try:
        untaught = is_untaught(target, task)
        schema = look(table, target, str(task), id, time) if untaught else infer(table, target, id, time)
    except ColumnMissing as error:
        raise UsageError(no_column(error.missing[0], table.columns)) from None
    if untaught:
        event = positive or schema.positive
        chosen = Chosen(name or name_from(name_of(source)), cast(Task, task), target or "", event)
    elif task == "forecasting":
        ahead, schema = look_ahead(table, schema, str(target), series=series, horizon=horizon, every=every)
        chosen = Chosen(name or name_from(str(target)), "forecasting", str(target), None, ahead=ahead)
        schema = msgspec.structs.replace(schema, warnings=ahead.told)
    else:
        chosen = choose(schema, str(target), name=name, task=task, positive=positive)
    if task != "forecasting" and (series or horizon or every):
        raise UsageError("--series, --horizon and --every are of a forecast: say --task forecasting.")
    chosen = _ranking(chosen, schema, group, item)
    named = [f"{column}: " for column in (group, item) if column]
    # What is said of them as features does not hold of what is passed through.
    schema = msgspec.structs.replace(
        schema, warnings=tuple(w for w in schema.warnings if not any(w.startswith(n) for n in named))
    )
    from fairlead.ops.project.writing import project_text

    how = {"query": query, "bad_lines": "" if bad_lines == "stop" else bad_lines}
    text = project_text(schema, chosen, _train_path(source, folder), getattr(table, "separator", None), decimal, how)
    # What we write, we must be able to read: a mistake of ours shows here and not at the next command.
    parse_settings(text)
    folder.mkdir(parents=True, exist_ok=True)
    home.ensure()
    _make_key(home)
    _write(file, text)
    columns = [
        {"name": c.name, "role": c.role, "kind": c.kind, "missing": c.missing, "why": c.why} | _played(c.name, chosen)
        for c in schema.columns
    ]
    notes = [said for said in (note(short_name(source), table.set_aside), *table.notes) if said]
    return InitResult(str(file), chosen.task, schema.rows, columns, [*schema.warnings, *notes])


class Chosen(msgspec.Struct, frozen=True):
    """The choices a project file starts with."""

    name: str
    task: Task
    target: str
    positive: str | None
    group: str | None = None
    item: str | None = None
    ahead: Ahead | None = None


def _played(name: str, chosen: Chosen) -> dict[str, str]:
    """The part that a column plays in a ranking or a forecast, where it plays one of its own."""
    if chosen.ahead is not None and name == chosen.ahead.series:
        return {"role": "series"}
    if chosen.ahead is not None and name not in chosen.ahead.named:
        return {"role": "unused"}
    if name == chosen.group:
        return {"role": "group", "why": "as given: its rows are put in order together"}
    return {"role": "item", "why": "as given: what a row stands for"} if name == chosen.item else {}


def no_column(name: str, known: Sequence[str]) -> str:
    """That a table lacks a column, and which one may be meant, also where capitals are all that differs."""
    plain = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(name.casefold(), plain, n=1)
    meant = f"Did you mean {plain[near[0]]!r}? " if near else ""
    return f"the table has no column {name!r}. {meant}It has: {', '.join(known)}."


def _ranking(chosen: Chosen, schema: Schema, group: str | None, item: str | None) -> Chosen:
    """With the columns of a ranking. Raises UsageError for those that the table lacks."""
    for asked, name in (("--group", group), ("--item", item)):
        if name is not None and name not in schema.names:
            raise UsageError(f"{asked}: {no_column(name, schema.names)}")
    return msgspec.structs.replace(chosen, group=group, item=item)


def choose(
    schema: Schema, target: str, *, name: str | None = None, task: str | None = None, positive: str | None = None
) -> Chosen:
    """Name, task and positive class: as given where given, else as found. Raises UsageError for what cannot be."""
    facts = schema.column(target)
    found = task or schema.task
    if found not in {"classification", "regression"}:
        raise UsageError(f"unknown task {task!r}; known: classification, regression, clustering, anomaly, forecasting.")
    if found == "regression" and facts.kind not in {"number", "integer"} and facts.coded != "integer":
        raise UsageError(
            f"column {target!r} holds no numbers, and a regression cannot predict anything else. "
            "Leave --task out, or name another --target."
        )
    event: str | None = None
    if found == "classification":
        event = positive or schema.positive
        if positive is not None and schema.classes and positive not in schema.classes:
            raise UsageError(f"{positive!r} is no class of {target!r}. Its classes: {', '.join(schema.classes[:20])}.")
        if positive is not None and len(schema.classes) > 2:
            raise UsageError(f"a positive class needs two classes; {target!r} has {len(schema.classes)}.")
    elif positive is not None:
        raise UsageError("only a classification has a positive class.")
    return Chosen(name or name_from(target), cast(Task, found), target, event)


def name_from(target: str) -> str:
    """A model's name from its target.

    >>> name_from("Will Churn?")
    'will-churn'
    """
    found = re.sub(r"[^a-z0-9._]+", "-", target.lower()).strip("-._")[:63]
    return found or "model"


def _train_path(text: str, folder: Path) -> str:
    """How the file names the table: an address as it is, a path from the project's folder."""
    scheme, found, place = text.partition(":///")
    if found and scheme.startswith("sqlite"):
        return text if place.startswith("/") else f"{scheme}:///{_train_path(place, folder)}"
    if "://" in text or text.startswith("${"):
        return text
    source = Path(text)
    if source.is_absolute():
        try:
            return source.relative_to(folder.absolute()).as_posix()
        except ValueError:
            return str(source)
    return Path(os.path.relpath(source, folder)).as_posix()


def _make_key(home: Home) -> None:
    from fairlead.runtime.bundle import SigningKey

    if not home.seal_key.exists():
        SigningKey.create(home.seal_key)


def _write(file: Path, text: str) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)
