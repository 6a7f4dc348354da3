"""A model that learns label by label while another version of it is served: labels in, versions out.

Records joined with labels are taken in the order in which labels came, answered, then learned. The newest of them wait
until newer ones come: a version that is sealed is judged on those, which it has not learned. Then they are learned,
too, so that none is lost to judging.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract import records as names
from fairlead.ops.flow import making
from fairlead.ops.flow.history import recorded_like
from fairlead.ops.flow.online_state import Place, SealRule, loaded, opened, require_able, save, seal_rule, state_path
from fairlead.ops.flow.ranked import ranking_columns
from fairlead.ops.flow.renewing import unlearnable
from fairlead.ops.flow.view import View
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.state import FileLock
from fairlead.runtime.capture.label_stream import Identity, LabelStream, Position, identities

if TYPE_CHECKING:
    from fairlead.lab.train.streaming.learning import Learning

Say = Callable[..., None]
CHUNK = 500
"""Labels between two writings of the state."""
A_PASS = 5_000
"""Labels that the watcher's pass takes."""
MOST_WAITING = 10_000
WAIT_S = 86_400.0
"""How long a label waits for its record, which another machine's collector may still bring."""
BUSY = "another process learns from these labels"


class SealedVersion(msgspec.Struct, frozen=True):
    """version: None where the gate said no."""

    bundle: str
    verdict: str
    version: int | None
    rows: int
    why: str
    report: str


class Followed(msgspec.Struct, frozen=True):
    """A pass. learned, again, other, unknown, waiting: see `Place`, of this pass; waiting: now. held: rows that wait to
    be judged on. loss: mean of the rows learned, before they were; None without. left: labels not taken yet. rows: all
    that was ever learned. begun: why it was begun anew. paused: why nothing was taken.
    """

    learner: str
    learned: int = 0
    again: int = 0
    other: int = 0
    unknown: int = 0
    waiting: int = 0
    held: int = 0
    loss: float | None = None
    left: int = 0
    rows: int = 0
    sealed: tuple[SealedVersion, ...] = ()
    begun: str = ""
    paused: str = ""


def follow(
    ws: Workspace, *, anew: bool = False, stop: Callable[[], bool] = lambda: False, say: Say = lambda *_a, **_m: None,
    most: int | None = None,
) -> Followed:  # fmt: skip
    """Learn what labels have come since the last pass; seal, judge and register what is due.

    stop: asked between two writings of the state. most: labels of this pass. Raises what `require_able` raises.
    """
    require_able(ws)
    lock = FileLock(ws.home.run / f"learn-{ws.model}.lock")
    if not lock.take():
        return Followed(ws.settings.retrain.online, paused=BUSY)
    try:
        paused = _suspected(ws)
        if paused:
            return Followed(ws.settings.retrain.online, paused=paused)
        say("opening what was learned")
        return _Pass(ws, *opened(ws, anew), say).run(stop, most)
    finally:
        lock.release()


def _suspected(ws: Workspace) -> str:
    """Why no label is taken for now (`retrain.guard`), "" where nothing speaks against it. What a retraining leaves out
    window by window, a learner that cannot unlearn does not begin with."""
    found = ws.state.findings(ws.model)
    poisoned = [one for one in found if one.area == "labels" and one.check.startswith("poisoned_")]
    if poisoned and ws.settings.retrain.guard:
        return f"labels look poisoned ({poisoned[0].message}); [retrain] guard = false learns from them all the same"
    return unlearnable(found, ws.settings)


