"""What a mitigation did: gaps between groups out of fold, without it and with it, and what it cost."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from fairlead.contract.decisions import GapFound, GroupThreshold, LotFound, MitigationFound
from fairlead.contract.settings import Settings
from fairlead.lab.stats.blocks import Block, block_size, group_blocks
from fairlead.lab.stats.disparities import SMALL_GROUP, Disparity, disparity, groups_of, measured, odds_disparity
from fairlead.lab.stats.intervals import bootstrap
from fairlead.lab.stats.loss import losses
from fairlead.lab.stats.measures import Floats, Ints, decisions, positive_index
from fairlead.lab.train.estimators.combined import Combined
from fairlead.lab.train.material import Material
from fairlead.lab.train.mitigating import rules_of

MEASURES = ("demographic_parity", "equal_opportunity", "equalised_odds", "calibration")


def mitigation_found(
    material: Material, settings: Settings, before: Floats, after: Floats, pipeline: Any, block: Block
) -> MitigationFound | None:
    """The evidence, of out-of-fold answers to the same rows, (n, classes) each; None of more than two classes.

    pipeline: what is sealed, fitted on these rows; block: neighbours in time that count as one observation.
    """
    rules = rules_of(settings)
    if rules is None or len(material.signature.classes) != 2:
        return None
    known = np.isfinite(before).all(axis=1) & np.isfinite(after).all(axis=1) & (material.codes() >= 0)
    rows = np.flatnonzero(known)
    if not len(rows):
        return None
    part, seed, model = material.take(rows), settings.train.seed, pipeline.steps[-1][1]
    if part.clusters is not None:
        block = group_blocks(part.clusters, block_size(len(rows), block))
    sides = (before[rows], after[rows])
    codes, signature = part.codes(), part.signature
    right = [(decisions(scores, signature) == codes).astype(np.float64) for scores in sides]
    lost = [losses("classification", part.truth, scores, signature) for scores in sides]
    found = MitigationFound(
        way=rules.by,
        constraint="" if rules.by == "reweighing" else rules.constraint,
        bound=0.0 if rules.by == "reweighing" else rules.bound,
        rows=len(rows),
        gaps=_gaps(part, settings.model.sensitive, sides, lost, block, seed),
        accuracy=bootstrap(right[1] - right[0], seed=seed, block=block),
        loss=bootstrap(lost[1] - lost[0], seed=seed, block=block),
        positive=_positive(sides, part),
        column="" if material.terms.mitigation is None else material.terms.mitigation.column,
        thresholds=_thresholds(material, model),
        members=len(model.members) if rules.by == "exponentiated_gradient" else 0,
        lot=_lot(material, pipeline, rules.constraint) if rules.by == "exponentiated_gradient" else None,
    )
    found = msgspec.structs.replace(found, met=_met(found))
    return msgspec.structs.replace(found, why=_why(found))


def _gaps(
    part: Material,
    sensitive: tuple[str, ...],
    sides: tuple[Floats, Floats],
    lost: list[Floats],
    block: Block,
    seed: int,
) -> tuple[GapFound, ...]:
    found = []
    for column in sensitive:
        if column not in part.source.columns:
            continue
        names, codes = groups_of(part.source[column])
        for measure in MEASURES:
            before, after = (
                _gap(part, column, names, codes, measure, scores, loss, block, seed)
                for scores, loss in zip(sides, lost, strict=True)
            )
            found.append(GapFound(column, measure, before.gap, after.gap, after.between, after.small))
    return tuple(found)


def _gap(
    part: Material,
    column: str,
    names: list[str],
    codes: Ints,
    measure: str,
    scores: Floats,
    loss: Floats,
    block: Block,
    seed: int,
) -> Disparity:
    parts = measured(part.signature, part.truth, scores, loss)
    if measure == "equalised_odds":
        return odds_disparity(column, names, codes, parts, block, seed)
    return disparity(column, measure, names, codes, *parts[measure], block=block, seed=seed)


def _positive(sides: tuple[Floats, Floats], part: Material) -> tuple[float, float]:
    at = positive_index(part.signature)
    before, after = (float((decisions(scores, part.signature) == at).mean()) for scores in sides)
    return before, after


def _thresholds(material: Material, model: Any) -> tuple[GroupThreshold, ...]:
    mitigation = material.terms.mitigation
    if mitigation is None or not mitigation.marks or not isinstance(model, Combined):
        return ()
    cells = material.columns[mitigation.column]
    found = []
    for mark, offset in zip(mitigation.marks, model.offsets, strict=True):
        rows = int(np.sum([cell == mark for cell in cells]))
        name = mark if isinstance(mark, str) else str(bool(mark)).lower()
        threshold = float(1.0 / (1.0 + np.exp(offset)))
        found.append(GroupThreshold(name, rows, threshold, small=rows < SMALL_GROUP))
    return tuple(found)


def _lot(material: Material, pipeline: Any, constraint: str) -> LotFound | None:
    """Of the groups that the fit went by."""
    rows = material.learned()
    part = material if rows is None else material.take(rows)
    model, groups = pipeline.steps[-1][1], part.groups
    if groups is None or not isinstance(model, Combined):
        return None
    features = np.asarray(pipeline.steps[0][1].transform(part.frame), dtype=np.float64)
    event = part.codes() == positive_index(part.signature)
    drawn, sealed = model.by_lot(features), (model.predict(features) == model.positive).astype(np.float64)
    right = [float(np.where(event, chance, 1.0 - chance).mean()) for chance in (drawn, sealed)]
    gaps = [_widest(chance, event, groups, constraint) for chance in (drawn, sealed)]
    differs = float((drawn * (1.0 - sealed) + (1.0 - drawn) * sealed).mean())
    return LotFound(differs, (right[0], right[1]), (gaps[0], gaps[1]))


def _widest(chance: Floats, event: np.ndarray, groups: Ints, constraint: str) -> float:
    """The largest difference between groups in the rates that are evened out."""
    among = {
        "demographic_parity": [np.ones(len(event), dtype=bool)],
        "equal_opportunity": [event],
        "equalised_odds": [event, ~event],
    }[constraint]
    widest = 0.0
    for rows in among:
        rates = [
            chance[rows & (groups == g)].mean()
            for g in np.unique(groups)
            if (rows & (groups == g)).sum() >= SMALL_GROUP
        ]
        widest = max(widest, float(max(rates) - min(rates)) if len(rates) > 1 else 0.0)
    return widest


def _met(found: MitigationFound) -> str:
    """Whether the bound holds: surely, surely not, or nobody can tell; empty where none was asked."""
    if not found.constraint:
        return ""
    told = [g for g in found.gaps if g.measure == found.constraint and (not found.column or g.column == found.column)]
    if not told or any(gap.after is None for gap in told):
        return "inconclusive"
    ends = [gap.after for gap in told if gap.after is not None]
    if any(end.low > found.bound for end in ends):
        return "missed"
    return "met" if all(end.high <= found.bound for end in ends) else "inconclusive"


def _why(found: MitigationFound) -> str:
    wanted = found.constraint or "demographic_parity"
    told = [
        f"{gap.column} from {_spread(gap.before)} to {_spread(gap.after)}"
        for gap in found.gaps
        if gap.measure == wanted and gap.before is not None and gap.after is not None
    ]
    small = sorted({name for gap in found.gaps if gap.measure == wanted for name in gap.small})
    words = (
        f"{found.way.replace('_', ' ').capitalize()}: gap of {wanted.replace('_', ' ')} of "
        f"{'; of '.join(told) or 'no column with two groups large enough'}"
    )
    cost = f", share decided right {_signed(found.accuracy)}"
    if found.met:
        words += f" (asked: at most {found.bound:g}, {found.met})"
    few = f"; too few rows to say anything of: {', '.join(small)}" if small else ""
    said = f", decided positive {found.positive[0]:.1%} before and {found.positive[1]:.1%} now"
    return f"{words}{cost}{said}{few}."


def _spread(found: Any) -> str:
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _signed(found: Any) -> str:
    return f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
