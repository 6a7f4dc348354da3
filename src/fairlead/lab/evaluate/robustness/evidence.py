"""What was found out about a model's robustness. Plain data, part of report.json."""

from __future__ import annotations

import msgspec

from fairlead.contract.evidence import Interval


class Damage(msgspec.Struct, frozen=True):
    """One way in which inputs go wrong on their way, and what it does.

    kind: noise, missing, unseen or units. rise: of the mean loss, on the same rows. flipped: share of decisions that
    change (None of a regression). visible: share of the damaged cells that are missing, new or out of the range
    that training saw, so that watching can see them; harm that is not visible goes unnoticed until labels come.
    refused: the model answers such rows with an error, as the trained one did, so nothing wrong is answered.
    """

    kind: str
    column: str
    what: str
    rise: Interval
    flipped: float | None
    visible: float
    refused: bool = False


class Evasion(msgspec.Struct, frozen=True):
    """How often somebody who may change some columns of a row, each within what training saw, gets another decision.

    attack: how it was tried; a better one may find more, so shares are at least these. rows: attacked. within: share
    of rows turned by changing at most 1, 2, ... columns. distance: median over turned rows, in standard deviations of
    the numeric columns, where the attack measures it. columns: those that turned most rows alone, with the share.
    fixed: those that nobody may change. steps: of an attack by steps, how large one was, as a share of each column's
    range, and the share of rows that it or a smaller one turned.
    """

    attack: str
    rows: int
    within: tuple[Interval, ...]
    distance: float | None = None
    columns: tuple[tuple[str, float], ...] = ()
    fixed: tuple[str, ...] = ()
    steps: tuple[tuple[float, Interval], ...] = ()


class Membership(msgspec.Struct, frozen=True):
    """Whether losses tell the rows that the model learned from. auc: 0.5 tells nothing; advantage: the best attack's
    true less its false positive rate, 0 tells nothing.
    """

    members: int
    others: int
    auc: Interval
    advantage: Interval


class Inversion(msgspec.Struct, frozen=True):
    """How much better a sensitive column is guessed by who knows the model than by who does not. gain: of the share
    guessed right. knows: what the attacker knows: all other cells of a row and its truth, where the column is a
    feature; else the truth and the answer.
    """

    column: str
    rows: int
    guessed: float
    blind: float
    gain: Interval
    knows: str = "the rest of a row, the truth and the model"


class Robustness(msgspec.Struct, frozen=True, omit_defaults=True):
    """All of it. rows: damaged ones. left_out: what was not tried, and why."""

    rows: int
    damages: tuple[Damage, ...] = ()
    evasion: tuple[Evasion, ...] = ()
    membership: Membership | None = None
    inversion: tuple[Inversion, ...] = ()
    left_out: tuple[str, ...] = ()
