"""Errors grouped by cause: counted in the shared counters, so exact over workers and kills, with one example each.

A group is a model, a class of error, an HTTP code and, where the error has one, a column of the signature. It knows
how often, when first, when last, and one message, in which nothing stands that came from a caller.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from pathlib import Path

import msgspec

from fairlead.contract.errors import ColumnUnknown
from fairlead.runtime.serve.counters import Counters, Series, read_slot
from fairlead.runtime.serve.routes import write_atomic
from fairlead.runtime.wire.status import message_of

MOST_GROUPS = 200
"""Groups of one worker; whatever comes beyond them is counted as `other`."""
LONGEST = 300
OTHER: Series = ("errors", "", "other", "", "")
_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`[^`]*`""", re.DOTALL)


class ErrorGroup(msgspec.Struct, frozen=True):
    """first, last: seconds since the epoch, since the server started. column: "" where the error is of none."""

    model: str
    cause: str
    code: int
    column: str
    count: int
    first: float
    last: float
    example: str = ""


class Errors:
    """The groups of one worker. path: where examples are kept, None for nowhere."""

    def __init__(self, counters: Counters, path: Path | None = None) -> None:
        self._counters, self._path = counters, path
        self._places: dict[Series, int] = {}
        self._examples = _examples(path) if path is not None else {}
        self._fresh = False

    def note(self, model: str, error: BaseException, code: int, known: Collection[str] = ()) -> None:
        """One more. known: names that may be shown, which are those of the model's signature."""
        column = getattr(error, "column", "") or next(iter(getattr(error, "missing", ())), "")
        key: Series = ("errors", model, type(error).__name__, str(code), column if column in known else "")
        self._add(key, "" if key in self._places else shown(error, known))

    def _add(self, key: Series, example: str) -> None:
        at = self._places.get(key)
        if at is None:
            if len(self._places) >= MOST_GROUPS:
                key, example = OTHER, ""
            at = self._places[key] = self._counters.index(key, 3)
            name = "\n".join(key[1:])
            if name not in self._examples:
                self._examples[name] = example
                self._fresh = True
        now, cells = time.time(), self._counters.cells
        cells[at] += 1
        if not cells[at + 1]:
            cells[at + 1] = now
        cells[at + 2] = now

    def turned_away(self, code: int) -> None:
        """One more that a transport refused before anybody read it: too many at once, or no sound HTTP in time."""
        self._add(("errors", "", "TurnedAway", str(code), ""), "refused before it was read")

    def save(self) -> None:
        """Write new examples, if there are any. Called from another thread, once a second at most."""
        if self._fresh and self._path is not None:
            self._fresh = False
            write_atomic(self._path, msgspec.json.encode(dict(self._examples)))


def shown(error: BaseException, known: Collection[str]) -> str:
    """The message as the client got it, without what a client may have brought in: names that the model lacks."""
    if isinstance(error, ColumnUnknown):
        return f"columns unknown: {len(error.unknown)}. This model expects: {', '.join(error.expected)}."[:LONGEST]
    text = _QUOTED.sub(lambda found: found.group() if found.group()[1:-1] in known else "'…'", message_of(error))
    return text[:LONGEST]


def _examples(path: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except (OSError, msgspec.MsgspecError):
        return {}


def error_groups(run: Path) -> list[ErrorGroup]:
    """The groups of all workers that ever counted in this `run/`, the most frequent first.

    A server that starts anew begins with none.
    """
    found: dict[tuple[str, ...], ErrorGroup] = {}
    for path in sorted(Path(run).glob("counters-*.bin")):
        examples = _examples(path.with_name(path.name.replace("counters-", "errors-", 1)).with_suffix(".json"))
        for series, cells in read_slot(path).items():
            if series[0] != "errors" or not cells[0]:
                continue
            model, cause, code, column = key = series[1:]
            count, first, last = cells
            said = examples.get("\n".join(key), "")
            before = found.get(key)
            if before is not None:
                count, first, last = count + before.count, min(first, before.first), max(last, before.last)
                said = before.example or said
            found[key] = ErrorGroup(model, cause, int(code or 0), column, int(count), first, last, said)
    return sorted(found.values(), key=lambda group: (-group.count, group.cause))