class _Pass:
    """One pass over the labels that came."""

    def __init__(self, ws: Workspace, learning: Learning, place: Place, begun: str, say: Say) -> None:
        self.ws, self.learning, self.place, self.begun, self.say = ws, learning, place, begun, say
        self.stream = LabelStream(ws.home.root, ws.model)
        self.rule: SealRule = seal_rule(ws)
        self.before = msgspec.structs.replace(place)
        self.losses: list[tuple[int, float]] = []
        self.sealed: list[SealedVersion] = []

    def run(self, stop: Callable[[], bool], most: int | None) -> Followed:
        place = self.place
        if self.begun or forgotten(self.ws, self.learning, place):
            save(self.ws, self.learning, place)
        labels = self.stream.unread(place.position)
        wanted = labels.num_rows if most is None else min(most, labels.num_rows)
        waiting = self.stream.picked(place.waiting) if place.waiting else labels.slice(0, 0)
        done = 0
        while (done < wanted or waiting.num_rows) and not stop():
            part = labels.slice(done, min(CHUNK, wanted - done))
            self._take(part, waiting)
            waiting, done = waiting.slice(0, 0), done + part.num_rows
            self._learn()
            save(self.ws, self.learning, place)
            self.say(f"{place.learned:,} labels learned", done=done / max(wanted, 1))
        if not stop():
            # A version may be due by time alone.
            self._seal_if_due()
        return self._told(labels.num_rows - done)

    def _told(self, left: int) -> Followed:
        place, before, rows = self.place, self.before, sum(count for count, _ in self.losses)
        loss = sum(count * mean for count, mean in self.losses) / rows if rows else None
        return Followed(
            self.learning.learner, place.learned - before.learned, place.again - before.again,
            place.other - before.other, place.unknown - before.unknown, len(place.waiting), len(self.learning.held),
            loss, left, self.learning.rows, tuple(self.sealed), self.begun,
        )  # fmt: skip

    def _take(self, part: Any, waiting: Any) -> None:
        """Labels become rows that wait to be learned; those without a record wait for it."""
        import pyarrow as pa
        import pyarrow.compute as pc

        place = self.place
        given = pa.concat_tables([waiting, part])
        told = given.filter(pc.is_valid(given.column(names.LABEL)))
        stated = told.column(names.DEFINITION)
        ours = told.filter(pc.fill_null(pc.equal(stated, self.ws.settings.model.definition), True))
        place.other += told.num_rows - ours.num_rows
        old, earlier = set(place.waiting), place.position
        place.position = earlier.after(part)
        place.waiting = ()
        if not ours.num_rows:
            return
        found = self.stream.records_of(ours)
        self._wait(ours.filter(pa.array(found.lost)))
        new = set(identities(ours))
        taken = [one not in new and one not in old and _is_before(one, earlier) for one in identities(found.others)]
        before = self.stream.told_before(found, found.others.filter(pa.array(taken, "bool")))
        labels = found.records.column(names.LABEL).to_pylist()
        fresh = [label is not None and label != was for label, was in zip(labels, before, strict=True)]
        place.again += sum(label is not None and label == was for label, was in zip(labels, before, strict=True))
        place.corrected += sum(new and was is not None for new, was in zip(fresh, before, strict=True))
        order = [
            (names.LABEL_ARRIVED, "ascending"),
            *((n, "ascending") for n in (names.SEGMENT, names.OFFSET, names.ROW)),
        ]
        self._hold(found.records.filter(pa.array(fresh, "bool")).sort_by(order))

    def _wait(self, lost: Any) -> None:
        now = self.ws.clock()
        arrived = lost.column(names.ARRIVED).to_pylist()
        late = [one for one, at in zip(identities(lost), arrived, strict=True) if now - at < WAIT_S]
        self.place.waiting = tuple(late[-MOST_WAITING:])
        self.place.dropped += lost.num_rows - len(self.place.waiting)

    def _hold(self, chosen: Any) -> None:
        """Rows of records with their labels, behind those that wait."""
        from fairlead.lab.train.streaming.learning import ORIGIN

        if not chosen.num_rows:
            return
        table = _whole(self.ws, chosen, self.learning.material.signature)
        view = View(table, self.learning.material.signature)
        rows = np.flatnonzero(view.labelled)
        self.place.unknown += view.rows - len(rows)
        self.place.learned += len(rows)
        if len(rows):
            frame = recorded_like(view, self.ws, rows, self.learning.recent.iloc[:0])
            origins = _origins(table)
            self.learning.hold(frame.assign(**{ORIGIN: [origins[at] for at in rows]}))

    def _learn(self) -> None:
        while (told := self.learning.step(self.rule.keep)) is not None:
            self.losses.append((told.rows, told.loss))
            self._seal_if_due()

    def _seal_if_due(self) -> None:
        learning, place = self.learning, self.place
        why = self.rule.due(learning.rows - place.sealed_rows, self.ws.clock() - place.sealed_at)
        if not why or len(learning.held) < self.rule.keep:
            return
        self.say(f"sealing what {learning.rows:,} rows taught, and judging it")
        forgotten(self.ws, learning, place, surely=True)
        done = _sealed(self.ws, learning, self.rule.keep, why)
        self.sealed.append(done)
        place.sealed_rows, place.sealed_at, place.seals = learning.rows, self.ws.clock(), place.seals + 1
        # Before this is written, a kill has the same rows learned again, which make the same bundle and version.
        # Labels of this chunk are learned or wait in the state, and their position is in it.
        save(self.ws, learning, place)


def _is_before(one: Identity, position: Position) -> bool:
    at = position.at.get(one[0])
    return at is not None and (one[1], one[2]) <= at


def _origins(table: Any) -> list[str]:
    from fairlead.runtime.capture.picking import identities as of_records

    return ["/".join(map(str, one)) for one in of_records(table)]


