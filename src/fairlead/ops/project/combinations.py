"""Settings that are each valid and cannot hold together, or name what does not exist."""

from __future__ import annotations

import codecs
import difflib
import re
from collections.abc import Callable, Iterable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fairlead.contract.errors import ConfigInvalid, UsageError
from fairlead.contract.plugins import names
from fairlead.contract.settings import Settings
from fairlead.lab.tables.addresses import DATABASES
from fairlead.ops.project.deciding import check_deciding
from fairlead.ops.project.durations import parse_duration, parse_window
from fairlead.ops.project.forecasting import check_forecasting
from fairlead.ops.project.judging import check_judging
from fairlead.ops.project.keeping_state import check_state
from fairlead.ops.project.learning import check_learning
from fairlead.ops.project.preparing import check_preparation
from fairlead.ops.project.quiet import parse_quiet
from fairlead.ops.project.ranking import asks_of_ranking, check_ranking, opponents_of, ranking_metrics_of
from fairlead.ops.project.renewing import check_renewing
from fairlead.ops.project.targets import check_target
from fairlead.ops.project.transferring import check_transfer
from fairlead.ops.project.trying import check_trying

Fail = Callable[..., ConfigInvalid]
_DATABASE = re.compile(rf"^({'|'.join(DATABASES)})(\+\w+)?://")
_FUNCTION = re.compile(r"^[^:]+\.py:[A-Za-z_]\w*$")
_TASKS = ("classification", "regression", "clustering", "anomaly", "forecasting")


def _plain_fail(key: str, what: str, cure: str = "") -> ConfigInvalid:
    return ConfigInvalid(what, file="fairlead.toml", key=key, cure=cure)


def check_combinations(settings: Settings, fail: Fail = _plain_fail) -> None:
    """Raise what `fail(key, what, cure)` makes of the first thing that cannot be."""
    for check in (
        _check_task,
        _check_columns,
        _check_data,
        check_preparation,
        _check_train,
        _check_gate,
        _check_watching,
        _check_access,
    ):
        check(settings, fail)
    check_judging(settings, fail)
    check_deciding(settings, fail)
    check_learning(settings, fail)
    check_transfer(settings, fail)
    check_ranking(settings, fail)
    check_forecasting(settings, fail)
    check_state(settings, fail)


