"""Whether a slice of the rows moved, be it too small to move the whole."""

from __future__ import annotations

import numpy as np

from fairlead.contract.events import Cause, Finding
from fairlead.contract.settings import FloorSettings
from fairlead.ops.monitor.identity import finding_id
from fairlead.ops.monitor.learnt import Stretches
from fairlead.ops.monitor.seen import Seen
from fairlead.ops.monitor.slicing import Drifts, Slice, causes_in, drifts, slices_of, watched_columns
from fairlead.ops.monitor.standing_out import Limit, Part, by_others

MOST_TOLD = 5
NEARLY_ALL, MORE = 0.9, 1.25
SHIFT_FLOOR = 0.3
"""Least shift of a mean within a slice, beyond that of all rows, that matters, in standard deviations."""


def slice_drift(seen: Seen, made: Stretches) -> Part | None:
    """Distances within slices, and how large these are among the rows: the largest of all, of each stretch."""
    slices = slices_of(seen, made)
    if not slices:
        return None
    found = drifts(made, slices, watched_columns(seen, made))
    away = deviations(found)
    matters = _matters(found, seen.settings.monitor.floors)

    def tell(limit: Limit) -> list[Finding]:
        speaking = []
        for i, one in enumerate(slices):
            beyond = np.where(matters[i, :, -1], away[i, :, -1], -np.inf)
            at = int(beyond[:-1].argmax()) if len(beyond) > 1 else -1
            if len(beyond) > 1 and beyond[at] > limit.at:
                tell_of, place = (_drifted, at) if at < len(found.columns) else (_shifted, at - len(found.columns))
                far = float(beyond[at])
                speaking.append((far, tell_of(seen, one.rule, i, place, found, limit, far)))
            elif beyond[-1] > limit.at:
                speaking.append((float(beyond[-1]), _resized(seen, one.rule, i, found, limit, float(beyond[-1]))))
        told = [finding for _, finding in sorted(speaking, key=lambda pair: -pair[0])[:MOST_TOLD]]
        return told + ([] if not speaking else _explained(seen, found, slices))

    flat = away.reshape(-1, away.shape[-1])
    telling = np.where(matters, away, -np.inf).reshape(flat.shape)
    return Part("slices", flat.max(axis=0), telling.max(axis=0), tell)


def _matters(found: Drifts, floors: FloorSettings) -> np.ndarray:
    """Whether each figure of `deviations` is large enough to be told, as shaped there."""
    # A slice that only moves as all rows do is no news beside them.
    with np.errstate(invalid="ignore"):
        moved = (found.distance >= floors.drift) & (found.distance >= MORE * found.whole)
        own = np.abs(found.shift + found.whole_shift)
        shifted = (
            (np.abs(found.shift) >= SHIFT_FLOOR) & (own >= SHIFT_FLOOR) & (own >= MORE * np.abs(found.whole_shift))
        )
        moved &= (found.shares < NEARLY_ALL)[:, None, :]
        shifted &= (found.shares < NEARLY_ALL)[:, None, :]
        resized = np.abs(found.shares - np.median(found.shares[:, :-1], axis=1, keepdims=True)) >= floors.share
    return np.concatenate([moved, shifted, resized[:, None, :]], axis=1)


def deviations(found: Drifts) -> np.ndarray:
    """Distances, then shifts of means, and last shares, each in deviations from what stretches show,
    (slices, 2 x columns + 1, stretches + 1); -inf where there are too few rows to say.
    """
    values = np.concatenate([found.distance, found.shift, found.shares[:, None, :]], axis=1)
    centre, spread = by_others(values)
    enough = np.isfinite(values[:, :, :-1]).sum(axis=2, keepdims=True) >= 8
    with np.errstate(invalid="ignore"):
        away = (values - centre) / np.maximum(np.nan_to_num(spread), 1e-3 + 0.15 * np.abs(centre))
    # A distance is unusual where it is large, a mean or a share on either side.
    either = slice(found.distance.shape[1], None)
    away[:, either, :] = np.abs(away[:, either, :])
    return np.where(np.isfinite(away) & enough, away, -np.inf)


