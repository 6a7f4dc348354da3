"""The spool's frame format: what was written comes back, what is torn or damaged never does."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import FormatUnknown
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.wire import frames

floats = st.floats(allow_nan=False)
texts = st.text(max_size=20)
cells = st.one_of(st.none(), floats, texts, st.binary(max_size=40))
passes = st.one_of(st.none(), texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), floats)


@st.composite
def predictions(draw: st.DrawFn) -> frames.Frame:
    rows = draw(st.integers(1, 4))
    kind = draw(st.sampled_from([frames.Prediction, frames.Shadow]))
    return kind(
        draw(floats), draw(floats), draw(texts), draw(st.none() | texts), "m", "b" * 64, "champion", "native",
        draw(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=rows, max_size=rows)),
        draw(st.none() | st.lists(st.lists(passes, max_size=2), min_size=rows, max_size=rows)),
        draw(st.none() | st.lists(st.integers(0, 99), min_size=rows, max_size=rows)),
        draw(st.none() | st.lists(texts, min_size=rows, max_size=rows)),
        draw(st.lists(st.lists(floats, min_size=2, max_size=2), min_size=rows, max_size=rows)),
    )  # fmt: skip


@st.composite
def ticks(draw: st.DrawFn) -> frames.Tick:
    sizes = draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    rows, many = sum(sizes), len(sizes)
    return frames.Tick(
        draw(floats), "m", "b" * 64, "champion", "v2",
        draw(st.lists(floats, min_size=many, max_size=many)), draw(st.lists(texts, min_size=many, max_size=many)),
        draw(st.none() | st.lists(st.none() | texts, min_size=many, max_size=many)),
        None if set(sizes) == {1} else sizes,
        draw(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=rows, max_size=rows)),
        draw(st.none() | st.lists(st.lists(passes, max_size=2), min_size=rows, max_size=rows)),
        draw(st.none() | st.lists(texts, min_size=rows, max_size=rows)),
        draw(st.lists(st.lists(floats, min_size=2, max_size=2), min_size=rows, max_size=rows)),
    )  # fmt: skip


givens = st.builds(
    frames.Given, st.none() | texts, st.integers(0, 9), st.none() | texts, st.none() | floats,
    st.none() | texts, st.none() | floats, st.none() | texts, texts,
)  # fmt: skip
others = st.one_of(
    st.builds(frames.Label, floats, texts, st.none() | texts, st.lists(givens, max_size=3)),
    st.builds(frames.Error, floats, texts, texts, texts, st.integers(400, 599), texts),
    st.builds(frames.Drop, floats, texts, st.integers(0, 10**9)),
    st.builds(frames.Counts, floats, *[st.integers(0, 10**12)] * 3, st.dictionaries(texts, st.integers(0, 9)),
              *[st.integers(0, 10**12)] * 3),
)  # fmt: skip
any_frame = st.one_of(predictions(), ticks(), others)


@given(st.lists(any_frame, min_size=1, max_size=5))
def test_frames_come_back_as_they_were(written: list[frames.Frame]) -> None:
    data = b"".join(map(frames.encode, written))
    at, read = 0, []
    while (got := frames.decode(data, at)) is not None:
        frame, at = got
        read.append(frame)
    assert read == written
    assert at == len(data)


@given(ticks(), st.integers(0, 1 << 40))
def test_a_tick_unfolds_to_its_requests_under_offsets_that_no_other_frame_has(tick: frames.Tick, offset: int) -> None:
    unfolded = list(frames.unfold(tick, offset))
    assert [one.request for _, one in unfolded] == tick.requests
    assert [row for _, one in unfolded for row in one.rows] == tick.rows
    assert [said for _, one in unfolded for said in one.scores] == tick.scores
    assert [label for _, one in unfolded for label in one.labels or ()] == (tick.labels or [])
    offsets = [at for at, _ in unfolded]
    assert offsets == sorted(set(offsets))
    assert offset <= offsets[0]
    assert offsets[-1] < offset + len(frames.encode(tick))


@given(any_frame, st.data())
def test_a_torn_frame_is_never_taken_for_whole(frame: frames.Frame, data: st.DataObject) -> None:
    whole = frames.encode(frame)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert frames.decode(whole[:cut]) is None


@given(any_frame, st.data())
def test_a_flipped_bit_is_noticed(frame: frames.Frame, data: st.DataObject) -> None:
    whole = bytearray(frames.encode(frame))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        got = frames.decode(bytes(whole) + b"\0" * 300)
    except FormatUnknown:
        pytest.fail("a checksum that does not hold is damage, not a newer format")
    assert got is None


@given(st.lists(any_frame, min_size=1, max_size=4), st.binary(max_size=40))
def test_a_segment_is_read_up_to_its_torn_end(tmp_path_factory: pytest.TempPathFactory, written, tail) -> None:
    path = tmp_path_factory.mktemp("spool") / "1.spool"
    encoded = [frames.encode(frame) for frame in written]
    path.write_bytes(b"".join(encoded) + frames.encode(written[0])[:-1][: len(tail) or 1])
    read = list(frames.scan(path))
    assert [frame for _, _, frame in read] == written
    assert [end - offset for offset, end, _ in read] == [len(one) for one in encoded]
    assert [f for _, _, f in frames.scan(path, read[-1][0])] == written[-1:]


def test_frames_larger_than_a_piece_are_read(tmp_path: Path) -> None:
    rows = [[float(number), "x" * 20] for number in range(100_000)]
    frame = frames.Prediction(1.0, 0.1, "r", None, "m", "b", "v", "native", rows, None, None, None, [[0.5]] * len(rows))
    path = tmp_path / "1.spool"
    path.write_bytes(frames.encode(frame) * 2)
    assert [len(got.rows) for _, _, got in frames.scan(path)] == [100_000, 100_000]


def test_what_a_newer_version_wrote_is_refused_by_name() -> None:
    payload = bytes((frames.FORMAT + 1, 1)) + b"\x90"
    import zlib

    data = frames.HEADER.pack(len(payload), zlib.crc32(payload)) + payload
    with pytest.raises(FormatUnknown, match="format 2"):
        frames.decode(data)


def test_a_schema_frame_says_all_that_is_needed() -> None:
    signature = Signature("classification", (Column("a", "number"), Column("b", "category")), classes=("n", "y"))
    schema = frames.Schema("churn", "b" * 64, 3, signature, ["a"], ["id"])
    assert frames.decode(frames.encode(schema)) == (schema, len(frames.encode(schema)))
