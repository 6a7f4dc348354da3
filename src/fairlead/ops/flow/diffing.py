"""`diff`: what is different between two versions: data, settings, model, and how much better or worse it answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.errors import FairleadError, UsageError
from fairlead.contract.evidence import Interval, Lineage, TableRead
from fairlead.contract.profile import ColumnProfile
from fairlead.contract.signature import Signature
from fairlead.ops.flow import diffing_groups as groups
from fairlead.ops.flow import diffing_reasons as reasons
from fairlead.ops.flow import making
from fairlead.ops.flow.diffing_groups import Groups, groups_of_both
from fairlead.ops.flow.diffing_reasons import Reasons, reasons_of_both
from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    from fairlead.runtime.bundle import Model

MOST_LINES = 30
DRAWS_OF_ORDERS = 1000
MOST_COLUMNS = 20
TOLD_DISTANCE, TOLD_SHIFT, TOLD_MISSING = 0.05, 0.05, 0.005
WITH_TRUTH = ("classification", "regression")


class Side(msgspec.Struct, frozen=True):
    """One of the two. version: None where the bundle is not registered; verdict: the attested outcome, if any."""

    bundle: str
    version: int | None
    learner: str
    rows: int
    verdict: str | None
    parity: dict[str, Any]


class Change(msgspec.Struct, frozen=True):
    """One thing that is not the same, as text; empty where it was not there."""

    what: str
    old: str
    new: str


class Quality(msgspec.Struct, frozen=True):
    """Both on the same rows. metrics: name -> (old, new), each with its 95 % interval; difference: mean of (new loss -
    old loss) over rows, losses in [0, 1], below 0 the new one is better; unseen: whether neither learned from them."""

    rows: int
    unseen: bool
    metrics: dict[str, tuple[Interval, Interval]]
    difference: Interval
    says: str


class Drift(msgspec.Struct, frozen=True):
    """How one column of the training rows moved. distance: Jensen-Shannon over shared bins, None where fewer than
    two are shared; shift: of the mean, in standard deviations of the old rows; missing: share, old and new."""

    column: str
    distance: float | None
    shift: float | None
    missing: tuple[float, float]


class Diff(msgspec.Struct, frozen=True):
    """See `diff`. quality: None, and `not_judged` says why, where both cannot be judged on the same rows."""

    old: Side
    new: Side
    data: tuple[Change, ...]
    configuration: tuple[Change, ...]
    code: tuple[Change, ...]
    versions: tuple[Change, ...]
    preparation: tuple[Change, ...]
    parameters: tuple[Change, ...]
    signature: tuple[Change, ...]
    quality: Quality | None
    not_judged: str
    drift: tuple[Drift, ...]
    groups: Groups | None = None
    reasons: Reasons | None = None
    not_explained: str = ""


def diff(ws: Workspace, old: str, new: str) -> Diff:
    """Two versions, aliases or bundles side by side. Raises VersionNotFound, BundleNotFound, BundleRefused."""
    first, second = making.resolve_bundle(ws, old), making.resolve_bundle(ws, new)
    if first == second:
        raise UsageError(f"{old} and {new} are the same bundle ({first[:12]}).")
    a, b = ws.load(first), ws.load(second)
    then, now = a.manifest.lineage, b.manifest.lineage
    quality, why, treated = _quality(ws, a, b)
    explained, unexplained = reasons_of_both(ws, first, second, _kept(ws, second))
    return Diff(
        old=_side(ws, first, then),
        new=_side(ws, second, now),
        data=_data(then, now),
        configuration=_changes(_flat(then.configuration), _flat(now.configuration)),
        code=_changes({"commit": then.commit[:12], **then.files}, {"commit": now.commit[:12], **now.files}, short=12),
        versions=_changes(then.versions, now.versions),
        preparation=_changes(then.preparation, now.preparation),
        parameters=_changes(then.parameters, now.parameters),
        signature=_changes(_columns(a.signature), _columns(b.signature)),
        quality=quality,
        not_judged=why,
        drift=_drift(a, b),
        groups=treated,
        reasons=explained,
        not_explained=unexplained,
    )


def _kept(ws: Workspace, bundle: str) -> Any:
    """The rows that a bundle was judged on, where this home still has them."""
    remembered = making.kept(ws, bundle)
    if remembered is None:
        return None
    try:
        return making.kept_rows(ws, remembered.holdout)
    except UsageError:
        return None


def _side(ws: Workspace, bundle: str, lineage: Lineage) -> Side:
    found = ws.state.find_bundle(bundle)
    parity = msgspec.json.decode((ws.store.path(bundle) / "parity.json").read_bytes())
    kept = {name: parity[name] for name in ("form", "rows", "flipped", "max_difference")}
    version = None if found is None else found.number
    return Side(bundle, version, lineage.learner, lineage.rows, making.verdict_of(ws, bundle), kept)


def _data(then: Lineage, now: Lineage) -> tuple[Change, ...]:
    def told(lineage: Lineage) -> dict[str, str]:
        found = {name: _table(read) for name, read in lineage.tables.items()}
        found["rows after preparation"] = lineage.data[:12]
        return found | ({"event time": _span(lineage)} if lineage.trained_to else {})

    return _changes(told(then), told(now))


def _table(read: TableRead) -> str:
    aside = f", {read.set_aside:,} lines set aside" if read.set_aside else ""
    return f"{read.source + ' ' if read.source else ''}{read.hash[:12]}, {read.rows:,} rows{aside}"


def _span(lineage: Lineage) -> str:
    import datetime

    ends = [datetime.datetime.fromtimestamp(t, datetime.UTC) for t in (lineage.trained_from, lineage.trained_to)]
    return " to ".join(end.strftime("%Y-%m-%d %H:%M") for end in ends)


def _flat(configuration: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{section}.{key}": value for section, table in configuration.items() for key, value in table.items()}


def _changes(old: Mapping[str, Any], new: Mapping[str, Any], short: int = 200) -> tuple[Change, ...]:
    found = [
        Change(name, _text(old[name], short) if name in old else "", _text(new[name], short) if name in new else "")
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]
    more = len(found) - MOST_LINES
    return (*found[:MOST_LINES], *((Change(f"and {more:,} more", "", ""),) if more > 0 else ()))


def _text(value: Any, short: int) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= short else text[: short - 1] + "…"


def _columns(signature: Signature) -> dict[str, str]:
    """What requests and answers look like; ranges move with every table and are told by the drift."""
    found = {column.name: column.kind + (", may be missing" if column.nullable else "") for column in signature.columns}
    for name in ("classes", "positive", "threshold", "definition"):
        value = getattr(signature, name)
        if value is not None:
            found[f"[{name}]"] = msgspec.json.encode(value).decode()
    return found


def _quality(ws: Workspace, a: Model, b: Model) -> tuple[Quality | None, str, Groups | None]:
    """Both on the rows that were kept for judging the second."""
    from fairlead.lab.evaluate.comparing import against_champion
    from fairlead.lab.evaluate.ranking import ranked_rows
    from fairlead.lab.evaluate.rows import judged_rows
    from fairlead.lab.stats import metric_intervals

    if a.signature.task != b.signature.task:
        return None, f"a {a.signature.task} and a {b.signature.task} have no quality in common", None
    if a.signature.task not in WITH_TRUTH:
        return None, f"a {a.signature.task} has no truth to compare answers with", None
    remembered = making.kept(ws, b.id)
    if remembered is None:
        return None, "the second was not trained here, so no rows were kept to judge it on", None
    try:
        judged = judged_rows(b, making.kept_rows(ws, remembered.holdout), ws.settings)
        other = against_champion(judged, a, 0)
        theirs = judged.answered_by(a)
    except FairleadError as error:
        return None, str(error), None
    if a.signature.classes != b.signature.classes:
        return None, "their classes are not the same", None
    told = [
        metric_intervals(judged.signature.task, judged.truth, scores, signature, seed=0, block=judged.block)
        for scores, signature in ((theirs, a.signature), (judged.scores, judged.signature))
    ]
    ranked = ranked_rows(judged, ws.settings.gate, draws=DRAWS_OF_ORDERS, seed=0)
    if ranked is not None:
        told = [ranked.intervals(theirs, a.signature) | told[0], ranked.metrics() | told[1]]
    metrics = {name: (told[0][name], told[1][name]) for name in told[1] if name in told[0]}
    quality = Quality(judged.rows, _unseen(a, b, judged.times), metrics, other.difference, _says(other.difference))
    return quality, "", groups_of_both(judged, a, theirs, ws.settings.model.sensitive)


def _unseen(a: Model, b: Model, times: Any) -> bool:
    """Whether the first cannot have learned from the second's judging rows: they were kept for it too, or are later."""
    then, now = a.manifest.lineage, b.manifest.lineage
    same = then.tables.get("holdout") == now.tables.get("holdout") and "holdout" in now.tables
    return same or (times is not None and len(times) > 0 and 0 < then.trained_to < float(times[0]))


