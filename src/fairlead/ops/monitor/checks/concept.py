"""Whether what the inputs mean has changed: losses that rose although rows like these were answered better."""

from __future__ import annotations

import msgspec
import numpy as np

from fairlead.contract.errors import MissingExtra
from fairlead.contract.events import Cause, Finding
from fairlead.contract.plugins import variant
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.concept import LEAST_SHARED, Compared, Verdict, compared, held_out_gaps, verdict
from fairlead.ops.monitor.detecting import Detected, Stream
from fairlead.ops.monitor.estimates import overlap
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.promise import LEAST, Pending, enough, joined
from fairlead.ops.monitor.seen import Moment, Seen

WINDOWS = 64
STREAMED = 16
"""Windows whose rows are remembered for detectors that go by rows, and rows of each."""
STREAMED_ROWS = 200
SHOWN = ("roc_auc", "accuracy", "mae", "pinball", "rmse")


class Memory(msgspec.Struct):
    """bundle: that answered. starts, gaps, realised: of each window since its release. rows, wrong: of the newest, for
    detectors that go by rows. since: start of the window since which the alarm of a detector stands. waiting: labels
    that are too few to be a window (their gaps), as for the promise, and waited, their mean loss."""

    bundle: str = ""
    starts: list[float] = []
    gaps: list[float] = []
    realised: list[float] = []
    rows: list[list[float]] = []
    wrong: list[list[int]] = []
    since: dict[str, float] = {}
    waiting: Pending | None = None
    waited: float = 0.0


class ConceptDrift:
    """Detectors of `monitor.detectors` on the labelled losses, and what the change is made of."""

    name = "concept"
    family: Family = "concept"
    moment: Moment = "labels"
    early = False

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """A finding a detector that speaks, and one that says what a broken promise is due to."""
        if seen.rows is None:
            return []
        now = compared(seen.reference, seen.signature, seen.rows)
        if now is None:
            return []
        names = seen.settings.monitor.detectors
        shared, column = overlap(seen.profile, seen.reference)
        if shared < LEAST_SHARED:
            return _beyond(seen, shared, column)
        memory = _with(_read(seen), seen, now, by_rows=any(n != "confidence_sequence" for n in names))
        stream = Stream(
            np.asarray(memory.gaps), held_out_gaps(seen.reference), [np.asarray(r) for r in memory.rows],
            [np.asarray(w, dtype=np.float64) for w in memory.wrong], allowed,
        )  # fmt: skip
        found: list[Finding] = []
        for name in names:
            detector = variant("drift_detector", name, extra="drift")()
            try:
                done: Detected | None = detector.detect(stream)
            except MissingExtra as missing:
                found.append(_unable(seen, name, missing))
                continue
            finding = _told(seen, memory, name, done, calibrated=detector.calibrated)
            found += [finding] if finding is not None else []
        seen.keep(msgspec.to_builtins(memory))
        if seen.step is not None and seen.step.alarm and not any(f.severity != "info" for f in found):
            found += _reason(seen, memory)
        return found


def _read(seen: Seen) -> Memory:
    try:
        memory = msgspec.convert(seen.memory or {}, Memory)
    except msgspec.ValidationError:
        memory = Memory()
    # Another model, or another definition of its target, is another reference: it starts anew.
    bundle = f"{seen.window.bundle}:{seen.signature.definition}"
    return memory if memory.bundle == bundle else Memory(bundle=bundle)


def _with(memory: Memory, seen: Seen, now: Compared, *, by_rows: bool) -> Memory:
    own = Pending(
        float(len(now.losses)), now.realised - now.expected, float(np.var(now.losses - now.likely)), seen.window.start
    )
    labels = joined(memory.waiting, own)
    realised = memory.waited + own.rows / labels.rows * (now.realised - memory.waited)
    rows = float(np.median([h.rows for h in seen.reference.held_out])) if seen.reference.held_out else 0.0
    if enough(labels, held_out_gaps(seen.reference).tolist(), rows):
        memory.starts = [*memory.starts, labels.start][-WINDOWS:]
        memory.gaps = [*memory.gaps, round(labels.loss, 6)][-WINDOWS:]
        memory.realised = [*memory.realised, round(realised, 6)][-WINDOWS:]
        memory.waiting, memory.waited = None, 0.0
    else:
        memory.waiting, memory.waited = labels, realised
    if by_rows:
        from fairlead.lab.stats.estimating import thinned

        some = thinned(len(now.losses), STREAMED_ROWS)
        losses = now.losses[some]
        memory.rows = [*memory.rows, np.round(losses, 3).tolist()][-STREAMED:]
        memory.wrong = [*memory.wrong, _wrong(seen, losses).astype(int).tolist()][-STREAMED:]
    return memory


def _wrong(seen: Seen, losses: np.ndarray) -> np.ndarray:
    """Of probabilities a Brier loss above 0.25 decides wrongly at a half; of numbers, one above the usual."""
    if seen.signature.task == "classification":
        return losses > 0.25
    return losses > float(np.mean([h.loss for h in seen.reference.held_out] or [0.5]))


