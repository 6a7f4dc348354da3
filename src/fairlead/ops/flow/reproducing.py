"""`reproduce`: a version made again from what its lineage recorded, and what came out otherwise.

Not the search: the learner, parameters, seed and preparation that it chose, on the rows it was trained on, under the
settings of then. Beside that it is said whether the sources still give these rows, and what else is no longer as it
was: settings, the project's own code, versions of libraries.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.errors import FairleadError, UsageError
from fairlead.contract.evidence import Lineage, TableRead
from fairlead.contract.plugins import names
from fairlead.contract.settings import Settings
from fairlead.ops.flow import making
from fairlead.ops.flow.gathering import TRAIN, Gathered, gather
from fairlead.ops.flow.large_again import large_again
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.project import Project

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.train.out_of_core.large import Large
    from fairlead.runtime.bundle import Model

Say = Callable[..., None]
MOST_TOLD = 20
# These say where a model came from. When what comes out is the same they have made no difference, and are noted.
CIRCUMSTANCES = ("code", "versions")
FRONT = "model/front.json"


class Part(msgspec.Struct, frozen=True):
    """One thing compared. same: None where it cannot be; what: how it differs, or why nobody can say, a line each."""

    name: str
    same: bool | None
    what: tuple[str, ...] = ()


class Moved(msgspec.Struct, frozen=True):
    """How far the answers to the golden rows moved: largest and mean difference of a score, decisions that differ."""

    rows: int
    max_difference: float
    mean_difference: float
    flipped: int


class Reproduced(msgspec.Struct, frozen=True):
    """What came out. identical: data, settings, own code and everything that was sealed are the same.

    rows: where the rows came from that it was fitted on: kept (in the home), source (read again) or given.
    differs: parts that are not the same; noted: circumstances that changed and made no difference.
    """

    bundle: str
    version: int | None
    identical: bool
    rows: str
    parts: tuple[Part, ...]
    differs: tuple[str, ...]
    noted: tuple[str, ...]
    predictions: Moved | None
    seconds: float
    warnings: tuple[str, ...] = ()


def reproduce(ws: Workspace, reference: str | None, *, source: Any = None, progress: Say | None = None) -> Reproduced:
    """Fit a version's recorded trial again and compare data, settings and every file of the model.

    source: rows to fit on instead of those that were kept. Raises UsageError for a model that was trained elsewhere,
    and where no rows can be had.
    """
    started = time.perf_counter()
    say = progress or (lambda *words, **more: None)
    bundle = making.resolve_bundle(ws, reference)
    model = ws.load(bundle)
    lineage = model.manifest.lineage
    then = recorded_project(ws, lineage)
    require_trial(lineage, then.settings)
    say("reading rows", done=0.0)
    with contextlib.ExitStack() as stack:
        large = stack.enter_context(large_again(then, lineage, source, say))
        rows, origin, data, warnings = large[:4] if large else rows_for(then, lineage, source)
        say(f"fitting {lineage.learner} again", done=0.1)
        folder, other = stack.enter_context(again(then, lineage, rows, say, large.table if large else None))
        parts = [
            data,
            configuration(lineage, ws.settings),
            code(lineage, then.settings, ws.project.root),
            versions(lineage),
            *sealed(model.manifest.files, other.files, lineage, other.lineage),
        ]
        moved = None
        if any(part.same is False for part in parts if part.name in {"model", "preparation", "signature"}):
            moved = predictions(then, model, ws.store.path(bundle), folder)
    return _outcome(ws, bundle, origin, parts, moved, time.perf_counter() - started, warnings)


def _outcome(
    ws: Workspace, bundle: str, origin: str, parts: list[Part], moved: Moved | None, seconds: float, warnings: list[str]
) -> Reproduced:
    different = [part.name for part in parts if part.same is False]
    deciding = [name for name in different if name not in CIRCUMSTANCES or (name == "code" and _own_code(parts))]
    identical = not deciding
    version = ws.state.find_bundle(bundle)
    found = Reproduced(
        bundle=bundle,
        version=None if version is None else version.number,
        identical=identical,
        rows=origin,
        parts=tuple(parts),
        differs=() if identical else tuple(different),
        noted=tuple(different) if identical else (),
        predictions=moved,
        seconds=round(seconds, 3),
        warnings=tuple(warnings),
    )
    why = "identical" if identical else f"differs: {', '.join(found.differs)}"
    ws.audit.record(ws.actor, "reproduce", bundle, why, {"rows": origin, "noted": list(found.noted)})
    return found


def _own_code(parts: list[Part]) -> bool:
    return any(part.name == "code" and any(".py" in line for line in part.what) for part in parts)


def recorded_project(ws: Workspace, lineage: Lineage) -> Workspace:
    """The project with the deciding settings as they were when the model was made."""
    from fairlead.lab.train.provenance import with_configuration

    settings = with_configuration(ws.settings, lineage.configuration) if lineage.configuration else ws.settings
    query = lineage.tables[TRAIN].query if TRAIN in lineage.tables else ""
    if query:
        settings = msgspec.structs.replace(settings, data=msgspec.structs.replace(settings.data, query=query))
    return Workspace(Project(ws.project.root, settings, ws.project.origins, ws.home), clock=ws.clock, actor=ws.actor)


def require_trial(lineage: Lineage, settings: Settings) -> None:
    """Raises UsageError for a model whose making was not recorded."""
    if lineage.learner == settings.train.entrypoint:
        return
    if lineage.learner not in names("learner"):
        raise UsageError(
            f"this model was trained elsewhere ({lineage.learner}) and sealed with `fairlead bundle`: "
            "how it was fitted is not recorded, so it cannot be made again here."
        )


def rows_for(ws: Workspace, lineage: Lineage, source: Any) -> tuple[pd.DataFrame, str, Part, list[str]]:
    """The rows to fit on, where they came from, what is to be said of the data, and notes of the tables.

    What was kept is fitted on, so that a source that moved on does not hide whether the rest can be made again;
    that it did is said all the same.
    """
    now, failed = _present(ws, lineage, source)
    warnings = list(now.notes) if now is not None else []
    if source is not None:
        if now is None:
            raise UsageError(failed)
        return now.frame, "given", compared(lineage, now), warnings
    kept = _kept(ws, lineage.data)
    if now is not None:
        part = compared(lineage, now)
        return (now.frame, "source", part, warnings) if kept is None else (kept, "kept", part, warnings)
    if kept is None:
        raise UsageError(f"the rows are not kept in this home, and the source gives none: {failed} Give --data.")
    return kept, "kept", _unread(ws, lineage, failed), warnings


def _unread(ws: Workspace, lineage: Lineage, failed: str) -> Part:
    """What is to be said of the data where the source gives nothing and the kept rows were used."""
    recorded = lineage.tables.get(TRAIN)
    if recorded is None or not recorded.source:
        why = "it was trained on rows in memory or on records; those kept in this home were used"
        return Part("data", True, (why,))
    try:
        source_of(ws, recorded)
    except UsageError as unknown:
        return Part("data", None, (f"whether the source changed cannot be said: {unknown} Give it with --data.",))
    return Part("data", False, (f"the source cannot be read any more: {failed}",))


def _present(ws: Workspace, lineage: Lineage, source: Any) -> tuple[Gathered | None, str]:
    """What the source gives today; None, and why, where it gives nothing."""
    recorded = lineage.tables.get(TRAIN)
    if source is None and (recorded is None or not recorded.source):
        return None, "it was trained on rows in memory."
    try:
        where = source if source is not None or recorded is None else source_of(ws, recorded)
        # The table of then may lie elsewhere now: what was left out of it is left out all the same.
        return gather(ws, where, excluding="exclude_rows" in lineage.tables), ""
    except FairleadError as error:
        return None, str(error)


def source_of(ws: Workspace, recorded: TableRead) -> str | None:
    """Where a table of then is to be read now: None for `[data] train`, if that is still what it was.

    Raises UsageError for a place outside the project, of which only the name was recorded, and for one that holds a
    secret, which was not.
    """
    from fairlead.lab.tables.reading import Reading

    train = ws.settings.data.train
    if train and Reading(ws.settings.data, ws.project.root).shown(train) == recorded.source:
        return None
    if "***" in recorded.source:
        raise UsageError(f"{recorded.source} was read with a secret that was not recorded.")
    if "://" in recorded.source or recorded.source.startswith("${"):
        return recorded.source
    path = ws.project.root / recorded.source
    if not path.is_file() and "/" not in recorded.source:
        raise UsageError(f"{recorded.source} is not in the project's folder.")
    return str(path)


def _kept(ws: Workspace, digest: str) -> pd.DataFrame | None:
    from fairlead.lab.train.provenance import data_hash

    with contextlib.suppress(UsageError):
        frame = making.kept_rows(ws, digest)
        # A file that was changed by hand, or a kind of cell that Parquet gives back differently, is no evidence.
        if data_hash(frame) == digest:
            return frame
    return None


def compared(lineage: Lineage, now: Gathered) -> Part:
    """Whether the tables, and the rows that came of them, are those of then."""
    from fairlead.lab.train.provenance import data_hash

    said = []
    then = {name: table for name, table in lineage.tables.items() if name != "holdout"}
    for name in dict.fromkeys([*then, *now.tables]):
        old, new = then.get(name), now.tables.get(name)
        if old is None or new is None:
            said.append(f"{name}: {'was not read then' if old is None else 'is not read any more'}")
        elif old.source and old.hash != new.hash:
            rows = "" if old.rows == new.rows else f", {old.rows:,} rows then and {new.rows:,} now"
            said.append(f"{name}: {old.hash[:12]} then, {new.hash[:12]} now{rows}")
    if data_hash(now.frame) == lineage.data:
        # The file may be another one; the rows are the same, and they are what a model is made of.
        return Part("data", True, tuple(f"{line}; its rows are the same" for line in said[:MOST_TOLD]))
    if not said:
        said = ["the tables are the same, and the rows that [data] prepare makes of them are not"]
    return Part("data", False, tuple(said[:MOST_TOLD]))


def configuration(lineage: Lineage, settings: Settings) -> Part:
    """Whether the settings that decide a model are still those of then, and which are not."""
    from fairlead.lab.train.provenance import config_hash, configuration_of

    if not lineage.configuration:
        same = lineage.config == config_hash(settings)
        return Part("configuration", same, () if same else ("which settings is not recorded in this version",))
    then, now = _flat(lineage.configuration), _flat(configuration_of(settings))
    said = [
        f"{key}: {_shown(then, key)} then, {_shown(now, key)} now"
        for key in sorted({*then, *now})
        if then.get(key) != now.get(key)
    ]
    return Part("configuration", not said, _told(said))


def _flat(configuration: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{section}.{key}": value for section, table in configuration.items() for key, value in table.items()}


def _shown(values: Mapping[str, Any], key: str) -> str:
    return msgspec.json.encode(values[key]).decode()[:200] if key in values else "the default"


def _told(said: list[str]) -> tuple[str, ...]:
    more = len(said) - MOST_TOLD
    return (*said[:MOST_TOLD], *((f"and {more:,} more",) if more > 0 else ()))


def code(lineage: Lineage, settings: Settings, root: Path) -> Part:
    """The project's own files that make rows and models, by content; and its Git commit."""
    from fairlead.lab.train.provenance import commit_of, own_files

    now = own_files(settings, root)
    said = []
    for name in sorted({*lineage.files, *now}):
        old, new = lineage.files.get(name), now.get(name)
        if old != new:
            said.append(f"{name}: {'is gone' if new is None else 'was changed' if old else 'is new'}")
    commit, clean = commit_of(root)
    if commit != lineage.commit:
        said.append(f"commit {lineage.commit[:12] or 'unknown'} then, {commit[:12] or 'unknown'} now")
    elif lineage.clean and not clean:
        said.append("the folder has changes that are not committed")
    return Part("code", not said, _told(said))


