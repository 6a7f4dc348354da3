"""The compiled scanner of one row takes nothing that the other ways refuse, and reads nothing otherwise."""

from __future__ import annotations

import gc
import json
import random
import struct
import sys
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scanned_bodies import CHECKS, CODECS, KEYS, Pair, body_of, damaged, said

from fairlead.contract.signature import Column, Signature
from fairlead.runtime.wire import scanning
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Parsed
from fairlead.runtime.wire.scanning import WIDEST, scanned
from fairlead.runtime.wire.v2 import V2


@pytest.fixture(autouse=True, scope="module")
def kernel() -> None:
    if scanning._scan is None:
        pytest.skip("the scanner was not compiled: there was no C compiler at installation")


def fuzz(seed: int, count: int) -> tuple[int, int]:
    """How many damaged and how many whole bodies were taken."""
    rng = random.Random(seed)
    pairs = [Pair(checks, form) for checks in CHECKS.values() for form in CODECS]
    taken = whole = 0
    for _ in range(count):
        pair = rng.choice(pairs)
        body = body_of(pair.checks.signature, rng, pair.form)
        whole += pair.agree(body)
        for _ in range(4):
            taken += pair.agree(damaged(body, rng))
    return taken, whole


def test_damaged_bodies_are_read_as_before_or_not_at_all() -> None:
    taken, whole = fuzz(1, 1500)
    assert whole > 700
    assert taken > 100


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 6))
def test_a_million_damaged_bodies_are_read_as_before_or_not_at_all(seed: int) -> None:
    fuzz(seed, 62_500)


def tensor(name: str, datatype: str, value: str) -> str:
    return f'{{"name":"{name}","shape":[1],"datatype":"{datatype}","data":[{value}]}}'


def request(*tensors: str, more: str = "") -> bytes:
    return f'{{"inputs":[{",".join(tensors)}]{more}}}'.encode("utf-8", "surrogatepass")


NUMBER = Pair(CHECKS["one number"])
numerals = st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)


def halfway(bits: int) -> str:
    """A double, or the middle between it and the next, in up to 19 digits."""
    (x,) = struct.unpack("<d", struct.pack("<Q", bits & 0x7FFFFFFFFFFFFFFF))
    return f"{x:.18e}" if x - x == 0.0 else "0"


@given(numerals | st.integers(0, 2**63).map(halfway) | st.floats(allow_nan=False, allow_infinity=False).map(repr))
@settings(max_examples=500, deadline=None)
@example("9007199254740993")
@example("9007199254740992.5")
@example("9007199254740993.0")
@example("9007199254740995e22")
@example("1152921504606846847")
@example("18446744073709551615")
@example("9999999999999999999e27")
@example("1e23")
@example("92233720368547758080")
@example("0.92233720368547758080")
@example("184467440737095516160")
@example("8.41e21")
@example("5e-324")
@example("1.7976931348623157e308")
@example("1.7976931348623159e308")
@example("0.000000000000000000000000000000000000000000000000000000000000000001")
@example("-0")
@example("-0.0")
@example("-0e5")
def test_numbers_are_the_nearest_doubles(numeral: str) -> None:
    body = request(tensor("x", "FP64", numeral))
    found = NUMBER.scan(body)
    if found is not None:
        assert repr(found.rows) == repr([[float(numeral)]])
    NUMBER.agree(body)


def test_numbers_in_the_middle_of_two_doubles_are_rounded_as_python_does() -> None:
    rng = random.Random(5)
    taken = 0
    for _ in range(20_000):
        # Integers of 54 to 63 bits whose lowest bits are in or next to the middle, and quotients by powers of ten.
        bits = rng.randrange(54, 64)
        spare = bits - 53
        whole = (rng.getrandbits(53) | 1 << 52) << spare | 1 << (spare - 1)
        numeral = f"{whole + rng.choice((-1, 0, 0, 1))}{rng.choice(('', 'e-5', 'e-22', 'e-27', 'e3', 'e22', 'e27'))}"
        found = NUMBER.scan(request(tensor("x", "FP64", numeral)))
        taken += found is not None
        assert found is None or found.rows[0][0] == float(numeral)
    assert taken > 10_000


@pytest.mark.parametrize("numeral", [
    "01", "1.", ".5", "+1", "1e", "1e+", "--1", "1_0", "0x10", "1d", "NaN", "nan", "inf", "-", "", "1 2", "1,2", "[1]",
    '"1"', "true", "nul", "nulll", "1e1.5", "１",
])  # fmt: skip
def test_what_is_no_number_is_left_to_others(numeral: str) -> None:
    assert NUMBER.scan(request(tensor("x", "FP64", numeral))) is None


@given(st.text(max_size=20))
@settings(deadline=None)
@example("\ud800")
def test_texts_are_what_json_says(text: str) -> None:
    pair = Pair(CHECKS["one text"])
    for plain in (False, True):
        spelt = json.dumps(text, ensure_ascii=plain)
        asked = request(tensor("x", "BYTES", spelt), tensor("k", "BYTES", spelt))
        if pair.agree(asked):
            found = pair.scan(asked)
            assert (found.rows, found.passes) == ([[text]], [[text]])


