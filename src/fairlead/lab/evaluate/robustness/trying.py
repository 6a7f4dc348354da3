"""All that is tried on a model's robustness, on a bounded number of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fairlead.contract.errors import ConfigInvalid, NotOffered
from fairlead.contract.settings import Settings
from fairlead.lab.evaluate.robustness.damage import damages_of
from fairlead.lab.evaluate.robustness.evasion import greedy
from fairlead.lab.evaluate.robustness.evidence import Evasion, Robustness
from fairlead.lab.evaluate.robustness.gradient_sign import fgsm
from fairlead.lab.evaluate.robustness.hop_skip_jump import hop_skip_jump
from fairlead.lab.evaluate.robustness.inferring import inferred
from fairlead.lab.evaluate.robustness.leaking import inversion, member_losses, membership
from fairlead.lab.evaluate.rows import Judged

ROWS = 1000
ATTACKS: dict[str, Callable[..., Evasion | None]] = {"greedy": greedy, "hop_skip_jump": hop_skip_jump, "fgsm": fgsm}


def robustness_of(
    judged: Judged, settings: Settings, members: Any = None, files: Mapping[str, bytes] | None = None
) -> Robustness:
    """Damage, evasion and leaking of one model. members: some rows it learned from, as a frame with the target.
    files: of its bundle, verified, for attacks that follow a gradient.

    At most 1,000 rows are damaged, 200 attacked. Columns of `[evaluate] immutable` and `[model] sensitive` are not the
    attacker's to change. Deterministic for `[train] seed`. Raises ConfigInvalid for an attack that does not exist,
    MissingExtra for one whose library is not installed.
    """
    seed, wanted = settings.train.seed, settings.evaluate
    random = np.random.default_rng([seed, 29])
    rows = np.sort(random.permutation(judged.rows)[:ROWS])
    fixed = tuple(dict.fromkeys([*wanted.immutable, *settings.model.sensitive]))
    left_out: list[str] = []
    evasions: list[Evasion] = []
    for name in wanted.attacks:
        if name not in ATTACKS:
            raise ConfigInvalid(
                f"{name!r} is no attack.", file="fairlead.toml", key="evaluate.attacks",
                cure=f"Known: {', '.join(ATTACKS)}.",
            )  # fmt: skip
        try:
            found = ATTACKS[name](judged, fixed, seed, files) if name == "fgsm" else ATTACKS[name](judged, fixed, seed)
        except NotOffered as why:
            left_out.append(f"{name}: {why}")
            continue
        if found is None:
            left_out.append(f"{name}: there is no decision to turn, or no column that it may change")
        else:
            evasions.append(found)
    told = member_losses(judged, members)
    if told is None:
        left_out.append("membership: rows that it learned from are not at hand")
    features = {c.name: c for c in judged.signature.columns}
    sensitive = [features[name] for name in settings.model.sensitive if name in features]
    inverted = [inversion(judged, column, rows, seed) for column in sensitive]
    inverted += [inferred(judged, name, seed) for name in settings.model.sensitive if name not in features]
    if not any(inverted):
        left_out.append("inversion: no column of few values is named in [model] sensitive")
    return Robustness(
        rows=len(rows),
        damages=damages_of(judged, rows, seed),
        evasion=tuple(evasions),
        membership=None if told is None else membership(told, judged.loss, seed),
        inversion=tuple(found for found in inverted if found is not None),
        left_out=tuple(left_out),
    )