def _whole(ws: Workspace, chosen: Any, signature: Any) -> Any:
    """The chosen records, in their order, with what the model takes and their labels; erased ones are left out."""
    from fairlead.runtime.capture import Records
    from fairlead.runtime.capture.agreement import as_one

    wanted = dict(zip(_origins(chosen), range(chosen.num_rows), strict=True))
    columns = [names.FEATURE_IN + name for name in signature.names]
    columns += [names.PASSED_IN + name for name in ranking_columns(signature)] + [names.KEY, names.TIME, names.BUNDLE]
    from fairlead.runtime.capture.picking import identities as of_records

    parts = list(Records(ws.home.root, ws.model).picked(set(of_records(chosen)), columns))
    table = as_one(parts) if parts else chosen.slice(0, 0)
    places = np.array([wanted[one] for one in _origins(table)], dtype=np.int64)
    order = np.argsort(places, kind="stable")
    table = table.take(order)
    for name in (names.LABEL, names.DEFINITION):
        table = table.append_column(name, chosen.column(name).take(places[order]))
    return table


def _sealed(ws: Workspace, learning: Learning, keep: int, why: str) -> SealedVersion:
    """What was learned as a bundle, judged on the rows that wait, registered when the gate lets it pass."""
    import time

    from fairlead.lab.stats import metrics
    from fairlead.lab.train.streaming.learning import ORIGIN
    from fairlead.lab.train.training import Training

    began = time.monotonic()
    held = learning.held.iloc[:keep].drop(columns=ORIGIN, errors="ignore")
    candidate = learning.candidate(ws.project.root)
    truth, answers = learning.asked()
    figures = metrics(candidate.signature.task, truth, answers, candidate.signature) if len(truth) else {}
    seconds = time.monotonic() - began
    training = Training(candidate, (), figures, (), held, seconds, False, 0, 0)
    bundle = making.keep(ws, training).bundle
    judged = making.judge(ws, bundle)
    outcome = judged.verdict.outcome
    version = making.register(ws, bundle) if outcome == "pass" else None
    reasons = "; ".join(check.why for check in judged.verdict.checks if check.holds_back)
    done = SealedVersion(bundle, outcome, version, learning.rows, reasons or why, judged.report)
    with ws.state.transaction():
        told = {"rows": learning.rows, "verdict": outcome, "version": version}
        ws.audit.record(ws.actor, "learn", bundle, why, told)
        if version is not None:
            ws.state.put(_untried(ws), msgspec.json.encode(done))
    return done


def _untried(ws: Workspace) -> str:
    return f"untried:{ws.model}"


def untried(ws: Workspace) -> SealedVersion | None:
    """The newest version that was learned and passed its gate, while nobody has begun to try it."""
    found = ws.state.get(_untried(ws))
    return msgspec.json.decode(found, type=SealedVersion) if found else None


def taken_up(ws: Workspace) -> None:
    """From now on nobody else begins to try it."""
    ws.state.put(_untried(ws), b"")


def forgotten(ws: Workspace, learning: Learning, place: Place, *, surely: bool = False) -> int:
    """Let go of rows whose records were erased since the last look, or ended with their days; how many.

    surely: look also where nobody asked to forget.
    """
    from fairlead.runtime.capture import Records
    from fairlead.runtime.capture.forgotten import entries
    from fairlead.runtime.capture.picking import identities as of_records

    asked = entries(ws.home.root)
    done = tuple(sorted(one.id for one in asked if one.done))
    if not surely and done == place.forgotten and len(done) == len(asked):
        return 0
    place.forgotten = done
    kept = learning.origins()
    split = [one.rsplit("/", 2) for one in kept]
    wanted = {(segment, int(offset), int(row)) for segment, offset, row in split}
    there = {
        "/".join(map(str, one))
        for part in Records(ws.home.root, ws.model).picked(wanted, ())
        for one in of_records(part)
    }
    return learning.forget(kept - there)


def forget_here(ws: Workspace) -> int:
    """After rows were erased: those that what was learned keeps. A process that learns just now does it itself."""
    path, lock = state_path(ws), FileLock(ws.home.run / f"learn-{ws.model}.lock")
    if not path.exists() or not lock.take():
        return 0
    try:
        learning = loaded(ws)
        place = msgspec.json.decode(learning.cursor, type=Place)
        gone = forgotten(ws, learning, place, surely=True)
        save(ws, learning, place)
        return gone
    finally:
        lock.release()


def in_pass(ws: Workspace) -> Followed | None:
    """The watcher's part, where `[retrain] online` asks for it: labels learned, and the newest version that passed its
    gate waits for its trial as a retrained one does."""
    from fairlead.ops.flow.release import unseen_from
    from fairlead.ops.flow.tracker import Waiting, read_tracker, write_tracker

    if not ws.settings.retrain.online:
        return None
    done = follow(ws, most=A_PASS)
    newest, tracker = untried(ws), read_tracker(ws)
    if newest is not None and newest.version is not None:
        until = max(tracker.judged, unseen_from(ws, newest.bundle))
        why = f"learned label by label from {newest.rows:,} rows"
        tracker.candidate = Waiting(newest.bundle, newest.version, ws.clock(), until, why)
        with ws.state.transaction():
            write_tracker(ws, tracker)
            taken_up(ws)
    return done
