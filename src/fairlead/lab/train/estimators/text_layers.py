"""Layers that read words: as torch fits them, and as numpy answers by what was found.

Each word that training saw has numbers of its own. A text is the mean of its words', and, where three words at a time
are looked at, the most that any three of them say; beside the row's other features, a layer of rectified sums, and the
head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.train.layout import Tokens

START = 0.1
"""Deviation of a word's numbers before anything is learned."""
AT_ONCE = 1 << 22
"""Numbers that an answer holds at once."""


class Plan(msgspec.Struct, frozen=True):
    """width: numbers of a word; window: what is kept of three words at a time, 0: they are not looked at;
    beside: features that are no words; vocabularies: words of each text that training saw;
    frozen: layers, from the words on, that stay as they are.
    """

    texts: tuple[Tokens, ...]
    vocabularies: tuple[int, ...]
    width: int
    window: int
    hidden: int
    beside: int
    outputs: int
    dropout: float
    frozen: int = 0

    @property
    def seen(self) -> int:
        """Numbers that a row's texts become."""
        return len(self.texts) * (self.width + self.window)

    @property
    def layers(self) -> int:
        """Layers with weights: words, threes, sums, head."""
        return 3 + bool(self.window)


@dataclass(frozen=True)
class Layers:
    """What was found. tables: of each text, number of a word -> its row among `words`, 0 for one never seen;
    words: of each text (words + 1, width), the first of them 0; threes: of each text (weights (3 * width, window),
    bias (window,)); sums: (weights (inputs, outputs), bias) of the layer of sums and of the head.
    """

    plan: Plan
    tables: list[Ints]
    words: list[Floats]
    threes: list[tuple[Floats, Floats]]
    sums: list[tuple[Floats, Floats]]


def table_of(numbers: Ints, known: int, more: set[int]) -> Ints:
    """Number of a word -> its place among those seen, from 1 on; 0 of any other, and of none. Shape (known,)."""
    seen = np.zeros(known, dtype=bool)
    seen[numbers[(numbers > 0) & (numbers < known)]] = True
    seen[[number for number in more if 0 < number < known]] = True
    return np.where(seen, np.cumsum(seen), 0)


def carried(words: Floats, before: Ints, table: Ints) -> Floats:
    """Numbers of the words of `table`, (words + 1, width), as those of `before` had them; 0 of words new to them."""
    found = np.zeros((int(table.max()) + 1, words.shape[1]))
    known = np.flatnonzero(table)
    found[table[known]] = words[before[known]]
    return found


def text_net(torch: Any, plan: Plan, tables: list[Ints]) -> Any:
    """The net for torch, on rows of (n, features)."""
    nn = torch.nn
    outside = np.ones(plan.beside + sum(text.size for text in plan.texts), dtype=bool)
    for text in plan.texts:
        outside[text.start : text.start + text.size] = False

    class Texts(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("beside", torch.as_tensor(np.flatnonzero(outside)), persistent=False)
            for at, (table, count) in enumerate(zip(tables, plan.vocabularies, strict=True)):
                self.register_buffer(f"table{at}", torch.as_tensor(table), persistent=False)
                words = nn.Embedding(count + 1, plan.width, padding_idx=0)
                nn.init.normal_(words.weight, std=START)
                words.weight.data[0] = 0.0
                setattr(self, f"words{at}", words)
            for at in range(len(plan.texts) if plan.window else 0):
                setattr(self, f"threes{at}", nn.Linear(3 * plan.width, plan.window))
            self.sums = nn.Linear(plan.seen + plan.beside, plan.hidden)
            self.drop = nn.Dropout(plan.dropout)
            self.head = nn.Linear(plan.hidden, plan.outputs)
            numbered = range(len(plan.texts))
            layers = [[getattr(self, f"words{at}") for at in numbered]]
            layers += [[getattr(self, f"threes{at}") for at in numbered]] if plan.window else []
            for layer in [*layers, [self.sums], [self.head]][: plan.frozen]:
                for one in layer:
                    one.requires_grad_(requires_grad=False)

        def forward(self, x: Any) -> Any:
            parts = [part for at, text in enumerate(plan.texts) for part in self.read(at, text, x)]
            at = torch.relu(self.sums(self.drop(torch.cat((*parts, x[:, self.beside]), dim=1))))
            return self.head(self.drop(at))

        def read(self, at: int, text: Tokens, x: Any) -> list[Any]:
            numbers = (x[:, text.start : text.start + text.size] * text.width + text.low).round()
            numbers = torch.where((numbers >= 0) & (numbers < text.known), numbers, 0.0).long()
            places = getattr(self, f"table{at}")[numbers]
            there, words = (places > 0).unsqueeze(2), getattr(self, f"words{at}")
            said = words(places)
            parts = [said.sum(dim=1) / there.sum(dim=1).clamp(min=1)]
            if plan.window:
                nothing = torch.zeros_like(said[:, :1])
                ahead, after = torch.cat((nothing, said[:, :-1]), 1), torch.cat((said[:, 1:], nothing), 1)
                threes = torch.relu(getattr(self, f"threes{at}")(torch.cat((ahead, said, after), dim=2)))
                parts.append((threes * there).amax(dim=1))
            return parts

    return Texts()


def layers_of(plan: Plan, tables: list[Ints], state: dict[str, Floats]) -> Layers:
    """Layers of what torch found."""
    numbered = range(len(plan.texts))
    threes = [f"threes{at}" for at in numbered] if plan.window else []
    pairs = {name: (state[f"{name}.weight"].T.copy(), state[f"{name}.bias"]) for name in (*threes, "sums", "head")}
    words = [state[f"words{at}.weight"] for at in numbered]
    return Layers(plan, tables, words, [pairs[name] for name in threes], [pairs["sums"], pairs["head"]])


def raw_of(layers: Layers, features: Floats) -> Floats:
    """What the head sums up, (n, outputs), of features (n, f), in double."""
    widest = max(text.size for text in layers.plan.texts) * (4 * layers.plan.width + layers.plan.window)
    step = max(1, AT_ONCE // widest)
    parts = [_raw(layers, features[at : at + step]) for at in range(0, max(len(features), 1), step)]
    return np.concatenate(parts)


def _raw(layers: Layers, features: Floats) -> Floats:
    plan, outside = layers.plan, np.ones(features.shape[1], dtype=bool)
    parts = []
    for at, text in enumerate(plan.texts):
        place = slice(text.start, text.start + text.size)
        outside[place] = False
        parts += _read(layers, at, text, features[:, place])
    (weights, bias), (last, shift) = layers.sums
    together = np.concatenate((*parts, features[:, outside]), axis=1)
    return np.asarray(np.maximum(together @ weights + bias, 0.0) @ last + shift)


def _read(layers: Layers, at: int, text: Tokens, features: Floats) -> list[Floats]:
    numbers = np.rint(features * text.width + text.low)
    places = layers.tables[at][np.where((numbers >= 0) & (numbers < text.known), numbers, 0.0).astype(np.int64)]
    said = layers.words[at][places]
    parts = [said.sum(axis=1) / np.maximum((places > 0).sum(axis=1, keepdims=True), 1)]
    if layers.plan.window:
        weights, bias = layers.threes[at]
        nothing = np.zeros_like(said[:, :1])
        ahead, after = (np.concatenate(two, axis=1) for two in ((nothing, said[:, :-1]), (said[:, 1:], nothing)))
        threes = np.maximum(np.concatenate((ahead, said, after), axis=2) @ weights + bias, 0.0)
        parts.append((threes * (places > 0)[:, :, None]).max(axis=1))
    return parts