def _told(seen: Seen, memory: Memory, name: str, done: Detected | None, *, calibrated: bool) -> Finding | None:
    if done is None or not memory.starts:
        memory.since.pop(name, None)
        return None
    at = min(done.since, len(memory.starts) - 1) if calibrated else len(memory.starts) - 1
    since = memory.since.setdefault(name, memory.starts[at])
    first = next((i for i, start in enumerate(memory.starts) if start >= since), len(memory.starts) - 1)
    judged = _verdict(seen, memory, first)
    if judged is None:
        return None
    if calibrated and judged.beyond.value < LEAST:
        return None
    beyond, moved = judged.beyond, judged.moved
    before = float(np.mean([w["loss"].realised for w in seen.reference.estimation.windows]))  # type: ignore[union-attr]
    after = before + moved.value
    return Finding(
        id=finding_id(seen.window.model, f"concept:{name}", (), since),
        model=seen.window.model,
        area="concept_drift",
        check=f"concept:{name}",
        window=seen.window.index,
        since=since,
        size=beyond.value,
        low=beyond.low,
        high=beyond.high,
        unit="mean loss beyond what the inputs explain",
        message=(
            f"what the inputs mean has changed ({name}): the mean loss went from {before:.4f} to {after:.4f}, "
            f"of which the inputs explain {judged.explained:+.4f} and {beyond.value:+.4f} lies beyond them"
            f"{_metric(seen)} (evidence {done.evidence:.3g}, alarm from {done.limit:.3g})"
        ),
        severity="warning" if calibrated else "info",
        evidence={"evidence": done.evidence, "limit": done.limit, "before": before, "after": after,
                  "explained": judged.explained},
        causes=(Cause("time", "concept", 1.0, "rows like these were answered better before"),),
        cost=beyond,
        cost_in="loss",
    )  # fmt: skip


def _verdict(seen: Seen, memory: Memory, first: int) -> Verdict | None:
    realised = np.asarray(memory.realised[first:])
    return verdict(seen.reference, realised, realised - np.asarray(memory.gaps[first:]))


def _metric(seen: Seen) -> str:
    """The metric that people know, then and in this window."""
    for name in SHOWN:
        known = [h.metrics[name] for h in seen.reference.held_out if name in h.metrics]
        if known and name in seen.metrics:
            return f"; {name} {np.mean(known):.4g} then, {seen.metrics[name].value:.4g} in this window"
    return ""


def _reason(seen: Seen, memory: Memory) -> list[Finding]:
    """What a broken promise is due to, as far as it is known."""
    assert seen.step is not None
    if not memory.starts:
        return []
    since = seen.step.since if seen.step.since is not None else seen.window.start
    first = next((i for i, start in enumerate(memory.starts) if start >= since), len(memory.starts) - 1)
    judged = _verdict(seen, memory, first)
    if judged is None:
        return []
    said = {
        "explained by inputs": "the inputs explain it: other rows come than those held out, and the model never did "
        "better on such rows",
        "concept": "the inputs do not explain it: rows like these were answered better before",
        "inconclusive": "whether the inputs explain it cannot be told yet",
    }[judged.outcome]
    return [
        Finding(
            id=finding_id(seen.window.model, "concept:reason", (), since),
            model=seen.window.model,
            area="concept_drift",
            check="concept:reason",
            window=seen.window.index,
            since=since,
            size=judged.beyond.value,
            low=judged.beyond.low,
            high=judged.beyond.high,
            unit="mean loss beyond what the inputs explain",
            message=(
                f"{judged.outcome}: of {judged.moved.value:+.4f} in the mean loss the inputs explain "
                f"{judged.explained:+.4f}; beyond them {judged.beyond.value:+.4f} ({judged.beyond.low:+.4f} to "
                f"{judged.beyond.high:+.4f}). {said}"
            ),
            severity="info",
            evidence={"moved": judged.moved.value, "explained": judged.explained},
        )
    ]


def _beyond(seen: Seen, shared: float, column: str) -> list[Finding]:
    """Of a window whose rows lie beyond those held out, where a broken promise asks why."""
    if seen.step is None or not seen.step.alarm or seen.step.since is None:
        return []
    return [
        Finding(
            id=finding_id(seen.window.model, "concept:reason", (), seen.step.since), model=seen.window.model,
            area="concept_drift", check="concept:reason", window=seen.window.index, since=seen.step.since,
            size=1.0 - shared, low=1.0 - shared, high=1.0 - shared, unit="share of rows beyond those held out",
            message=(
                f"inconclusive: {column} shares only {shared:.0%} with the rows that were held out, so nobody knows "
                "how well such rows were answered before; other inputs may explain the loss"
            ),
            columns=(column,) if column in seen.signature.names else (), severity="info",
            evidence={"overlap": shared, "limit": LEAST_SHARED},
        )
    ]  # fmt: skip


def _unable(seen: Seen, name: str, missing: MissingExtra) -> Finding:
    return Finding(
        id=finding_id(seen.window.model, f"concept:{name}:missing", (), 0.0), model=seen.window.model,
        area="concept_drift", check=f"concept:{name}", window=seen.window.index, since=seen.window.start,
        size=0.0, low=0.0, high=0.0, unit="", message=f"the detector {name} cannot look: {missing}", severity="info",
    )  # fmt: skip