def _nearest(word: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."


def _check_task(settings: Settings, fail: Fail) -> None:
    model = settings.model
    if model.task not in _TASKS:
        raise fail("model.task", f"{model.task} is reserved for a later version.", f"Now: {' or '.join(_TASKS)}.")
    if model.positive is not None and model.task not in ("classification", "anomaly"):
        raise fail("model.positive", f"only a classification has a positive class; the task is {model.task}.")
    check_target(model, fail)
    if model.sensitive == () and settings.gate.max_group_gap is not False:
        raise fail("gate.max_group_gap", "there are no groups to compare.", "Name columns in model.sensitive.")


def _check_columns(settings: Settings, fail: Fail) -> None:
    model = settings.model
    times = model.time_columns
    if model.time is not None and (not times or not all(times)):
        raise fail("model.time", "names no column.", "Leave it out, or name one column, or a date and an hour column.")
    if len(times) > 2 or len(set(times)) != len(times):
        raise fail("model.time", "a time is one column, or a date and an hour column, each once.")
    if model.target in times or model.target == model.id:
        raise fail("model.id" if model.target == model.id else "model.time", f"{model.target!r} is the target.")
    if model.id is not None and model.id in times:
        raise fail("model.id", f"{model.id!r} is the time, too; a key and a time are different columns.")
    for key, listed in (
        ("model.features", model.features), ("model.exclude", model.exclude), ("model.sensitive", model.sensitive),
        ("model.categories", model.categories or ()),
    ):  # fmt: skip
        twice = sorted({n for n in listed if listed.count(n) > 1})
        if twice:
            raise fail(key, f"lists {twice[0]!r} twice.")
        if model.target in listed and key != "model.exclude":
            raise fail(key, f"lists the target {model.target!r}.")
    both = sorted(set(model.features) & set(model.exclude))
    if both:
        raise fail("model.exclude", f"{both[0]!r} is in model.features, too.", "Take it out of one of the two.")
    if model.id is not None and model.id in model.features:
        raise fail("model.features", f"lists the row key {model.id!r}, which is passed through and never a feature.")
    if len(times) == 1 and times[0] in model.features:
        raise fail("model.features", f"lists the event time {times[0]!r}, which is passed through and never a feature.")
    sticky = settings.rollout.sticky_by
    if sticky is not None and (sticky == model.target or sticky in times):
        what = (
            "the target, which no request carries" if sticky == model.target else "the event time, new in each request"
        )
        raise fail("rollout.sticky_by", f"{sticky!r} is {what}.", "Name a column that stays the same for a caller.")
    try:
        ZoneInfo(model.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise fail("model.timezone", f"unknown zone {model.timezone!r}.", "Write it as Europe/Paris, or UTC.") from None


def _check_data(settings: Settings, fail: Fail) -> None:
    data = settings.data
    try:
        codecs.lookup(data.encoding)
    except LookupError:
        raise fail("data.encoding", f"unknown encoding {data.encoding!r}.", "Usual: utf-8, cp1252, latin-1.") from None
    if data.separator is not None and len(data.separator) != 1:
        raise fail("data.separator", "must be a single character.", 'A tab is written "\\t".')
    if data.separator == data.decimal:
        raise fail("data.decimal", "is the separator, too.", "Set data.separator to what stands between cells.")
    database = _DATABASE.match(data.train)
    if database and not data.query:
        raise fail(
            "data.query", f"is needed: {database[1]} is a database.", 'Write it as "select … from … order by …".'
        )
    if data.query and not database and data.train and not data.train.startswith("${"):
        raise fail("data.query", "data.train is no database, which alone can be asked.", "Leave it out.")
    for key, value in (("data.prepare", data.prepare), ("train.entrypoint", settings.train.entrypoint)):
        if value is not None and not _FUNCTION.match(value):
            raise fail(key, f"{value!r} is not of the form file.py:function.")


def _check_train(settings: Settings, fail: Fail) -> None:
    train = settings.train
    if train.entrypoint is not None and train.learners:
        raise fail("train.learners", "cannot be chosen beside train.entrypoint, which fits the model itself.")
    known = names("learner")
    for learner in train.learners:
        if learner not in known:
            raise fail("train.learners", f"unknown learner {learner!r}.", _nearest(learner, known))


def _check_gate(settings: Settings, fail: Fail) -> None:
    from fairlead.lab.stats.further import known_metrics

    gate, task = settings.gate, settings.model.task
    if gate.beats is not False:
        opponents = opponents_of(settings)
        for name in gate.beats:
            if name not in opponents:
                raise fail("gate.beats", f"unknown opponent {name!r}.", _nearest(name, opponents))
    if gate.min is not False:
        known = (*ranking_metrics_of(settings), *known_metrics(task))
        for metric in gate.min:
            if metric not in known and not asks_of_ranking(settings, metric):
                other = metric in (*known_metrics("classification"), *known_metrics("regression"))
                what = f"{metric!r} is no metric of a {task}." if other else f"unknown metric {metric!r}."
                raise fail("gate.min", what, f"Known: {', '.join(known)}." if other else _nearest(metric, known))


def _check_watching(settings: Settings, fail: Fail) -> None:
    monitor = settings.monitor
    spans = (
        ("monitor.window", monitor.window, parse_window),
        ("monitor.lateness", monitor.lateness, parse_duration),
        ("monitor.label_delay", monitor.label_delay, parse_duration),
        ("alerts.remind", settings.alerts.remind, parse_duration),
        ("backup.every", settings.backup.every, parse_duration),
        ("backup.verify", settings.backup.verify, parse_duration),
        ("alerts.quiet", settings.alerts.quiet, parse_quiet),
        ("alerts.escalate.after", settings.alerts.escalate.after, parse_duration),
    )
    for key, value, parse in spans:
        if not value and key in ("monitor.window", "backup.every", "backup.verify"):
            continue
        try:
            parse(value)
        except UsageError as error:
            raise fail(key, str(error)) from None
    for detector in monitor.detectors:
        if detector not in names("drift_detector"):
            what = f"unknown detector {detector!r}."
            raise fail("monitor.detectors", what, _nearest(detector, names("drift_detector")))
    check_renewing(settings, fail)
    check_trying(settings, fail)


def _check_access(settings: Settings, fail: Fail) -> None:
    from fairlead.runtime.serve.access import issuers_of

    access = settings.access
    given = {"issuer": access.issuer, "audience": access.audience, "jwks": access.jwks}
    missing = [name for name, value in given.items() if not value]
    if 0 < len(missing) < len(given):
        raise fail(f"access.{missing[0]}", "is missing: issuer, audience and jwks belong together.", "Give all.")
    try:
        issuers_of(access)
    except UsageError as error:
        raise fail("access.jwks", str(error).removeprefix("[access] jwks ")) from None
