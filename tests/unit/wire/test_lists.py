"""Lists of numbers read in C are those that the decoder reads, or are left to it."""

from __future__ import annotations

import json
import struct
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.runtime.wire import lists

_lists = pytest.importorskip("fairlead.runtime.wire._lists", reason="no compiler when the package was built")

shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
numbers = st.integers(-(2**63), 2**63) | st.integers(-300, 300) | st.floats(allow_nan=False, allow_infinity=False)
written = (
    numbers.map(json.dumps)
    | st.floats(allow_nan=False, allow_infinity=False, width=32).map(json.dumps)
    | st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
    | st.sampled_from(["-0", "-0.0", "0.0", "-0.00", "1e400", "01", "1.", "null", "true", '"1"', "NaN", "1e", "- 1"])
)
blanks = st.sampled_from(["", "", " ", "\n\t ", "\r"])


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, tuple[int, ...]]:
    """Lists in a shape or flat, of numbers as anyone may write them, and rarely of what is none."""
    shape = draw(shapes)
    flat = draw(st.booleans())
    plain = draw(st.booleans())

    def nested(level: int, edges: tuple[int, ...]) -> str:
        if level == len(edges):
            return draw(numbers.map(json.dumps) if plain else written)
        items = [draw(blanks) + nested(level + 1, edges) + draw(blanks) for _ in range(edges[level])]
        return draw(blanks) + "[" + ",".join(items) + "]" + draw(blanks)

    return nested(0, (int(np.prod(shape)),) if flat else shape), shape


def check(text: bytes, shape: tuple[int, ...]) -> bool:
    """Whether the text was read, and then as the decoder reads it."""
    found = _lists.numbers(text, shape)
    try:
        value = msgspec.json.decode(text)
        wanted = np.array(value, dtype=np.float64)
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, UnicodeDecodeError, RecursionError):
        assert found is None
        return False
    if found is None:
        return False
    assert wanted.shape in (shape, (int(np.prod(shape)),))
    assert wanted.tobytes() == found
    return True


@given(made=texts())
def test_what_is_read_is_what_the_decoder_reads(made: tuple[str, tuple[int, ...]]) -> None:
    text, shape = made
    check(text.encode(), shape)


@given(made=texts(), data=st.data())
def test_damaged_texts_are_read_as_the_decoder_reads_them_or_left_to_it(
    made: tuple[str, tuple[int, ...]], data: st.DataObject
) -> None:
    text, shape = bytearray(made[0].encode()), made[1]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.sampled_from([b"", b"[", b"]", b",", b"0", b"9", b".", b"-", b"e", b" ", b"\0", b"\xff"])
        )
        if not text:
            break
    check(bytes(text), shape)
    check(bytes(text), data.draw(shapes))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float32", "float64"])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_ordinary_tensors_are_all_read(dtype: str, separators: tuple[str, str]) -> None:
    random = np.random.default_rng(3)
    for shape in ((7,), (28, 28), (3, 16, 16), (2, 3, 4, 5)):
        array = (random.normal(size=shape) * 90 + 100).astype(dtype)
        for value in (array.tolist(), array.reshape(-1).tolist()):
            text = json.dumps(value, separators=separators).encode()
            assert check(text, shape)
            got = lists.numbers_in(msgspec.Raw(text), shape)
            assert got is not None
            assert got.astype(dtype).tobytes() == array.tobytes()


def test_minus_zero_is_what_the_decoder_makes_of_it() -> None:
    found = _lists.numbers(b"[-0,-0.0,-0.00,0,0.0]", (5,))
    assert found == struct.pack("5d", 0.0, -0.0, -0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        (b"[1,2]", (3,)), (b"[1,2]", (1,)), (b"[1,2]", ()), (b"[1,2]", (0,)), (b"[1,2]", (-2,)), (b"[]", (1,)),
        (b"[1,2]", (2**62,)), (b"[1,2]", (2**62, 2**62)), (b"[1,2]", (2**70,)), (b"[[1],[2]]", (2,)),
        (b"[1,2]", (1,) * 9), (b"", (1,)), (b" ", (1,)), (b"[", (1,)), (b"[1", (1,)), (b"[1,", (1,)), (b"[1]]", (1,)),
        (b"[1] x", (1,)), (b"[" * 100_000, (2, 3)), (b"[1e999]", (1,)), (b"[" + b"9" * 400 + b"]", (1,)),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_left_to_the_decoder(text: bytes, shape: tuple[int, ...]) -> None:
    assert _lists.numbers(text, shape) is None


@pytest.mark.parametrize("given", [(1, (1,)), (b"[1]", [1]), ("[1]", (1,)), (b"[1]", ("1",)), (b"[1]",)])
def test_what_holds_no_bytes_or_is_no_shape_is_an_error(given: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError):
        _lists.numbers(*given)
