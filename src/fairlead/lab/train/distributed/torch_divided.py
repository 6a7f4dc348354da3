"""One fit of a network by several processes: its rows divided (data parallel), or its layers (model parallel).

Rows: every process holds the whole network and learns from its part of each batch; gradients are added up before each
step (DistributedDataParallel, gloo), so a step is that of one process with the whole batch, up to the rounding of
sums. Layers: each process holds a run of layers; halves of a batch pass from one to the next, and their gradients
back (Huang et al., GPipe, 2019), so that both work at once; each steps its own layers as one process would.
"""

from __future__ import annotations

import os
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, wait
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

from fairlead.contract.errors import RemoteError
from fairlead.lab.train.children import Children, serve
from fairlead.lab.train.estimators.torch_fitting import Build, Fitting, Network, Recipe, Rows

Divide = Literal["rows", "layers"]
PATIENCE_S = 120
"""Seconds that a process waits for another one's numbers before it gives up."""
HALVES = 2


class Divided(NamedTuple):
    """What every process is given. meet: a file in which they find each other."""

    divide: Divide
    recipe: Recipe
    learned: Rows
    judged: Rows | None
    checkpoint: Path | None
    build: Build
    world: int
    meet: str


def fit_divided(
    divide: Divide,
    recipe: Recipe,
    learned: Rows,
    judged: Rows | None,
    checkpoint: Path | None,
    build: Build,
    world: int,
) -> Network:
    """All passes by so many processes of this machine. build: importable there. Passes are kept when rows are divided.

    Raises MissingExtra, and RemoteError where a process ends before its work is done.
    """
    kept = checkpoint if divide == "rows" else None
    with tempfile.TemporaryDirectory(prefix="fairlead-meet-") as folder:
        held = Divided(divide, recipe, learned, judged, kept, build, world, str(Path(folder) / "meet"))
        with Children(__name__, held, world, "a process that fits a part of a network") as children:
            parts = [children.ask(rank) for rank in range(world)]
            # Who waits for a process that is gone waits long: the first to fail ends all.
            wait(parts, return_when=FIRST_EXCEPTION)
            failed = next((part for part in parts if part.done() and part.exception() is not None), None)
            if failed is not None:
                failed.result()
            found: list[Network] = [part.result() for part in parts]
    state = {name: numbers for part in found for name, numbers in part.state.items()}
    return Network(state, found[0].epochs, found[0].best, found[0].device)


def main() -> None:
    """A process."""
    serve(lambda held: lambda rank: part_of(held, rank))


def part_of(held: Divided, rank: int) -> Network:
    """What one process finds: the whole network, or its layers. Raises RemoteError where the others are gone."""
    import torch
    from torch import distributed

    # Processes of one machine need no name of it that leads back to it.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    distributed.init_process_group(
        "gloo", init_method=Path(held.meet).as_uri(), rank=rank, world_size=held.world,
        timeout=timedelta(seconds=PATIENCE_S),
    )  # fmt: skip
    try:
        torch.set_num_threads(1)
        kind = ByRows if held.divide == "rows" else ByLayers
        return kind(held, rank).run()
    except RuntimeError as why:
        raise RemoteError(f"process {rank} of a fit lost the others: {str(why).splitlines()[0][:200]}") from why
    finally:
        distributed.destroy_process_group()


class _Part(Fitting):
    """A fitting that is one of several."""

    def __init__(self, held: Divided, rank: int) -> None:
        super().__init__(held.recipe, held.learned, held.judged, held.checkpoint, None, held.build)
        self.rank, self.world = rank, held.world
        self._net: Any = None

    def _keep(self, *made: Any) -> None:
        if self.rank == 0:
            super()._keep(*made)

    def _order(self, number: int) -> Any:
        """The same in every process; what is drawn after it is not."""
        torch, seed = self.torch, self.recipe.seed * 1_000_003 + number
        torch.manual_seed(seed)
        order = torch.randperm(len(self.learned[0]))
        torch.manual_seed(seed * 31 + self.rank)
        return order


