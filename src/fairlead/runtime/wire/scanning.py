"""Requests of one row by the compiled scanner `_scan`, which is quicker than the typed decoders and takes less.

The scanner is a C file that is compiled when the package is built; where that could not be, the decoders do the same.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fairlead.contract.signature import Column
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Parsed
from fairlead.runtime.wire.frames import Pass

try:
    from fairlead.runtime.wire import _scan
except ImportError:  # no compiler when the package was built
    _scan = None  # type: ignore[assignment]

Read = Callable[[bytes], Parsed | None]
"""A body -> what it asks, None where other ways must decide."""

WIDEST = 256
"""Columns beyond which no kernel and no structures are made: the latter cost 0.1 ms and 3 KB each, and the careful way
is quick enough."""
_KNOWN = 4096
"""Categories of a column that share one text each, whatever the request; texts beyond are made anew."""

_FAR = float(1 << 62)
_NUMBER, _INTEGER, _BOOLEAN, _CODE, _TEXT, _PASSED = range(6)
_FP64, _FP32, _INT64, _BOOL, _BYTES, _INT32 = 1, 2, 4, 8, 16, 32
_ANY_NUMBER = _FP64 | _FP32 | _INT64 | _INT32
_CANONICAL = re.compile(r"0|-?[1-9][0-9]{0,17}", re.ASCII)


def _nothing(body: bytes) -> Parsed | None:
    return None


def scanned(checks: Checks, keys: Sequence[str] | None = None, otherwise: Read = _nothing) -> Read:
    """What reads one row, and leaves to `otherwise` what it does not surely understand.

    keys: None for V2's tensors, else a row is an object: by itself for no keys, alone in a list under one of them
    otherwise. What is made raises CellInvalid for a time that is none.
    """
    kernel = _kernel(checks, keys)
    if kernel is None:
        return otherwise
    scan, timed, check_times = _scan.scan, checks.timed, checks.check_times
    fix = checks.fix if _keeps_raw(checks) else None

    def read(body: bytes) -> Parsed | None:
        found = scan(kernel, body)
        if found is None:
            return otherwise(body)
        cells, passed, id = found
        if fix is not None:
            fix(cells)
        if passed is None:
            return Parsed([cells], None, id)
        passes: list[Sequence[Pass]] = [passed]
        if timed:
            check_times(passes)
        return Parsed([cells], passes, id)

    return read


def _kernel(checks: Checks, keys: Sequence[str] | None) -> Any:
    """None where no scanner was compiled, or the signature is not one that it scans."""
    if _scan is None or checks.tensors or not checks.names or len(checks.names) + len(checks.passthrough) > WIDEST:
        return None
    columns = [_described(column, raw=_keeps_raw(checks)) for column in checks.signature.columns]
    columns += [_tuple(_PASSED, True, _BYTES | _INT64, name) for name in checks.passthrough]
    try:
        return _scan.build(checks.width, tuple(columns), None if keys is None else tuple(key.encode() for key in keys))
    except ValueError:
        return None


def _keeps_raw(checks: Checks) -> bool:
    """Whether `checks.fix` has to look at scanned values: the scanner reads no times."""
    return any(column.kind == "time" for column in checks.signature.columns)


def _described(column: Column, *, raw: bool) -> tuple[Any, ...]:
    if column.kind == "number":
        low = -math.inf if column.minimum is None else float(column.minimum)
        high = math.inf if column.maximum is None else float(column.maximum)
        return _tuple(_NUMBER, column.nullable, _ANY_NUMBER, column.name, (low, high))
    if column.kind == "integer":
        low = -_FAR if column.minimum is None else max(column.minimum, -_FAR)
        high = _FAR if column.maximum is None else min(column.maximum, _FAR)
        return _tuple(_INTEGER, column.nullable, _ANY_NUMBER, column.name, (low, high))
    if column.kind == "boolean" or column.coded == "boolean":
        flags: tuple[Any, Any] = (1.0, 0.0) if column.kind == "boolean" else ("true", "false")
        return _tuple(_BOOLEAN, column.nullable, _BOOL, column.name, flags=(True, False) if raw else flags)
    if column.coded == "integer":
        codes = {code.encode(): code for code in column.categories[:_KNOWN] if _CANONICAL.fullmatch(code)}
        return _tuple(_CODE, column.nullable, _INT64, column.name, known=codes)
    texts = {spelling: text for text in column.categories[:_KNOWN] for spelling in _spellings(text)}
    return _tuple(_TEXT, column.nullable, _BYTES, column.name, known=texts)


def _tuple(
    kind: int,
    nullable: bool,
    datatypes: int,
    name: str,
    limits: tuple[float, float] = (0.0, 0.0),
    flags: tuple[Any, Any] = (True, False),
    known: Mapping[bytes, str] | None = None,
) -> tuple[Any, ...]:
    return (kind, int(nullable), datatypes, *limits, *flags, _spellings(name), tuple((known or {}).items()))


def _spellings(text: str) -> tuple[bytes, ...]:
    """How clients write a text in JSON, without the quotes; a text that no UTF-8 can say has none."""
    try:
        plain = json.dumps(text, ensure_ascii=False)[1:-1].encode()
    except UnicodeEncodeError:
        return ()
    return tuple(dict.fromkeys((plain, json.dumps(text)[1:-1].encode())))