def test_known_texts_share_one_object_however_they_are_spelt() -> None:
    checks = CHECKS["strange names"]
    scan = scanned(checks)
    row: dict[str, Any] = dict.fromkeys(checks.names, None)
    row['quo"te'] = 1.5
    for text in checks.signature.columns[0].categories:
        row["straße"] = text
        tensors = [
            {"name": column.name, "shape": [1], "datatype": {"number": "FP64", "integer": "INT64", "boolean": "BOOL"}
             .get(column.kind, "BYTES"), "data": [row[column.name]]}
            for column in checks.signature.columns
        ]  # fmt: skip
        for plain in (False, True):
            found = scan(json.dumps({"inputs": tensors}, ensure_ascii=plain).encode())
            assert found is not None
            assert found.rows[0][0] is text


@pytest.mark.parametrize(("datatype", "numerals"), [
    ("INT64", ["0", "7", "-9007199254740993", "999999999999999999"]), ("INT32", ["2147483647", "-2147483648"]),
    ("FP32", ["0.1", "3", "1e5"]), ("FP64", ["0.1", "-3", "1e5"]),
])  # fmt: skip
def test_numbers_may_come_in_tensors_of_any_datatype_that_holds_them(datatype: str, numerals: list[str]) -> None:
    for numeral in numerals:
        body = request(tensor("x", datatype, numeral))
        for _ in range(2):
            assert NUMBER.scan(body) == Parsed([[float(numeral)]])
            assert NUMBER.agree(body)


@pytest.mark.parametrize(("datatype", "numeral"), [
    ("INT64", "1.5"), ("INT64", "1.0"), ("INT64", "1e3"), ("INT32", "2147483648"), ("INT32", "-2147483649"),
    ("INT64", "9223372036854775808"), ("INT16", "1"), ("BOOL", "1"), ("BYTES", "1"), ("UINT64", "1"), ("fp64", "1"),
])  # fmt: skip
def test_numbers_in_tensors_of_other_datatypes_are_left_to_others(datatype: str, numeral: str) -> None:
    assert NUMBER.scan(request(tensor("x", datatype, numeral))) is None


def test_many_ways_of_writing_are_learnt_and_forgotten_without_a_difference() -> None:
    pair = Pair(CHECKS["every kind and more"])
    rng = random.Random(3)
    bodies = [body for body in (body_of(pair.checks.signature, rng) for _ in range(400)) if pair.took(body)]
    first = [repr(said(pair.scan, body)) for body in bodies]
    assert len(bodies) > 50
    for _ in range(3):
        rng.shuffle(bodies)
        assert all(pair.agree(body) for body in bodies)
    assert sorted(first) == sorted(repr(said(pair.scan, body)) for body in bodies)


@pytest.mark.parametrize("more", [',"outputs":[]', ',"parameters":{}', ',"id":null', ',"x":1', ',"inputs":[]', ","])
def test_what_is_not_common_is_left_to_others(more: str) -> None:
    x = tensor("x", "FP64", "1.5")
    for _ in range(3):
        assert NUMBER.scan(request(x)) == Parsed([[1.5]])
        assert NUMBER.scan(request(x, more=more)) is None
    assert NUMBER.scan(request(x, x)) is None
    assert NUMBER.scan(request(x) + b"x") is None
    assert NUMBER.scan(request(x) + b" \n\t\r") == Parsed([[1.5]])
    assert NUMBER.scan(b"\xef\xbb\xbf" + request(x)) is None
    assert NUMBER.scan(bytearray(request(x))) is None


def test_a_layout_too_long_to_keep_is_read_all_the_same() -> None:
    body = request(tensor("x", "FP64", "2")).replace(b"[", b"[" + b" " * 40_000)
    for _ in range(3):
        assert NUMBER.scan(body) == Parsed([[2.0]])


def test_signatures_up_to_the_widest_have_a_scanner() -> None:
    for count in (WIDEST, WIDEST + 1):
        names = [f"x{at}" for at in range(count)]
        checks = Checks(Signature("regression", tuple(Column(name, "number") for name in names)))
        scan = scanned(checks)
        if count > WIDEST:
            assert scan(request(*(tensor(name, "FP64", "1") for name in names))) is None
            continue
        for order in (names, list(reversed(names))):
            for _ in range(2):
                found = scan(request(*(tensor(name, "FP64", name[1:]) for name in order)))
                assert found == Parsed([[float(at) for at in range(count)]])
        assert scan(request(*(tensor(name, "FP64", "1") for name in [*names, "x0"]))) is None


