"""The kernel explainer of the library shap over the compiled model, for who wants its figures (extra `explain`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from fairlead.contract.errors import MissingExtra
from fairlead.runtime.explain.attributed import Attributed, Floats
from fairlead.runtime.explain.mixing import Mixer
from fairlead.runtime.explain.subject import Subject, Terms


class ShapKernelExplainer:
    """A weighted regression over coalitions of source columns, as shap does it; it states no error of its own.

    Used where it is asked for by name. Source: Lundberg and Lee, A unified approach to interpreting model predictions
    (2017).
    """

    name = "shap"
    exact = False

    def accepts(self, subject: Subject, terms: Terms) -> str | None:
        """None if it can explain this, else why not. Raises MissingExtra."""
        _library()
        fewest = (2 * len(subject.read) + 1) * len(subject.background)
        if fewest > terms.evaluations:
            return f"{fewest} answers a row would be needed, {terms.evaluations} are allowed"
        return None

    def attribute(self, subject: Subject, features: Floats, terms: Terms) -> Attributed:
        """See `Explainer` in contract/ports."""
        shap = _library()
        found = np.zeros((len(features), len(subject.players), len(subject.baseline)))
        rows = len(subject.background)
        samples = max(2 * len(subject.read) + 1, terms.evaluations // rows)
        for at, row in enumerate(features):
            mixer = Mixer(subject, row)
            players = np.array(mixer.players, dtype=np.int64)
            if not len(players):
                continue
            worth = _worth(subject, mixer, players, terms)
            explainer = shap.KernelExplainer(worth, np.zeros((1, len(players))))
            # shap draws from numpy's global generator, which is put back as it was.
            state = np.random.get_state()
            try:
                np.random.seed(terms.seed)
                values = explainer.shap_values(np.ones((1, len(players))), nsamples=samples, silent=True, l1_reg=0)
            finally:
                np.random.set_state(state)
            found[at, players] = np.asarray(values)[0].reshape(len(players), -1)
        return Attributed(found, f"shap's kernel explainer, {samples} coalitions a row, without a stated error")


def _worth(subject: Subject, mixer: Mixer, players: np.ndarray, terms: Terms) -> Any:
    rows = len(subject.background)

    def worth(present: np.ndarray) -> np.ndarray:
        coalitions = np.zeros((len(present), len(subject.players)), dtype=bool)
        coalitions[:, players] = np.asarray(present) == 1
        partners = np.tile(np.arange(rows), len(present))
        margins = mixer.margins(np.repeat(coalitions, rows, axis=0), partners, terms)
        found: np.ndarray = margins.reshape(len(present), rows, -1).mean(axis=1)
        return found

    return worth


def _library() -> Any:
    try:
        import shap
    except ModuleNotFoundError as missing:
        if missing.name == "shap":
            raise MissingExtra("shap", "explain") from missing
        raise
    return shap
