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
from fairlead.lab.train.changing_pictures import Changed
from fairlead.lab.train.learners.asking import library

LONG = 100_000
"""Rows from which on torch may use all cores: for fewer they wait for each other."""
KEPT_FITS = 20
"""Unfinished fits that are kept in a folder."""


class Recipe(msgspec.Struct, frozen=True):
    """plan: what says how the net is built: sizes of layers, features first, or a plan of another make.

    kind: two, classes or number; change: what is done to rows in every pass, in words; begun: of the weights that the
    net starts from; the rest as of the estimator.
    """

    plan: Any
    kind: str
    epochs: int
    batch: int
    rate: float
    decay: float
    dropout: float
    patience: int
    seed: int
    device: str
    change: Any = None
    begun: str = ""


@dataclass(frozen=True)
class Rows:
    """x: (n, features); aims: (n,) codes or deviations; weights: (n,)."""

    x: Floats
    aims: Floats
    weights: Floats


@dataclass(frozen=True)
class Network:
    """What a fit found: the net's numbers by their names in torch; passes made, and which of them is this."""

    state: dict[str, Floats]
    epochs: int
    best: int
    device: str


Build = Callable[[Any], Any]
Change = Callable[[Floats, int], Changed]


class Fitting:
    """One fit. checkpoint: a file that holds the passes made so far, until it is done; None: none is kept.

    build: torch -> the net to fit, of which what asks for no gradient stays as it is; change: (features learned from,
    number of the pass) -> those of this pass; the rows that judge are never changed.
    """

    def __init__(
        self,
        recipe: Recipe,
        learned: Rows,
        judged: Rows | None,
        checkpoint: Path | None,
        watch: Callable[[str, float], Any] | None,
        build: Build,
        change: Change | None = None,
    ) -> None:
        self.torch = library("torch", "torch")
        self.recipe, self.checkpoint, self.watch = recipe, checkpoint, watch
        self.build, self.change, self.given = build, change, learned.x
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
        net = self.build(torch).to(self.device)
        learning = [parameter for parameter in net.parameters() if parameter.requires_grad]
        steps = torch.optim.AdamW(learning, lr=recipe.rate, weight_decay=recipe.decay)
        done, best, least, kept = self._resumed(net, steps)
        while done < recipe.epochs and not (recipe.patience and done - best >= recipe.patience):
            done += 1
            loss = self._one_pass(net, steps, done)
            if self.judged is not None:
                loss = self._loss_on_judged(net)
            if self.judged is None or loss < least:
                best, least = done, loss
                kept = {name: held.detach().clone() for name, held in _numbers(net).items()}
            if self.watch is not None:
                self.watch(f"pass {done} of {recipe.epochs}: loss {loss:.4f}", done / recipe.epochs)
            self._keep(net, steps, done, best, least, kept)
        if self.checkpoint is not None:
            self.checkpoint.unlink(missing_ok=True)
        found = {name: held.detach().cpu().numpy().astype(np.float64) for name, held in (kept or _numbers(net)).items()}
        return Network(found, done, best, self.device)

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
        second = share = None
        if self.change is not None:
            x, second, share = self._changed(self.change(self.given, number))
        net.train()
        total = 0.0
        for at in range(0, len(x), self.recipe.batch):
            chosen = order[at : at + self.recipe.batch]
            steps.zero_grad(set_to_none=True)
            weights = w[chosen]
            # By the mean weight of all rows, so that a batch of light rows makes a small step.
            raw = net(x[chosen])
            losses = self._losses(raw, y[chosen])
            if second is not None and share is not None:
                own = share[chosen]
                losses = own * losses + (1.0 - own) * self._losses(raw, y[second[chosen]])
            loss = (losses * weights).mean() / self.mean_weight
            loss.backward()
            steps.step()
            total += float(loss.detach()) * len(chosen)
        return total / len(x)

    def _changed(self, made: Changed) -> tuple[Any, Any, Any]:
        torch = self.torch
        x = torch.as_tensor(made.x, dtype=torch.float32).to(self.device)
        if made.second is None or made.share is None:
            return x, None, None
        share = torch.as_tensor(made.share, dtype=torch.float32).to(self.device)
        return x, torch.as_tensor(made.second).to(self.device), share

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

    def _keep(self, net: Any, steps: Any, done: int, best: int, least: float, kept: dict[str, Any]) -> None:
        if self.checkpoint is None:
            return
        arrays: dict[str, Any] = {"at": np.array([done, best]), "least": np.array([least])}
        for name, held in _numbers(net).items():
            arrays[f"now {name}"] = held.detach().cpu().numpy()
            arrays[f"best {name}"] = kept[name].cpu().numpy()
        for name, parameter in net.named_parameters():
            if (state := steps.state.get(parameter)) is not None:
                arrays[f"first {name}"] = state["exp_avg"].cpu().numpy()
                arrays[f"second {name}"] = state["exp_avg_sq"].cpu().numpy()
                arrays[f"step {name}"] = np.array([float(state["step"])])
        held = io.BytesIO()
        np.savez(held, **arrays)
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        torn = self.checkpoint.with_suffix(f".{os.getpid()}.part")
        torn.write_bytes(held.getvalue())
        os.replace(torn, self.checkpoint)
        if done == 1:
            _prune(self.checkpoint)

    def _resumed(self, net: Any, steps: Any) -> tuple[int, int, float, dict[str, Any]]:
        """(passes made, the best of them, its loss, its numbers), from the checkpoint where there is a whole one."""
        nothing: tuple[int, int, float, dict[str, Any]] = (0, 0, float("inf"), {})
        if self.checkpoint is None or not self.checkpoint.exists():
            return nothing
        torch, numbers = self.torch, _numbers(net)
        try:
            with np.load(self.checkpoint, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            done, best = (int(n) for n in arrays["at"])
            now, kept = ({n: torch.as_tensor(arrays[f"{part} {n}"]) for n in numbers} for part in ("now", "best"))
            moments = {
                name: [torch.as_tensor(arrays[f"{part} {name}"]) for part in ("first", "second", "step")]
                for name, parameter in net.named_parameters()
                if parameter.requires_grad
            }
            if any(now[n].shape != held.shape or kept[n].shape != held.shape for n, held in numbers.items()):
                return nothing
            for name, held in numbers.items():
                held.data.copy_(now[name])
            for name, parameter in net.named_parameters():
                if name in moments:
                    first, second, step = moments[name]
                    steps.state[parameter] = {
                        "step": torch.tensor(float(step[0])),
                        "exp_avg": first.to(self.device),
                        "exp_avg_sq": second.to(self.device),
                    }
            return done, best, float(arrays["least"][0]), {name: held.to(self.device) for name, held in kept.items()}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            # A torn or foreign file is no fit of ours; this one begins anew.
            return nothing


def _numbers(net: Any) -> dict[str, Any]:
    """Parameters and running means of a net, by name."""
    return {name: held for name, held in net.state_dict(keep_vars=True).items() if held.is_floating_point()}


def _prune(newest: Path) -> None:
    fits = sorted(newest.parent.glob("*.npz"), key=lambda path: path.stat().st_mtime)
    for old in fits[:-KEPT_FITS]:
        if old != newest:
            old.unlink(missing_ok=True)
