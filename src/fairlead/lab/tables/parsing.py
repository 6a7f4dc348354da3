"""Text cells to numbers and times, whole Arrow arrays at once.

Blank cells are missing everywhere. The words NA, N/A, NaN, null, none, ? and -
are missing where a number or a time is wanted, and ordinary values in a
category, where "None" may well be an answer.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fairlead.lab.stats.buffers import integer, nothing, of_words, to_mask, to_numpy

MISSING_WORDS = ("na", "n/a", "nan", "null", "none", "?", "-")
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_ZONED = r"[0-9]\s*(Z|z|[+-][0-9]{2}(:?[0-9]{2})?)$"
_TIME_SHAPE = (
    r"^([0-9]{4}[-/][0-9]{2}[-/][0-9]{2}|[0-9]{2}\.[0-9]{2}\.[0-9]{4})"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?\s*(Z|z|[+-][0-9]{2}(:?[0-9]{2})?)?)?$"
)


def is_text(kind: pa.DataType) -> bool:
    """Whether cells are strings."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def family(kind: pa.DataType) -> str:
    """The family of an Arrow type: text, integer, number, boolean, time or other."""
    if is_text(kind):
        return "text"
    if pa.types.is_boolean(kind):
        return "boolean"
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time"
    return "other"


def plain(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One contiguous array, dictionaries decoded, large and view strings as plain ones."""
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks() if array.num_chunks != 1 else array.chunk(0)
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if is_text(array.type) and not pa.types.is_string(array.type):
        # Plain strings hold two gigabytes of offsets a batch; only what fits is narrowed.
        with contextlib.suppress(pa.ArrowInvalid):
            array = array.cast(pa.string())
    return array


def bytes_of(strings: pa.Array) -> bytes:
    """All that the cells of a freshly computed array are written with, one behind the other.

    A look for a byte in it is a hundred times as quick as a pattern tried on every cell, and mostly settles that none
    can match. Of an array that is a part of another, bytes of the whole.
    """
    data = strings.buffers()[2]
    return b"" if data is None else bytes(data.to_pybytes())


def without_blanks(strings: pa.Array) -> pa.Array:
    """Cells of nothing but white space become missing; others stay as they are."""
    blank = pc.equal(pc.binary_length(pc.utf8_trim_whitespace(strings)), integer(0))
    return pc.if_else(blank, nothing(strings.type), strings)


def trimmed(strings: pa.Array) -> pa.Array:
    """White space around cells removed; blank cells missing."""
    bare = pc.utf8_trim_whitespace(strings)
    return pc.if_else(pc.equal(pc.binary_length(bare), integer(0)), nothing(bare.type), bare)


def without_words(bare: pa.Array) -> pa.Array:
    """The words for "missing" become missing."""
    word = pc.is_in(pc.utf8_lower(bare), value_set=of_words(MISSING_WORDS))
    return pc.if_else(word, nothing(bare.type), bare)


def parse_numbers(strings: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Floats with NaN for missing, and which cells hold something else than a finite number. Both (rows,)."""
    bare = trimmed(strings)
    try:
        floats = to_numpy(pc.cast(bare, pa.float64()))
        infinite = np.isinf(floats)
        if infinite.any():
            floats = np.where(infinite, np.nan, floats)
        return floats, infinite
    except pa.ArrowInvalid:
        bare = without_words(bare)
    fits = pc.match_substring_regex(bare, _NUMBER)
    strange = to_mask(pc.invert(fits))
    floats = to_numpy(pc.cast(pc.if_else(fits, bare, nothing(bare.type)), pa.float64()))
    infinite = np.isinf(floats)
    return np.where(infinite, np.nan, floats), strange | infinite


def parse_times(strings: pa.Array, zone: str) -> tuple[np.ndarray, np.ndarray]:
    """Seconds since the epoch with NaN for missing, and which cells are not times. Both (rows,).

    Understood: 2011-01-31 or 2011/01/31 or 31.01.2011, with or without a time of day and an offset.
    zone: IANA name, for cells without an offset; of a wall time that occurs twice the first is meant.
    """
    bare = without_words(trimmed(strings))
    shaped = pc.match_substring_regex(bare, _TIME_SHAPE)
    strange = to_mask(pc.invert(shaped))
    bare = pc.if_else(shaped, bare, nothing(bare.type))
    letters, iso = bytes_of(bare), bare
    if b"." in letters:
        iso = pc.replace_substring_regex(iso, r"^([0-9]{2})\.([0-9]{2})\.([0-9]{4})", r"\3-\2-\1")
    if b"/" in letters:
        iso = pc.replace_substring_regex(iso, r"^([0-9]{4})/([0-9]{2})/([0-9]{2})", r"\1-\2-\3")
    zoned = pc.and_(pc.match_substring_regex(iso, _ZONED), pc.greater(pc.binary_length(iso), integer(10)))
    empty = nothing(iso.type)
    try:
        local = pc.cast(pc.if_else(zoned, empty, iso), pa.timestamp("us"))
        fixed = pc.cast(pc.if_else(zoned, iso, empty), pa.timestamp("us", "UTC"))
    except pa.ArrowInvalid:
        return _one_by_one(iso, zone, strange)
    seconds = instants(local, zone)
    return np.where(np.isnan(seconds), instants(fixed, zone), seconds), strange


def instants(stamps: pa.Array, zone: str) -> np.ndarray:
    """Seconds since the epoch of an Arrow timestamp array; NaN for missing. Naive ones are wall times in `zone`."""
    if stamps.type.tz is None and zone != "UTC":
        stamps = pc.assume_timezone(stamps, zone, ambiguous="earliest", nonexistent="latest")
    micro = stamps.cast(pa.timestamp("us", stamps.type.tz), safe=False).cast(pa.int64())
    return to_numpy(micro.cast(pa.float64(), safe=False)) / 1e6


def _one_by_one(iso: pa.Array, zone: str, strange: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from zoneinfo import ZoneInfo

    local = ZoneInfo(zone)
    seconds = np.full(len(iso), np.nan)
    strange = strange.copy()
    for i, cell in enumerate(iso.to_pylist()):
        if cell is None:
            continue
        try:
            moment = datetime.fromisoformat(cell)
        except ValueError:
            strange[i] = True
            continue
        moment = moment if moment.tzinfo else moment.replace(tzinfo=local)
        seconds[i] = moment.astimezone(UTC).timestamp()
    return seconds, strange