def versions(lineage: Lineage) -> Part:
    """Python and the libraries that a fit depends on."""
    from fairlead.lab.train.provenance import versions as present

    now = present()
    said = [
        f"{name}: {lineage.versions.get(name, 'none')} then, {now.get(name, 'none')} now"
        for name in sorted({*lineage.versions, *now})
        if lineage.versions.get(name) != now.get(name)
    ]
    return Part("versions", not said, _told(said))


def sealed(old: Mapping[str, str], new: Mapping[str, str], then: Lineage, now: Lineage) -> Iterator[Part]:
    """Files of two bundles by their hashes: preparation, model, signature, reference."""
    rules = [f"rules for {name}" for name in sorted({*then.preparation, *now.preparation})
             if then.preparation.get(name) != now.preparation.get(name)]  # fmt: skip
    front = _files(old, new, lambda path: path == FRONT)
    yield Part("preparation", not rules and not front, _told([*rules, *front]))
    for name, chosen in (
        ("model", lambda path: path.startswith("model/") and path != FRONT),
        ("signature", lambda path: path == "signature.json"),
        ("reference", lambda path: path == "reference.json"),
    ):
        said = _files(old, new, chosen)
        yield Part(name, not said, _told(said))


def _files(old: Mapping[str, str], new: Mapping[str, str], chosen: Callable[[str], bool]) -> list[str]:
    return [
        f"{path}: {old.get(path, 'not there')[:12]} then, {new.get(path, 'not there')[:12]} now"
        for path in sorted({*old, *new})
        if chosen(path) and old.get(path) != new.get(path)
    ]