class ByRows(_Part):
    """Every process has the network and a part of each batch."""

    def _one_pass(self, net: Any, steps: Any, number: int) -> float:
        torch, (x, y, w) = self.torch, self.learned
        if self._net is None:
            self._net = torch.nn.parallel.DistributedDataParallel(net)
        order = self._order(number)
        self._net.train()
        total = torch.zeros(())
        for at in range(0, len(x), self.recipe.batch):
            batch = order[at : at + self.recipe.batch]
            chosen = batch[self.rank :: self.world]
            steps.zero_grad(set_to_none=True)
            losses = self._losses(self._net(x[chosen]), y[chosen]) * w[chosen]
            # Gradients are averaged over processes; those of the whole batch are their sum over its rows.
            loss = losses.sum() * self.world / len(batch) / self.mean_weight
            loss.backward()
            steps.step()
            total += loss.detach() * len(batch) / self.world
        torch.distributed.all_reduce(total)
        return float(total) / len(x)


class ByLayers(_Part):
    """Every process has a run of layers; the last one has the losses."""

    def __init__(self, held: Divided, rank: int) -> None:
        super().__init__(held, rank)
        self.build = self._cut(held.build)
        self.last = rank == self.world - 1

    def _cut(self, build: Build) -> Callable[[Any], Any]:
        def part(torch: Any) -> Any:
            # All processes build it by the same seed, so that each layer begins as in one process; each keeps its own.
            layers = list(build(torch).named_children())
            linear = [at for at, (_, layer) in enumerate(layers) if hasattr(layer, "weight")]
            if len(linear) < self.world:
                raise RemoteError(f"{len(linear)} layers cannot be divided among {self.world} processes.")
            firsts = [linear[len(linear) * rank // self.world] for rank in range(self.world)] + [len(layers)]
            firsts[0] = 0
            own = layers[firsts[self.rank] : firsts[self.rank + 1]]
            width = layers[firsts[self.rank]][1].weight.shape[1]
            self._width = int(width)
            return torch.nn.Sequential(OrderedDict(own))

        return part

    def _one_pass(self, net: Any, steps: Any, number: int) -> float:
        x, order = self.learned[0], self._order(number)
        net.train()
        total = 0.0
        for at in range(0, len(x), self.recipe.batch):
            batch = order[at : at + self.recipe.batch]
            steps.zero_grad(set_to_none=True)
            total += self._step(net, batch) * len(batch)
            steps.step()
        return self._told(total / len(x))

    def _step(self, net: Any, batch: Any) -> float:
        """One batch, forwards in halves and backwards in the same order; its loss in the last process, else 0."""
        torch, (_, y, w) = self.torch, self.learned
        # What is sent is not waited for until the batch is over: both ends would wait for each other.
        total, passed, sent = 0.0, [], []
        for half in torch.chunk(batch, HALVES):
            given = self._given(half)
            made = net(given)
            if self.last:
                loss = (self._losses(made, y[half]) * w[half]).sum() / len(batch) / self.mean_weight
                loss.backward()
                total += float(loss.detach())
                if self.rank:
                    sent.append(torch.distributed.isend(given.grad, self.rank - 1))
            else:
                sent.append(torch.distributed.isend(made.detach(), self.rank + 1))
                passed.append((given, made))
        for given, made in passed:
            slope = torch.empty_like(made)
            torch.distributed.recv(slope, self.rank + 1)
            made.backward(slope)
            if self.rank:
                sent.append(torch.distributed.isend(given.grad, self.rank - 1))
        for one in sent:
            one.wait()
        return total

    def _given(self, rows: Any, x: Any = None) -> Any:
        """What the layers here take of these rows: features, or what the process before made of them."""
        if self.rank == 0:
            return (self.learned[0] if x is None else x)[rows]
        given = self.torch.empty((len(rows), self._width))
        self.torch.distributed.recv(given, self.rank - 1)
        return given.requires_grad_()

    def _loss_on_judged(self, net: Any) -> float:
        assert self.judged is not None
        torch, (x, y, w) = self.torch, self.judged
        net.eval()
        total = 0.0
        with torch.no_grad():
            for at in range(0, len(x), 8192):
                rows = torch.arange(at, min(at + 8192, len(x)))
                made = net(self._given(rows, x).detach())
                if self.last:
                    total += float((self._losses(made, y[rows]) * w[rows]).sum())
                else:
                    torch.distributed.send(made, self.rank + 1)
        return self._told(total / (float(w.sum()) or 1.0))

    def _told(self, loss: float) -> float:
        """The last process's loss, in all."""
        held = self.torch.tensor([loss], dtype=self.torch.float64)
        self.torch.distributed.broadcast(held, self.world - 1)
        return float(held)
