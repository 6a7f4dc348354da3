"""What a network is before it is fitted: one that answers already, read back from its sealed graph.

Nothing is unpickled: numbers come from the constants of `tail.onnx`, by the names that Fairlead's own emitters give
them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import TransferSettings
from fairlead.contract.signature import Signature
from fairlead.lab.stats.measures import Floats

FILE, KEY = "fairlead.toml", "train.transfer"
NETWORKS = ("image_net", "text_net", "neural_net")
"""Learners that can begin with what they were."""
FILES = (".onnx", ".pt2")


@dataclass(frozen=True)
class Transferred:
    """said: bundle id, or `sha256:` of a file. learner: whose network it is, `image_head` for that of a file.

    state: its numbers by the names of the sealed graph; signature: of the model that it answers for, None of a file;
    data: of a file, an ONNX graph.
    """

    said: str
    learner: str
    rules: TransferSettings
    state: Mapping[str, Floats] = field(default_factory=dict)
    signature: Signature | None = None
    data: bytes = b""

    def fixed(self) -> dict[str, Any]:
        """Parameters of the learner that follow from the network."""
        shapes = {name: held.shape for name, held in self.state.items()}
        if self.learner == "neural_net":
            layers = sum(name.startswith("weights") for name in shapes)
            return {"layers": "x".join(str(shapes[f"weights{at}"][1]) for at in range(layers - 1))}
        if self.learner == "image_net":
            kernels = sum(name.startswith("kernel") for name in shapes)
            channels = "x".join(str(shapes[f"kernel{at}"][0]) for at in range(1, kernels, 2))
            return {"channels": channels, "hidden": shapes["sums"][1]}
        if self.learner == "text_net":
            window = shapes["threes0_0"][1] if "threes0_0" in shapes else 0
            return {"width": shapes["words0"][1], "window": window, "hidden": shapes["sums"][1]}
        return {}

    def frozen(self, layers: int) -> int:
        """Layers, from the input on, that stay as they are. Raises ConfigInvalid where none would be left to learn."""
        asked = self.rules.freeze
        if asked == "nothing":
            return 0
        if asked == "all_but_head":
            return layers - 1
        if asked >= layers:
            raise invalid(
                f"the network has {layers} layers; {asked} frozen ones leave nothing to learn.",
                f"Freeze {layers - 1} at most, which is all_but_head.", "freeze",
            )  # fmt: skip
        return asked

    def digest(self) -> str:
        """Of its numbers and of what is kept of them, which tells fits apart."""
        found = hashlib.sha256(repr((self.said, self.rules.freeze, self.rules.new_head)).encode())
        return found.hexdigest()[:32]

    def check(self, signature: Signature) -> None:
        """Raises ConfigInvalid where the model to be is of other columns, or of other classes and keeps the head."""
        then = self.signature
        if then is None:
            return
        if self.learner == "neural_net" and then.names != signature.names:
            differ = sorted(set(then.names) ^ set(signature.names)) or ["their order"]
            raise invalid(f"its columns are others: {', '.join(differ[:10])}.", "Learn anew, or from those columns.")
        shapes = {column.name: column.shape for column in signature.columns if column.kind == "tensor"}
        for column in then.columns:
            if column.kind == "tensor" and shapes.get(column.name, column.shape) != column.shape:
                raise invalid(
                    f"{column.name!r} had the shape {list(column.shape)} and has {list(shapes[column.name])}.",
                    "Bring the rows to that shape by [data] prepare, or learn anew.",
                )  # fmt: skip
        if not self.rules.new_head and signature.classes != then.classes:
            raise invalid(
                f"its classes are {told(then.classes)}, those of the rows are {told(signature.classes)}.",
                "Set new_head = true: all layers but the last are taken over.", "new_head",
            )  # fmt: skip

    def head(self, weights: Floats, bias: Floats, classes: Sequence[str]) -> tuple[Floats, Floats] | None:
        """The head for these classes, a part of those it has, as (outputs, inputs) and (outputs,); None: a new one.

        weights: (inputs, outputs), bias: (outputs,) as sealed; classes: () where it gives a number.
        """
        if self.rules.new_head or self.signature is None:
            return None
        if not classes:
            return weights.T, bias
        if weights.shape[1] == 1:
            # Two classes share one sum, that of the second.
            weights, bias = np.hstack([np.zeros_like(weights), weights]), np.array([0.0, bias[0]])
        kept = [self.signature.classes.index(name) for name in classes]
        weights, bias = weights[:, kept], bias[kept]
        if len(kept) == 2:
            weights, bias = weights[:, 1:] - weights[:, :1], bias[1:] - bias[:1]
        return weights.T, bias


def told(classes: tuple[str, ...]) -> str:
    """Classes in a few words."""
    shown = ", ".join(classes[:10]) + (f" and {len(classes) - 10} more" if len(classes) > 10 else "")
    return shown or "none (a number)"


def invalid(what: str, cure: str = "", key: str = "") -> ConfigInvalid:
    """The error about a start."""
    return ConfigInvalid(what, file=FILE, key=f"{KEY}.{key}" if key else KEY, cure=cure)


def of_bundle(
    bundle: str, learner: str, tail: bytes | None, signature: Signature, rules: TransferSettings
) -> Transferred:
    """A sealed network to begin with. tail: bytes of its tail.onnx, None where it has none. Raises ConfigInvalid."""
    if learner not in NETWORKS or tail is None:
        raise invalid(
            f"{bundle[:12]} is a model of {learner or 'another make'}, not a network.",
            f"A network can begin with one of {', '.join(NETWORKS)}.", "from",
        )  # fmt: skip
    import onnx

    model = onnx.load_model_from_string(tail)
    state = {held.name: onnx.numpy_helper.to_array(held).astype(np.float64) for held in model.graph.initializer}
    needed = {"neural_net": ("weights0", "bias0"), "image_net": ("kernel0", "sums"), "text_net": ("words0", "sums")}
    if any(name not in state for name in needed[learner]):
        raise invalid(f"{bundle[:12]} was sealed in a form that its weights cannot be read back from.", "", "from")
    return Transferred(bundle, learner, rules, state, signature)


def of_file(said: str, data: bytes, rules: TransferSettings) -> Transferred:
    """A network of the user's own. said: `sha256:` of its file; data: bytes of an ONNX graph, its own or translated."""
    return Transferred(said, "image_head", rules, data=data)


class Begun:
    """A learner whose network begins with another: what follows from that one is not searched."""

    def __init__(self, learner: Any, start: Transferred) -> None:
        self._learner, self._fixed = learner, start.fixed()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("_learner", "_fixed"):
            raise AttributeError(name)
        return getattr(self._learner, name)

    def default(self, rows: int) -> dict[str, Any]:
        """See Learner."""
        return {**self._learner.default(rows), **self._fixed}

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """See Learner."""
        return {**self._learner.space(trial, rows), **self._fixed}


def beginning(learners: list[Any], start: Transferred | None, signature: Signature) -> list[Any]:
    """The learners, that of the start beginning with it. Raises ConfigInvalid where none of them can."""
    if start is None:
        return learners
    start.check(signature)
    if not any(learner.name == start.learner for learner in learners):
        tried = ", ".join(learner.name for learner in learners)
        raise invalid(
            f"what it begins with is of {start.learner}, and learners are: {tried}.",
            f'Set [train] learners = ["{start.learner}"].', "from",
        )  # fmt: skip
    return [Begun(learner, start) if learner.name == start.learner else learner for learner in learners]
