"""A network of words trained by torch; what it found answers by numpy, and is sealed as plain arithmetic."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.errors import ConfigInvalid
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.train.changing_texts import mentioned, numbers_of
from fairlead.lab.train.estimators.text_layers import Plan, carried, layers_of, raw_of, table_of, text_net
from fairlead.lab.train.estimators.torch_estimator import Aims, TorchEstimator
from fairlead.lab.train.estimators.torch_tasks import LearnsClasses, LearnsNumbers
from fairlead.lab.train.transferring import invalid


class _TextNetwork(TorchEstimator):
    """Means of words' numbers (Joulin et al., Bag of tricks for efficient text classification, 2017), and the most that
    three words say (Kim, Convolutional neural networks for sentence classification, 2014), fitted by AdamW.

    width: numbers of a word; window: what is kept of three words at a time, 0: they are not looked at; hidden: sums
    before the head; the rest as of `torch_network`. layout: where texts lie among the features, set before the fit; all
    other features stand beside them. layers_: what was found; epochs_, best_epoch_, device_: passes made, the one
    taken, where it was trained.
    """

    def __init__(
        self,
        width: int = 32,
        window: int = 0,
        hidden: int = 32,
        epochs: int = 60,
        batch: int = 64,
        learning_rate: float = 5e-3,
        decay: float = 1e-2,
        dropout: float = 0.3,
        patience: int = 8,
        ordered: bool = False,
        device: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.width, self.window, self.hidden, self.epochs, self.batch = width, window, hidden, epochs, batch
        self.learning_rate, self.decay, self.dropout, self.patience = learning_rate, decay, dropout, patience
        self.ordered, self.device, self.random_state = ordered, device, random_state

    def _fit(self, x: Floats, aims: Aims, weights: Any, mean: float = 0.0, spread: float = 1.0) -> None:
        texts = self.layout.tokens
        if not texts:
            raise ConfigInvalid(
                "text_net learns from texts, and no feature is one.", file="fairlead.toml", key="train.learners",
                cure='Say [preparation] texts = {text = "words"}, or give a tensor of whole numbers, one a word.',
            )  # fmt: skip
        more = mentioned(texts, self.synonyms)
        tables = []
        for text in texts:
            numbers = numbers_of(x[:, text.start : text.start + text.size], text)
            tables.append(table_of(numbers, text.known, more.get(text.column, set())))
        plan = Plan(
            texts=texts,
            vocabularies=tuple(int(table.max()) for table in tables),
            width=self.width,
            window=self.window,
            hidden=self.hidden,
            beside=x.shape[1] - sum(text.size for text in texts),
            outputs=aims.outputs,
            dropout=self.dropout,
        )
        if self.begin is not None:
            plan = msgspec.structs.replace(plan, frozen=self.begin.frozen(plan.layers))
        build, state = partial(text_net, plan=plan, tables=tables), self._state(tables, mean, spread)
        found = self._fitted(x, aims, weights, msgspec.to_builtins(plan), build, state)
        self.layers_ = layers_of(plan, tables, found.state)

    def _state(self, tables: list[Ints], mean: float, spread: float) -> dict[str, Floats]:
        """What the net begins with, by its names in torch. Words that it did not know begin as nothing."""
        if self.begin is None:
            return {}
        sealed, found = self.begin.state, {}
        if sum(name.startswith("words") for name in sealed) != len(tables):
            raise invalid(f"it reads another number of texts than {len(tables)}.", "Learn anew.")
        for at, table in enumerate(tables):
            before = sealed[f"table{at}"].astype(np.int64)
            if len(before) != len(table):
                raise invalid("its words fall on another number of buckets.", "Set max_features as it was.")
            found[f"words{at}.weight"] = carried(sealed[f"words{at}"], before, table)
            if self.window:
                thirds = [sealed[f"threes{at}_{third}"] for third in range(3)]
                found[f"threes{at}.weight"] = np.concatenate(thirds).T
                found[f"threes{at}.bias"] = sealed[f"threes_bias{at}"]
        found["sums.weight"], found["sums.bias"] = sealed["sums"].T, sealed["bias"]
        return {**found, **self._head(sealed["head"], sealed["shift"], mean, spread)}

    def _undo(self, mean: float, spread: float) -> None:
        weights, bias = self.layers_.sums[-1]
        self.layers_.sums[-1] = (weights * spread, bias * spread + mean)

    def _raw(self, features: Any) -> Floats:
        return raw_of(self.layers_, np.asarray(features, dtype=np.float64))


class TextClassifier(LearnsClasses, _TextNetwork):
    """Shares of classes by cross-entropy."""


class TextRegressor(LearnsNumbers, _TextNetwork):
    """A number by squared errors."""