def _says(difference: Interval) -> str:
    if difference.high < 0:
        return "the new one is better"
    return "the new one is worse" if difference.low > 0 else "no difference is proven"


def _drift(a: Model, b: Model) -> tuple[Drift, ...]:
    """Columns of both references, those that moved most first."""
    before = {column.bins.name: column for column in a.reference.profile.columns}
    found = [
        _moved(before[column.bins.name], column)
        for column in b.reference.profile.columns
        if column.bins.name in before and column.bins.kind == before[column.bins.name].bins.kind
    ]
    found = [
        one
        for one in found
        if (one.distance or 0.0) > 0 or abs(one.shift or 0.0) > 0 or one.missing[0] != one.missing[1]
    ]
    found.sort(key=lambda one: -max(one.distance or 0.0, abs(one.shift or 0.0)))
    return tuple(found[:MOST_COLUMNS])


def _moved(old: ColumnProfile, new: ColumnProfile) -> Drift:
    from fairlead.lab.stats.distances import jensen_shannon

    p, q = _shared(old, new)
    distance = jensen_shannon(p, q) if len(p) > 1 and p.sum() and q.sum() else None
    missing = (old.missing / max(old.rows, 1), new.missing / max(new.rows, 1))
    return Drift(old.bins.name, distance, _shift(old, new), missing)