@contextlib.contextmanager
def again(
    ws: Workspace, lineage: Lineage, rows: pd.DataFrame, say: Say, large: Large | None = None
) -> Iterator[tuple[Path, Any]]:
    """The recorded trial fitted on these rows and sealed in a folder of its own, with its manifest."""
    from fairlead.lab.compile import write_bundle
    from fairlead.lab.stats import few_threads
    from fairlead.lab.train import train
    from fairlead.lab.train.recorded import Trial, without_search
    from fairlead.ops.flow.transferring import transferred_for
    from fairlead.ops.flow.warm_start import start_of
    from fairlead.runtime.bundle.manifest import read_manifest
    from fairlead.runtime.native import native_terms

    settings = msgspec.structs.replace(ws.settings, train=msgspec.structs.replace(ws.settings.train, seed=lineage.seed))
    trial = None if settings.train.entrypoint else Trial(lineage.learner, lineage.parameters)
    folder = Path(tempfile.mkdtemp(prefix="fairlead-again-"))
    try:
        training = train(
            rows, without_search(settings), root=ws.project.root, progress=say, parent=lineage.parent, trial=trial,
            large=large, older=start_of(ws, lineage.warm_start) if lineage.warm_start else None,
            transferred=transferred_for(ws, lineage.begun_with)[0] if lineage.begun_with else None,
        )  # fmt: skip
        with few_threads(lineage.rows):
            write_bundle(training.candidate, folder, ws.key, native=native_terms(ws.settings))
        yield folder, read_manifest((folder / "manifest.json").read_bytes())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def predictions(ws: Workspace, model: Model, path: Path, folder: Path) -> Moved | None:
    """How far two models are apart on the golden rows of the first; None where the second does not take them."""
    import numpy as np

    from fairlead.runtime.bundle import load
    from fairlead.runtime.native import native_terms

    lines = (path / "golden.jsonl").read_bytes().splitlines()
    rows = [msgspec.json.decode(line)["row"] for line in lines]
    other = load(folder, ws.trusted, native=native_terms(ws.settings))
    try:
        if other.signature.outputs != model.signature.outputs:
            return None
        old, new = model.probabilities(rows), other.probabilities(rows)
        gap = np.abs(np.asarray(old) - np.asarray(new))
        turned = sum(a != b for a, b in zip(model.decide(old), other.decide(new), strict=True))
        flipped = int(turned) if model.signature.task == "classification" else 0
        return Moved(len(rows), float(gap.max(initial=0.0)), float(gap.mean()) if gap.size else 0.0, flipped)
    except FairleadError:
        return None
    finally:
        getattr(other, "close", lambda: None)()
