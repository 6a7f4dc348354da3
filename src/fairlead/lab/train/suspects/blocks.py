"""Blocks of rows that do harm: what a model loses on all other rows by having learned from them.

A block (a stretch of time, a source, a batch) is left out, and rows outside it are
judged by a model with and one without it. Random sets of rows of the same sizes say
what leaving out does by chance; a block is suspicious where it goes beyond that with
all blocks' tests counted together.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import numpy as np

from fairlead.lab.stats.loss import loss_clip, losses
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.train.fitting import fit, learner_of, scores_of
from fairlead.lab.train.material import Material

ALPHA = 0.05
FLOOR = 0.01  # of the loss: harm below is none worth a word
RUNS = 10
FITTED = 6_000
_SPLITS = 3
_SHUFFLES = 2
_LEVELS = (2, 24)
_FEWEST = 30
SOURCE_NAME = re.compile(
    r"(^|[_\W])(source|batch|import|origin|channel|site|station|sensor|device|file|vendor|supplier|agent|labell?er|"
    r"annotator|rater|shop|store|branch|system)([_\W]|$)", re.IGNORECASE,
)  # fmt: skip


class Block(msgspec.Struct, frozen=True):
    """One block. harm: by how much of its loss a model improves on all other rows when it does not learn from it,
    chance taken off, with its 95 % interval (multiplicity not included). p: that chance does as much, times the tests.

    by: "time", "order" or a column; rows: how many it has; first, last: numbers of its first and last row of the table.
    """

    by: str
    name: str
    rows: int
    first: int
    last: int
    harm: float
    low: float
    high: float
    p: float
    suspicious: bool


Fit = Callable[[Ints], Callable[[Ints], Floats]]
"""fit(rows to learn from) -> losses(rows to judge), both as positions."""


def blocks_of(material: Material, numbers: Ints, columns: tuple[str, ...] = ()) -> dict[tuple[str, str], Ints]:
    """(by, name) -> positions. Ten runs by time, or by the order of the table; and the values of source columns.

    numbers: (rows,) of the table, from 1. columns: whose values are blocks, too; without, columns named like sources
    (source, batch, sensor, labeler...) with 2 to 24 values.
    """
    found: dict[tuple[str, str], Ints] = {}
    timed = material.times is not None
    order = np.arange(material.rows) if timed else np.argsort(numbers, kind="stable")
    for number, rows in enumerate(np.array_split(order, RUNS), start=1):
        found["time" if timed else "order", f"{number} of {RUNS}"] = rows
    for name in columns or tuple(n for n in material.source.columns if SOURCE_NAME.search(str(n))):
        if name not in material.source.columns or name == material.signature.target:
            continue
        cells = material.source[name].astype(str).to_numpy()
        values, codes = np.unique(cells, return_inverse=True)
        if _LEVELS[0] <= len(values) <= _LEVELS[1]:
            found.update({(str(name), str(v)): np.flatnonzero(codes == i) for i, v in enumerate(values)})
    return {key: rows for key, rows in found.items() if _FEWEST <= len(rows) <= material.rows // 2}


def block_influence(rows: int, blocks: dict[tuple[str, str], Ints], fit: Fit, seed: int) -> list[tuple[Floats, float]]:
    """For each block: (harm, low, high) as shares of the loss, and the p-value times the number of blocks.

    Three splits of the rows into halves, one to learn from and one to judge on, are averaged. Chance: blocks of the
    same sizes drawn at random, twice; their effects, scaled by the root of their size, give mean and deviation, and the
    effect of a block is referred to Student's t with as many degrees of freedom less one.
    """
    from scipy.stats import t as student

    random = np.random.default_rng([seed, 23])
    members = list(blocks.values())
    shuffled = []
    for _ in range(_SHUFFLES):
        shuffled += [random.choice(rows, len(m), replace=False) for m in members]
    effects = np.zeros(len(members) + len(shuffled))
    level = 0.0
    for _ in range(_SPLITS):
        half = random.permutation(rows) % 2 == 0
        learn = np.flatnonzero(half)
        whole = fit(learn)(np.arange(rows))
        level += float(whole[~half].mean()) / _SPLITS
        for i, block in enumerate([*members, *shuffled]):
            inside = np.zeros(rows, dtype=bool)
            inside[block] = True
            judge = np.flatnonzero(~half & ~inside)
            without = fit(np.flatnonzero(half & ~inside))(judge)
            effects[i] += float((whole[judge] - without).mean()) / _SPLITS
    sizes = np.sqrt([len(m) for m in members])
    root = np.tile(sizes, _SHUFFLES)
    scaled = effects[len(members) :] / root
    centre, spread, free = float(scaled.mean()), float(scaled.std(ddof=1)), len(scaled) - 1
    wide = float(student.ppf(0.975, free)) * spread * np.sqrt(1 + 1 / len(scaled))
    found = []
    for effect, size in zip(effects[: len(members)], sizes, strict=True):
        t = (effect / size - centre) / max(spread * np.sqrt(1 + 1 / len(scaled)), 1e-15)
        harm = effect - centre * size
        p = min(1.0, float(student.sf(t, free)) * len(members))
        found.append((np.array([harm, harm - wide * size, harm + wide * size]) / max(level, 1e-12), p))
    return found


def harmful_blocks(
    material: Material, numbers: Ints, learner: str, seed: int, columns: tuple[str, ...] = ()
) -> list[Block]:
    """Every block with what it does, the most harmful first. At most 6,000 rows are fitted, by lot.

    suspicious: p below 0.05 with all blocks counted, and a harm of at least 1 % of the loss.
    """
    blocks = blocks_of(material, numbers, columns)
    if len(blocks) < 2:
        return []
    chosen = np.arange(material.rows)
    if material.rows > FITTED:
        chosen = np.sort(np.random.default_rng([seed, 29]).choice(material.rows, FITTED, replace=False))
    place = np.full(material.rows, -1)
    place[chosen] = np.arange(len(chosen))
    inside = {key: place[rows][place[rows] >= 0] for key, rows in blocks.items()}
    inside = {key: rows for key, rows in inside.items() if len(rows) >= _FEWEST}
    small = material.take(chosen)
    effects = block_influence(small.rows, inside, _fitter(small, learner, seed), seed)
    told = []
    for (key, rows), (harm, p) in zip(((k, blocks[k]) for k in inside), effects, strict=True):
        own = numbers[rows]
        share, low, high = (float(v) for v in harm)
        suspicious = p < ALPHA and share >= FLOOR
        told.append(Block(*key, len(rows), int(own.min()), int(own.max()), share, low, high, p, suspicious))
    return sorted(told, key=lambda b: (b.p, -b.harm))


def _fitter(material: Material, learner: str, seed: int) -> Fit:
    signature = material.signature
    clip = 1.0
    if signature.task == "regression":
        clip = loss_clip(np.abs(material.truth - np.median(material.truth)))
    parameters = learner_of(learner).default(material.rows)

    def learned(rows: Ints) -> Callable[[Ints], Floats]:
        fitted = fit(material, learner, parameters, seed, rows)

        def judged(judge: Ints) -> Floats:
            scores = scores_of(fitted, material.frame.iloc[judge], signature)
            return np.asarray(losses(signature.task, material.truth[judge], scores, signature, clip))

        return judged

    return learned