def _shared(old: ColumnProfile, new: ColumnProfile) -> tuple[np.ndarray, np.ndarray]:
    """Counts of both over the bins that the edges (or categories) they have in common make."""
    if old.bins.categories or new.bins.categories:
        names = [name for name in old.bins.categories if name in new.bins.categories]

        def counts(side: ColumnProfile) -> np.ndarray:
            place = {name: at for at, name in enumerate(side.bins.categories)}
            named = [float(side.counts[place[name]]) for name in names]
            return np.array([*named, sum(side.counts) - sum(named)])

        return counts(old), counts(new)
    edges = sorted(set(old.bins.edges) & set(new.bins.edges))

    def within(side: ColumnProfile) -> np.ndarray:
        below = np.concatenate([[0.0], np.cumsum(side.counts, dtype=np.float64)])
        cuts = [below[side.bins.edges.index(edge) + 1] for edge in edges]
        return np.diff(np.array([0.0, *cuts, below[-1]]))

    return within(old), within(new)


def _shift(old: ColumnProfile, new: ColumnProfile) -> float | None:
    present, now = old.rows - old.missing, new.rows - new.missing
    if old.bins.categories or not present or not now or not old.bins.scale:
        return None
    mean, squares = old.z / present, old.zz / present
    spread = float(np.sqrt(max(squares - mean**2, 0.0))) * old.bins.scale
    there = new.bins.shift + new.bins.scale * new.z / now
    gap = there - (old.bins.shift + old.bins.scale * mean)
    return gap / spread if spread > 0 else None


