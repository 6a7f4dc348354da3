"""How protocols that answer bare labels say which answers are left to people, of models that abstain."""

from __future__ import annotations

from fairlead.runtime.wire.codec import Answer, Parsed
from fairlead.runtime.wire.reading import encode

HEADER = "fairlead-abstained"
"""`rows=0,4,9`: numbers of the rows, from 0, whose answers are left to people; empty where there are none."""
MOST_NAMED = 1000


def beside(answer: Answer) -> bytes:
    """A further member of a JSON object, `,"abstained":[true,false]`; nothing where the model answers every row."""
    return b"" if answer.abstained is None else b',"abstained":' + encode(answer.abstained)


def by_header(asked: Parsed, answer: Answer) -> None:
    """For bodies that have no place: a header of the answer. Of very many such rows the first are named, and `count`
    says how many there are."""
    if answer.abstained is None:
        return
    left = [row for row, mark in enumerate(answer.abstained) if mark]
    count = f"; count={len(left)}" if len(left) > MOST_NAMED else ""
    asked.head = (*asked.head, (HEADER, f"rows={','.join(map(str, left[:MOST_NAMED]))}{count}"))
