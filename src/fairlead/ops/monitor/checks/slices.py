"""Whether a slice of the rows moved, be it too small to move the whole."""

from __future__ import annotations

import numpy as np

from fairlead.contract.events import Cause, Finding
from fairlead.ops.monitor.budget import Family
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.learnt import Usual, remembered, stretches_of, usual_of
from fairlead.ops.monitor.seen import Moment, Seen
from fairlead.ops.monitor.slicing import Drifts, causes_in, drifts, slices_of, watched_columns

MOST_TOLD = 5
NEARLY_ALL, MORE = 0.9, 1.25


class SliceDrift:
    """Distances within slices, and how large they are among the rows; one limit for the largest of all."""

    name = "slices"
    family: Family = "inputs"
    moment: Moment = "inputs"
    early = False

    def look(self, seen: Seen, allowed: float) -> list[Finding]:
        """A finding for each of the five slices that moved furthest beyond what stretches show; else silence."""
        made = stretches_of(seen)
        slices = [] if made is None else slices_of(seen, made)
        if made is None or not slices:
            return []
        found = drifts(made, slices, watched_columns(seen, made))
        away = deviations(found)
        largest = away.reshape(-1, away.shape[-1]).max(axis=0)
        usual = usual_of(largest[:-1], seen, allowed)
        floor = seen.settings.monitor.floors.drift
        speaking = []
        for i, one in enumerate(slices):
            at = int(away[i, :-1, -1].argmax()) if away.shape[1] > 1 else 0
            # A slice that only moves as all rows do is no news beside them.
            beyond = found.shares[i, -1] < NEARLY_ALL and found.distance[i, at, -1] >= MORE * found.whole[at]
            moved = away[i, at, -1] > usual.limit and found.distance[i, at, -1] >= floor and beyond
            apart = abs(found.shares[i, -1] - np.median(found.shares[i, :-1]))
            grown = away[i, -1, -1] > usual.limit and apart >= seen.settings.monitor.floors.share
            if moved:
                speaking.append((float(away[i, at, -1]), _drifted(seen, one.rule, i, at, found, usual, away)))
            elif grown:
                speaking.append((float(away[i, -1, -1]), _resized(seen, one.rule, i, found, usual)))
        seen.keep(remembered(seen, float(largest[-1]), not speaking))
        told = [finding for _, finding in sorted(speaking, key=lambda pair: -pair[0])[:MOST_TOLD]]
        return told + ([] if not speaking else _explained(seen, found, slices))


def deviations(found: Drifts) -> np.ndarray:
    """Distances and, last of the columns, shares, each in deviations from what stretches show, (slices, columns + 1,
    stretches + 1); -inf where there are too few rows to say.
    """
    values = np.concatenate([found.distance, found.shares[:, None, :]], axis=1)
    known = np.isfinite(values[:, :, :-1])
    enough = known.sum(axis=2) >= 8
    with np.errstate(invalid="ignore", divide="ignore"):
        quiet = np.where(known, values[:, :, :-1], np.nan)
        count = np.maximum(known.sum(axis=2), 1)
        centre = np.nansum(quiet, axis=2) / count
        spread = np.sqrt(np.nansum((quiet - centre[:, :, None]) ** 2, axis=2) / np.maximum(count - 1, 1))
        away = (values - centre[:, :, None]) / np.maximum(spread, 1e-3 + 0.15 * np.abs(centre))[:, :, None]
    away[:, -1, :] = np.abs(away[:, -1, :])
    return np.where(np.isfinite(away) & enough[:, :, None], away, -np.inf)


def _drifted(seen: Seen, rule: str, i: int, at: int, found: Drifts, usual: Usual, away: np.ndarray) -> Finding:
    window, name = seen.window, found.columns[at]
    size, quiet = float(found.distance[i, at, -1]), found.distance[i, at, :-1]
    quiet = quiet[np.isfinite(quiet)]
    reach = 1.96 * float(quiet.std())
    share, whole = float(found.shares[i, -1]), float(found.whole[at])
    message = (
        f"{name} moved where {rule} ({share:.0%} of the rows): distance {size:.3f}, usually {np.median(quiet):.3f}; "
        f"of all rows {whole:.3f}; {usual.why}"
    )
    return Finding(
        id=finding_id(window.model, "slice_drift", (rule, name), window.start), model=window.model, area="data_drift",
        check="slice_drift", window=window.index, since=window.start, size=size, low=max(size - reach, 0.0),
        high=min(size + reach, 1.0), unit="Jensen-Shannon distance", message=message, columns=(rule, name),
        severity="info" if usual.provisional else "warning", segment=rule,
        evidence={
            "limit": usual.limit, "usual": float(np.median(quiet)), "deviations": float(away[i, at, -1]),
            "p": usual.p(float(away[i, at, -1])), "share": share, "whole": whole,
        },
    )  # fmt: skip


def _resized(seen: Seen, rule: str, i: int, found: Drifts, usual: Usual) -> Finding:
    window, share, quiet = seen.window, float(found.shares[i, -1]), found.shares[i, :-1]
    reach = 1.96 * float(quiet.std())
    message = f"{share:.1%} of the rows are {rule}, usually {np.median(quiet):.1%}; {usual.why}"
    return Finding(
        id=finding_id(window.model, "slice_share", (rule,), window.start), model=window.model, area="data_drift",
        check="slice_share", window=window.index, since=window.start, size=share, low=max(share - reach, 0.0),
        high=min(share + reach, 1.0), unit="share of rows", message=message, columns=(rule,),
        severity="info" if usual.provisional else "warning", segment=rule,
        evidence={"limit": usual.limit, "usual": float(np.median(quiet))},
    )  # fmt: skip


def _explained(seen: Seen, found: Drifts, slices: list) -> list[Finding]:  # type: ignore[type-arg]
    """Told beside: columns whose drift as a whole is that of one slice."""
    window = seen.window
    floor = seen.settings.monitor.floors.drift
    told = []
    for at in np.argsort(-found.whole)[:3].tolist():
        causes: list[Cause] = causes_in(slices, found, at) if found.whole[at] >= floor else []
        if causes:
            name, first = found.columns[at], causes[0]
            size = float(found.whole[at])
            told.append(Finding(
                id=finding_id(window.model, "slice_explains", (name, first.name), window.start), model=window.model,
                area="data_drift", check="slice_explains", window=window.index, since=window.start, size=size,
                low=0.0, high=size, unit="Jensen-Shannon distance", columns=(name, first.name), severity="info",
                message=f"the drift of {name} is that of {first.name}: {first.why}", segment=first.name,
                causes=tuple(causes), evidence={"without": float(size * (1.0 - first.weight))},
            ))  # fmt: skip
    return told
