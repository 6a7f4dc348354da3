"""Answers as a model's own `predict` gives them: class labels, clusters, whether a row is strange, numbers, or lists
of them, which forecasts are."""

from __future__ import annotations

from typing import Any

from fairlead.contract.signature import Signature
from fairlead.runtime.wire.codec import Answer
from fairlead.runtime.wire.reading import encode


class Labels:
    """Labels look as they do in tables: true and false, whole numbers, else text."""

    def __init__(self, signature: Signature) -> None:
        classes = signature.labels
        self._wide = signature.task == "forecasting"
        self._said: dict[str, Any] = {name: name for name in classes}
        if set(classes) == {"true", "false"}:
            self._said = {"true": True, "false": False}
        elif classes and all(_whole(name) for name in classes):
            self._said = {name: int(name) for name in classes}
        self._quoted = {name: encode(said) for name, said in self._said.items()}

    def values(self, answer: Answer) -> list[Any]:
        """One a row."""
        if answer.labels is None:
            return list(answer.scores) if self._wide else [row[0] for row in answer.scores]
        said = self._said
        return [said[label] for label in answer.labels]

    def encoded(self, answer: Answer) -> bytes:
        """As a JSON list."""
        labels = answer.labels
        if labels is not None and len(labels) == 1:
            return b"[" + self._quoted[labels[0]] + b"]"
        return encode(self.values(answer))


def _whole(name: str) -> bool:
    digits = name.removeprefix("-")
    return digits.isascii() and digits.isdigit() and str(int(name)) == name if len(name) < 19 else False