def _drifted(seen: Seen, rule: str, i: int, at: int, found: Drifts, limit: Limit, away: float) -> Finding:
    window, name = seen.window, found.columns[at]
    size, quiet = float(found.distance[i, at, -1]), found.distance[i, at, :-1]
    quiet = quiet[np.isfinite(quiet)]
    reach = 1.96 * float(quiet.std())
    share, whole = float(found.shares[i, -1]), float(found.whole[at, -1])
    message = (
        f"{name} moved where {rule} ({share:.0%} of the rows): distance {size:.3f}, usually {np.median(quiet):.3f}; "
        f"of all rows {whole:.3f}; {limit.usual.why}"
    )
    return Finding(
        id=finding_id(window.model, "slice_drift", (rule, name), window.start), model=window.model, area="data_drift",
        check="slice_drift", window=window.index, since=window.start, size=size, low=max(size - reach, 0.0),
        high=min(size + reach, 1.0), unit="Jensen-Shannon distance", message=message, columns=(rule, name),
        severity=limit.usual.severity, segment=rule,
        evidence={
            "limit": limit.at, "usual": float(np.median(quiet)), "deviations": away,
            "p": limit.p(away), "share": share, "whole": whole,
        },
    )  # fmt: skip


def _shifted(seen: Seen, rule: str, i: int, at: int, found: Drifts, limit: Limit, away: float) -> Finding:
    window, name = seen.window, found.columns[at]
    size, quiet = float(found.shift[i, at, -1]), found.shift[i, at, :-1]
    reach = 1.96 * float(quiet[np.isfinite(quiet)].std())
    share, whole = float(found.shares[i, -1]), float(found.whole_shift[at, -1])
    message = (
        f"{name} moved where {rule} ({share:.0%} of the rows): its mean by {size:+.2f} standard deviations "
        f"beyond the {whole:+.2f} of all rows; {limit.usual.why}"
    )
    return Finding(
        id=finding_id(window.model, "slice_shift", (rule, name), window.start), model=window.model, area="data_drift",
        check="slice_shift", window=window.index, since=window.start, size=size, low=size - reach, high=size + reach,
        unit="standard deviations", message=message, columns=(rule, name), severity=limit.usual.severity, segment=rule,
        evidence={"limit": limit.at, "deviations": away, "p": limit.p(away), "share": share, "whole": whole},
    )  # fmt: skip


def _resized(seen: Seen, rule: str, i: int, found: Drifts, limit: Limit, away: float) -> Finding:
    window, share, quiet = seen.window, float(found.shares[i, -1]), found.shares[i, :-1]
    reach = 1.96 * float(quiet.std())
    message = f"{share:.1%} of the rows are {rule}, usually {np.median(quiet):.1%}; {limit.usual.why}"
    return Finding(
        id=finding_id(window.model, "slice_share", (rule,), window.start), model=window.model, area="data_drift",
        check="slice_share", window=window.index, since=window.start, size=share, low=max(share - reach, 0.0),
        high=min(share + reach, 1.0), unit="share of rows", message=message, columns=(rule,),
        severity=limit.usual.severity, segment=rule,
        evidence={
            "limit": limit.at, "usual": float(np.median(quiet)), "deviations": away,
            "p": limit.p(away),
        },
    )  # fmt: skip


def _explained(seen: Seen, found: Drifts, slices: list[Slice]) -> list[Finding]:
    """Told beside: columns whose drift as a whole is that of one slice."""
    window = seen.window
    floor = seen.settings.monitor.floors.drift
    told = []
    for at in np.argsort(-found.whole[:, -1])[:3].tolist():
        causes: list[Cause] = causes_in(slices, found, at) if found.whole[at, -1] >= floor else []
        if causes:
            name, first = found.columns[at], causes[0]
            size = float(found.whole[at, -1])
            told.append(Finding(
                id=finding_id(window.model, "slice_explains", (name, first.name), window.start), model=window.model,
                area="data_drift", check="slice_explains", window=window.index, since=window.start, size=size,
                low=0.0, high=size, unit="Jensen-Shannon distance", columns=(name, first.name), severity="info",
                message=f"the drift of {name} is that of {first.name}: {first.why}", segment=first.name,
                causes=tuple(causes), evidence={"without": float(size * (1.0 - first.weight))},
            ))  # fmt: skip
    return told
