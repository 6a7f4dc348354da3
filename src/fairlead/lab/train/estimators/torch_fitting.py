"""The passes of a network over its rows: batches, steps, judging, stopping, keeping.

Each pass seeds torch by the fit's seed and the number of the pass, so a fit that goes on after a kill makes the very
steps that it would have made.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.learners.asking import library

LONG = 100_000
"""Rows from which on torch may use all cores: for fewer they wait for each other."""
KEPT_FITS = 20
"""Unfinished fits that are kept in a folder."""


class Recipe(msgspec.Struct, frozen=True):
    """sizes: of the layers, features first. kind: two, classes or number; the rest as of the estimator."""

    sizes: tuple[int, ...]
    kind: str
    epochs: int
    batch: int
    rate: float
    decay: float
    dropout: float
    patience: int
    seed: int
    device: str


@dataclass(frozen=True)
class Rows:
    """x: (n, features); aims: (n,) codes or deviations; weights: (n,)."""

    x: Floats
    aims: Floats
    weights: Floats


@dataclass(frozen=True)
class Network:
    """What a fit found: a matrix (inputs, outputs) and a vector a layer; passes made, and which of them is this."""

    weights: list[Floats]
    biases: list[Floats]
    epochs: int
    best: int
    device: str


class Fitting:
    """One fit. checkpoint: a file that holds the passes made so far, until it is done; None: none is kept."""

    def __init__(
        self,
        recipe: Recipe,
        learned: Rows,
        judged: Rows | None,
        checkpoint: Path | None,
        watch: Callable[[str, float], Any] | None,
    ) -> None:
        self.torch = library("torch", "torch")
        self.recipe, self.checkpoint, self.watch = recipe, checkpoint, watch
        torch, wanted = self.torch, recipe.device
        self.device = ("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else wanted
        self.learned, self.judged = self._tensors(learned), None if judged is None else self._tensors(judged)

    def run(self) -> Network:
        """All passes, or those until there is no more gain."""
        torch = self.torch
        threads = torch.get_num_threads()
        if len(self.learned[0]) < LONG:
            torch.set_num_threads(1)
        try:
            with torch.random.fork_rng(devices=[] if self.device == "cpu" else None):
                return self._passes()
        finally:
            torch.set_num_threads(threads)

    def _passes(self) -> Network:
        torch, recipe = self.torch, self.recipe
        torch.manual_seed(recipe.seed)
        net = self._net().to(self.device)
        steps = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
        done, best, least, kept = self._resumed(net, steps)
        while done < recipe.epochs and not (recipe.patience and done - best >= recipe.patience):
            done += 1
            loss = self._one_pass(net, steps, done)
            if self.judged is not None:
                loss = self._loss_on_judged(net)
            if self.judged is None or loss < least:
                best, least = done, loss
                kept = [p.detach().clone() for p in net.parameters()]
            if self.watch is not None:
                self.watch(f"pass {done} of {recipe.epochs}: loss {loss:.4f}", done / recipe.epochs)
            self._keep(net, steps, done, best, least, kept)
        if self.checkpoint is not None:
            self.checkpoint.unlink(missing_ok=True)
        arrays = [p.detach().cpu().numpy().astype(np.float64) for p in (kept or list(net.parameters()))]
        return Network([w.T.copy() for w in arrays[::2]], [b.copy() for b in arrays[1::2]], done, best, self.device)

    def _net(self) -> Any:
        nn, sizes = self.torch.nn, self.recipe.sizes
        layers: list[Any] = []
        for depth in range(len(sizes) - 1):
            layers.append(nn.Linear(sizes[depth], sizes[depth + 1]))
            if depth < len(sizes) - 2:
                layers.append(nn.ReLU())
                if self.recipe.dropout:
                    layers.append(nn.Dropout(self.recipe.dropout))
        return nn.Sequential(*layers)

    def _tensors(self, rows: Rows) -> tuple[Any, Any, Any]:
        torch = self.torch
        aims = torch.as_tensor(rows.aims, dtype=torch.int64 if self.recipe.kind == "classes" else torch.float32)
        parts = (torch.as_tensor(rows.x, dtype=torch.float32), aims, torch.as_tensor(rows.weights, dtype=torch.float32))
        x, y, w = (part.to(self.device) for part in parts)
        return x, y, w

    def _one_pass(self, net: Any, steps: Any, number: int) -> float:
        torch, (x, y, w) = self.torch, self.learned
        torch.manual_seed(self.recipe.seed * 1_000_003 + number)
        order = torch.randperm(len(x)).to(self.device)
        net.train()
        total = 0.0
        for at in range(0, len(x), self.recipe.batch):
            chosen = order[at : at + self.recipe.batch]
            steps.zero_grad(set_to_none=True)
            weights = w[chosen]
            # By the mean weight of all rows, so that a batch of light rows makes a small step.
            loss = (self._losses(net(x[chosen]), y[chosen]) * weights).mean() / self.mean_weight
            loss.backward()
            steps.step()
            total += float(loss.detach()) * len(chosen)
        return total / len(x)

    @property
    def mean_weight(self) -> float:
        """Of the rows that are learned from; 1 where none weighs anything."""
        return float(self.learned[2].mean()) or 1.0

    def _losses(self, raw: Any, aims: Any) -> Any:
        f = self.torch.nn.functional
        if self.recipe.kind == "classes":
            return f.cross_entropy(raw, aims, reduction="none")
        if self.recipe.kind == "two":
            return f.binary_cross_entropy_with_logits(raw[:, 0], aims, reduction="none")
        return f.mse_loss(raw[:, 0], aims, reduction="none")

    def _loss_on_judged(self, net: Any) -> float:
        assert self.judged is not None
        x, y, w = self.judged
        net.eval()
        with self.torch.no_grad():
            losses = [
                self._losses(net(x[at : at + 8192]), y[at : at + 8192]) * w[at : at + 8192]
                for at in range(0, len(x), 8192)
            ]
        return float(self.torch.cat(losses).sum()) / (float(w.sum()) or 1.0)

    def _keep(self, net: Any, steps: Any, done: int, best: int, least: float, kept: list[Any]) -> None:
        if self.checkpoint is None:
            return
        arrays: dict[str, Any] = {"at": np.array([done, best]), "least": np.array([least])}
        for at, parameter in enumerate(net.parameters()):
            state = steps.state[parameter]
            arrays[f"now{at}"] = parameter.detach().cpu().numpy()
            arrays[f"best{at}"] = kept[at].cpu().numpy()
            arrays[f"first{at}"] = state["exp_avg"].cpu().numpy()
            arrays[f"second{at}"] = state["exp_avg_sq"].cpu().numpy()
            arrays[f"step{at}"] = np.array([float(state["step"])])
        held = io.BytesIO()
        np.savez(held, **arrays)
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        torn = self.checkpoint.with_suffix(f".{os.getpid()}.part")
        torn.write_bytes(held.getvalue())
        os.replace(torn, self.checkpoint)
        if done == 1:
            _prune(self.checkpoint)

    def _resumed(self, net: Any, steps: Any) -> tuple[int, int, float, list[Any]]:
        """(passes made, the best of them, its loss, its parameters), from the checkpoint where there is a whole one."""
        nothing: tuple[int, int, float, list[Any]] = (0, 0, float("inf"), [])
        if self.checkpoint is None or not self.checkpoint.exists():
            return nothing
        torch = self.torch
        try:
            with np.load(self.checkpoint, allow_pickle=False) as held:
                arrays = {name: held[name] for name in held.files}
            done, best = (int(n) for n in arrays["at"])
            tensors = [
                [torch.as_tensor(arrays[f"{part}{at}"]) for part in ("now", "best", "first", "second", "step")]
                for at, _ in enumerate(net.parameters())
            ]
            for parameter, held_of_it in zip(net.parameters(), tensors, strict=True):
                if any(tensor.shape != parameter.shape for tensor in held_of_it[:4]):
                    return nothing
            kept = []
            for parameter, held_of_it in zip(net.parameters(), tensors, strict=True):
                now, taken, first, second = (tensor.to(self.device) for tensor in held_of_it[:4])
                parameter.data.copy_(now)
                kept.append(taken)
                steps.state[parameter] = {
                    "step": torch.tensor(float(held_of_it[4][0])),
                    "exp_avg": first,
                    "exp_avg_sq": second,
                }
            return done, best, float(arrays["least"][0]), kept
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            # A torn or foreign file is no fit of ours; this one begins anew.
            return nothing


def _prune(newest: Path) -> None:
    fits = sorted(newest.parent.glob("*.npz"), key=lambda path: path.stat().st_mtime)
    for old in fits[:-KEPT_FITS]:
        if old != newest:
            old.unlink(missing_ok=True)