@pytest.mark.parametrize("wrong", [
    (), ("x",), ((0,) * 9,), ((9, 1, 1, 0.0, 1.0, True, False, (b"x",), ()),),
    ((0, 1, 64, 0.0, 1.0, True, False, (b"x",), ()),),
    ((0, 1, 1, 0.0, 1.0, True, False, ("x",), ()),), ((0, 1, 1, 0.0, 1.0, True, False, (b"x", b"x"), ()),),
    ((4, 1, 1, 0.0, 1.0, True, False, (b"x",), ((b"x", 3),)),), ((4, 1, 1, 0.0, 1.0, True, False, (b"x",), (3,)),),
    ((1, 1, 4, -1e300, 1.0, True, False, (b"x",), ()),), ((5, 1, 4, 0.0, 1.0, True, False, (b"x",), ()),),
    ((1, 1, 4, float("nan"), 1.0, True, False, (b"x",), ()),),
])  # fmt: skip
def test_a_signature_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        scanning._scan.build(1, wrong, None)
    right: Any = ((0, 1, 1, 0.0, 1.0, True, False, (b"x",), ()),)
    for keys in ("x", (3,), (b"x", b"x")):
        with pytest.raises((ValueError, TypeError)):
            scanning._scan.build(1, right, keys)
    with pytest.raises(ValueError):
        scanning._scan.scan(object(), b"")


def test_nothing_is_kept_of_a_request() -> None:
    pair = Pair(CHECKS["every kind and more"])
    rng = random.Random(8)
    bodies = [body_of(pair.checks.signature, rng) for _ in range(200)]
    bodies += [damaged(body, rng) for body in bodies]
    category = pair.checks.signature.columns[5].categories[2]

    def run() -> None:
        for body in bodies:
            pair.took(body)

    run()
    assert pair.took(bodies[0])
    before, shared = sys.getallocatedblocks(), sys.getrefcount(category)
    for _ in range(20):
        run()
    assert sys.getrefcount(category) == shared
    assert sys.getallocatedblocks() - before < 50


def test_a_scan_within_a_scan_changes_nothing() -> None:
    pair = Pair(CHECKS["every kind and more"])
    rng = random.Random(9)
    bodies = [body for body in (body_of(pair.checks.signature, rng) for _ in range(90)) if pair.took(body)]
    bodies = [body for body in bodies if isinstance(said(pair.scan, body), tuple)]
    expected = {body: pair.scan(body) for body in bodies}
    within: list[tuple[bytes, Any]] = []
    turn = iter(range(10**9))

    def collected(phase: str, info: dict[str, int]) -> None:
        # What a collection runs may hand over to another thread, which asks the same model.
        if phase == "start":
            for _ in range(8):
                body = bodies[next(turn) % len(bodies)]
                within.append((body, pair.scan(body)))

    found: list[tuple[bytes, Any]] = []
    held = gc.get_threshold()
    gc.callbacks.append(collected)
    try:
        gc.set_threshold(1, 1000, 1000)
        # All that is found is kept, so that lists are made anew, upon which a collection may begin.
        for _ in range(20):
            for body in bodies:
                found.append((body, pair.scan(body)))
    finally:
        gc.set_threshold(*held)
        gc.callbacks.remove(collected)
    assert len(within) > len(found)
    assert all(expected[body] == one for body, one in (*found, *within))


def test_without_the_kernel_the_decoders_read_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(4)
    checks = CHECKS["times"]
    bodies = [body_of(checks.signature, rng) for _ in range(50)]

    def read(body: bytes) -> Any:
        return V2("m", checks.signature, checks).parse(body, {})

    found = [said(read, body) for body in bodies]
    monkeypatch.setattr(scanning, "_scan", None)
    assert scanned(checks)(bodies[0]) is None
    assert repr([said(read, body) for body in bodies]) == repr(found)


@pytest.mark.parametrize("form", ["native", "v1", "mlflow"])
def test_the_common_row_is_scanned_in_every_form(form: str) -> None:
    pair = Pair(CHECKS["one text"], form)
    for inner in ('{"x": "a", "k": 7}', '{"k":7,"x":"a"}', ' {\n"x" : "a" , "k" : 7 } '):
        for key in KEYS[form] or ("",):
            body = (f'{{"{key}" : [{inner}] }}' if key else inner).encode()
            for _ in range(2):
                assert pair.scan(body) == Parsed([["a"]], [[7]])
                assert pair.agree(body)


@pytest.mark.parametrize("body", [
    b'{"x":"a"}{"x":"a"}', b'[{"x":"a"}]', b'{"x":"a","x":"a"}', b'{"x":"a","y":1}', b'{"k":1}', b"{}", b"",
    b'{"x":["a"]}', b'{"instances":[{"x":"a"},{"x":"a"}]}', b'{"instances":[{"x":"a"}],"parameters":{}}',
    b'{"instances":[["a"]]}', b'{"instances":{"x":"a"}}', b'{"other":[{"x":"a"}]}', b'{"instances":[{"x":"a"}]',
    b'{"instances":[]}', b'{"x":"a"', b'{"x":"a",}', b'{"x":"a","k":1.0}',
    b'{"x":"a","k":true}', b'{"x":"a","k":9999999999999999999}',
    b'{"\\u0078":"a"}', b'{"x":"\xff"}',
])  # fmt: skip
def test_any_other_object_is_left_to_others(body: bytes) -> None:
    for form, keys in KEYS.items():
        read = scanned(CHECKS["one text"], keys)
        for _ in range(2):
            read(b'{"x":"b"}')
            assert read(body) is None, form
