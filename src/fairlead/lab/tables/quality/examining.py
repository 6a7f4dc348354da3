"""`examine`: every check of quality over one pass of a table."""

from __future__ import annotations

import time as clock
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec

from fairlead.contract.plugins import names, variant
from fairlead.contract.settings import Settings
from fairlead.lab.tables.quality.looking import SAMPLE_ROWS, Look, look_at
from fairlead.lab.tables.quality.report import ORDER, Issue, QualityReport
from fairlead.lab.tables.quality.suggesting import as_toml, merged

MOST_ISSUES = 50


class QualityCheck(Protocol):
    """Port `quality_check`: one thing to look for.

    Reads a `Look` and changes nothing; says the same for the same rows; never puts a cell of a column of texts into
    an issue. `name` is what its issues are reported under where it fails or finds more than can be told.
    """

    name: str

    def check(self, look: Look) -> Iterable[Issue]:
        """What it finds."""


def examine(
    source: Any,
    *,
    settings: Settings | None = None,
    target: str = "",
    task: str = "",
    key: str = "",
    time: tuple[str, ...] = (),
    checks: tuple[str, ...] = (),
    sample_rows: int = SAMPLE_ROWS,
    now: float | None = None,
) -> QualityReport:
    """Look at a table (anything `open_table` takes) or an iterable of Arrow batches, once, in bounded memory.

    settings: the project's, which give target, task, key, time and what is excluded already, where the table has such
    columns. checks: by name; all without. now: seconds since the epoch, after which dates lie in the future.
    Raises SourceUnreadable, ColumnMissing for a target, key or time that was asked for and is not there, UnknownPlugin.
    """
    started = clock.perf_counter()
    look = look_for(source, settings, target=target, task=task, key=key, time=time, sample_rows=sample_rows, now=now)
    return report_of(look, settings, checks, started)


def look_for(
    source: Any,
    settings: Settings | None,
    *,
    target: str = "",
    task: str = "",
    key: str = "",
    time: tuple[str, ...] = (),
    sample_rows: int = SAMPLE_ROWS,
    now: float | None = None,
) -> Look:
    """The look that `examine` takes: what is named here wins over the project."""
    moment = clock.time() if now is None else now
    if settings is not None and not (target or task or key or time):
        return look_at_project(source, settings, sample_rows=sample_rows, now=moment)
    return look_at(source, target=target, task=task, key=key, time=time, sample_rows=sample_rows, now=moment)


def look_at_project(source: Any, settings: Settings, *, now: float, sample_rows: int = SAMPLE_ROWS) -> Look:
    """As `look_at`, by what the project says about its columns, as far as the table has them."""
    table = _Peeked(source)
    look = look_at(table.source, sample_rows=sample_rows, now=now, **asked_by(settings, table.names))
    look.excluded = leaving_out(settings, table.names)
    return look


def asked_by(settings: Settings, has: tuple[str, ...]) -> dict[str, Any]:
    """Target, task, key and time of a project, as far as a table of these columns has them."""
    model = settings.model
    return {
        "target": model.target if model.target in has else "",
        "task": model.task,
        "key": model.id if model.id in has and model.id is not None else "",
        "time": model.time_columns if set(model.time_columns) <= set(has) else (),
    }


def leaving_out(settings: Settings, has: tuple[str, ...]) -> frozenset[str]:
    """Columns of a table that the project leaves out already."""
    model = settings.model
    if model.features:
        return frozenset(has) - {*model.features, model.target, model.id or "", *model.time_columns}
    return frozenset(model.exclude) & frozenset(has)


class _Peeked:
    """A source and the names of its columns, found without losing the first batch of a stream."""

    def __init__(self, source: Any) -> None:
        import itertools

        from fairlead.lab.tables.quality.looking import is_stream
        from fairlead.lab.tables.sources import open_table

        self.source: Any
        if not is_stream(source):
            self.source = open_table(source)
            self.names = tuple(self.source.columns)
            return
        stream = iter(source)
        first = next(stream, None)
        self.names = () if first is None else tuple(first.schema.names)
        self.source = itertools.chain([] if first is None else [first], stream)


def report_of(
    look: Look, settings: Settings | None, checks: tuple[str, ...], started: float, further: Iterable[Issue] = ()
) -> QualityReport:
    """Run the checks over a look and put what they and others found in order, worst first."""
    issues: list[Issue] = list(further)
    unchecked: dict[str, str] = {}
    ran = []
    for name in checks or names("quality_check"):
        check = variant("quality_check", name)()
        found = list(check.check(look))
        if not look.target and check.name in {"leak", "target"}:
            unchecked[check.name] = "no target is named"
        elif not look.time and check.name == "time_travel":
            unchecked[check.name] = "no event time is named or found"
        else:
            ran.append(name)
        issues += found
    return whole_report(look, settings, issues, tuple(ran), unchecked, started)


def whole_report(
    look: Look,
    settings: Settings | None,
    issues: list[Issue],
    ran: tuple[str, ...],
    unchecked: Mapping[str, str],
    started: float,
) -> QualityReport:
    """The report of these issues: worst first, at most 50 of one check."""
    place = {name: at for at, name in enumerate(look.facts)}
    issues = sorted(issues, key=lambda i: (ORDER[i.severity], i.check, place.get(i.column, -1)))
    kept: list[Issue] = []
    told: dict[str, int] = {}
    for issue in issues:
        told[issue.check] = told.get(issue.check, 0) + 1
        if told[issue.check] <= MOST_ISSUES:
            kept.append(issue)
    now = None if settings is None else msgspec.to_builtins(settings)
    return QualityReport(
        source=look.source,
        rows=look.rows,
        columns=len(look.facts),
        sampled=len(look.numbers),
        target=look.target,
        task=look.task,
        issues=tuple(kept),
        checks=ran,
        unchecked=dict(unchecked),
        more={check: n - MOST_ISSUES for check, n in told.items() if n > MOST_ISSUES},
        toml=_lines(kept, now),
        seconds=round(clock.perf_counter() - started, 3),
    )


def _lines(issues: list[Issue], now: Mapping[str, Any] | None) -> str:
    """What problems and warnings suggest; what notes do as comments below, which are a matter of taste."""
    # To leave rows out is for a person who has read them, so it is never among what is simply to be taken.
    firm = merged((s for i in issues if i.severity != "note" for s in i.suggestions if s.key != "exclude_rows"), now)
    soft = merged((s for i in issues for s in i.suggestions), now)
    rest = {t: {k: v for k, v in keys.items() if firm.get(t, {}).get(k) != v} for t, keys in soft.items()}
    rest = {t: keys for t, keys in rest.items() if keys}
    text = as_toml(firm)
    if not rest:
        return text
    said = "".join(f"# {line}".rstrip() + "\n" for line in as_toml(rest).strip().splitlines())
    return text + ("\n" if text else "") + "# worth a thought:\n" + said
