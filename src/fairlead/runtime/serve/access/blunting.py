"""Answers that tell less, against rebuilding a model from them. What is captured is never blunted."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.runtime.wire.codec import Answer


def blunt(answer: Answer, classes: Sequence[str], digits: int | None, label_only: bool) -> Answer:
    """The same labels with rounded probabilities, or with 1 for the label and 0 for the others.

    classes: of the score columns, in order. A label is what the full numbers decided, so after rounding it may
    stand beside a tie. Numbers of a regression stay as they are: no number of digits fits every unit; so does the score
    of an anomaly, which a caller that may have the label alone gets as 1 or 0.
    """
    if answer.labels is None:
        return answer
    if not classes:
        told = [[float(label == "true")] for label in answer.labels] if label_only else answer.scores
        return Answer(answer.labels, told, answer.version, answer.abstained)
    if label_only:
        at = {name: place for place, name in enumerate(classes)}
        scores = [[0.0] * len(row) for row in answer.scores]
        for row, label in zip(scores, answer.labels, strict=True):
            row[at[label]] = 1.0
    elif digits is not None:
        scores = [rounded(row, digits) for row in answer.scores]
    else:
        return answer
    return Answer(answer.labels, scores, answer.version, answer.abstained)


def rounded(row: Sequence[float], digits: int) -> list[float]:
    """Probabilities with `digits` decimals that add up to what they added up to before (by largest remainders).

    Rounded each by itself they would add up to 0.999 or 1.001. A larger one never ends below a smaller one.

    >>> rounded([1 / 3, 1 / 3, 1 / 3], 2), rounded([0.9996, 0.0004], 3)
    ([0.34, 0.33, 0.33], [1.0, 0.0])
    """
    unit = 10**digits
    exact = [value * unit for value in row]
    whole = [int(value // 1) for value in exact]
    missing = round(sum(exact)) - sum(whole)
    for place in sorted(range(len(row)), key=lambda at: whole[at] - exact[at])[:missing]:
        whole[place] += 1
    return [value / unit for value in whole]