def as_markdown(found: Diff) -> str:
    """The diff as text for a pull request: a headline, then only what is different."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Diff) -> Iterator[str]:
    names = [
        f"version {side.version}" if side.version else f"bundle {side.bundle[:12]}" for side in (found.old, found.new)
    ]
    yield f"## {names[0].capitalize()} → {names[1]}"
    yield ""
    yield from _told_quality(found)
    yield from _rows("", ("", *names), [
        ("bundle", f"`{found.old.bundle[:12]}`", f"`{found.new.bundle[:12]}`"),
        ("learner", found.old.learner, found.new.learner),
        ("rows learned from", f"{found.old.rows:,}", f"{found.new.rows:,}"),
        ("verdict", found.old.verdict or "not judged", found.new.verdict or "not judged"),
        ("compiled form", _form(found.old), _form(found.new)),
    ])  # fmt: skip
    for table in (*groups.lines_of(found.groups), *reasons.lines_of(found.reasons)):
        yield from _rows(*table)
    if found.reasons is not None and found.reasons.says:
        yield f"{found.reasons.says}."
        yield ""
    elif found.not_explained:
        yield f"Explanations are not compared: {found.not_explained}."
        yield ""
    for title in ("data", "configuration", "code", "preparation", "parameters", "signature", "versions"):
        changes: tuple[Change, ...] = getattr(found, title)
        if changes:
            lines = [(one.what, one.old or "–", one.new or "–") for one in changes]
            yield from _rows(title.capitalize(), ("", *names), lines)
    moved = [one for one in found.drift if _tells(one)]
    if moved:
        told = [
            (one.column, _number(one.distance), _number(one.shift), f"{one.missing[0]:.1%} → {one.missing[1]:.1%}")
            for one in moved
        ]
        yield from _rows("Training rows moved", ("column", "distance", "mean, in sd", "missing"), told)
    same = [
        title for title in ("data", "configuration", "code", "preparation", "parameters", "signature", "versions")
        if not getattr(found, title)
    ]  # fmt: skip
    if same:
        yield f"The same in both: {', '.join(same)}."


def _tells(one: Drift) -> bool:
    """Whether a column moved more than another draw of the same rows would: the rest is noise to a reader."""
    apart = abs(one.missing[1] - one.missing[0])
    return (one.distance or 0.0) >= TOLD_DISTANCE or abs(one.shift or 0.0) >= TOLD_SHIFT or apart >= TOLD_MISSING


def _told_quality(found: Diff) -> Iterator[str]:
    quality = found.quality
    if quality is None:
        yield f"Quality is not compared: {found.not_judged}."
        yield ""
        return
    gap = quality.difference
    told = f"mean loss {gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]"
    yield f"**{quality.says.capitalize()}** on the same {quality.rows:,} rows: {told}, below 0 is better."
    if not quality.unseen:
        yield ""
        yield "The old one may have learned from some of these rows, which flatters it."
    lines = [(name, _interval(old), _interval(new)) for name, (old, new) in quality.metrics.items()]
    yield from _rows("Quality", ("metric (95 % interval)", "old", "new"), lines)


def _form(side: Side) -> str:
    return f"{side.parity['form']}, {side.parity['flipped']} of {side.parity['rows']:,} decisions differ"


def _interval(found: Interval) -> str:
    return f"{found.value:.4g} [{found.low:.4g}, {found.high:.4g}]"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _rows(title: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield ""
    if title:
        yield f"### {title}"
        yield ""
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        # A cell is a line: bars and line ends would end it.
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
    yield ""
