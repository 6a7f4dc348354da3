"""Signatures of every kind of column, requests of one row for them in several forms, and what damages a body;
and pairs of ways to read them, which must agree."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from fairlead.contract.errors import InputInvalid
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.mlflow import MLflow
from fairlead.runtime.wire.native import Native
from fairlead.runtime.wire.scanning import scanned
from fairlead.runtime.wire.v1 import V1
from fairlead.runtime.wire.v2 import V2
from fairlead.runtime.wire.v2_quick import TypedRow

EVERY = (
    Column("n", "number", minimum=-5.0, maximum=5.0),
    Column("free", "number"),
    Column("i", "integer", nullable=False),
    Column("bound", "integer", minimum=0.0, maximum=3.0),
    Column("b", "boolean"),
    Column("c", "category", categories=("a", "ab", "abc", "abcdefgh", "abcdefghi", "")),
    Column("ci", "category", coded="integer", categories=("-1", "0", "7", "12345678901234567")),
    Column("cb", "category", coded="boolean", categories=("false", "true")),
    Column("text", "text", nullable=False),
)
STRANGE = (
    Column("straße", "category", categories=("Männlich", 'sa"id', "back\\slash", "tab\t", "😀", "plain", "\x7f")),
    Column('quo"te', "number", nullable=False),
    Column("back\\slash", "integer"),
    Column("name", "category"),
    Column("data", "boolean"),
    Column("", "number"),
    Column("😀", "number"),
)
SIGNATURES = {
    "every kind": Signature("regression", EVERY),
    "every kind and more": Signature("regression", EVERY, key="id", time=("at",), sticky="stick"),
    "times": Signature("regression", (*EVERY, Column("t", "time")), key="id", time=("at",), timezone="Europe/Berlin"),
    "strange names": Signature("regression", STRANGE, key="schlüssel"),
    "one number": Signature("regression", (Column("x", "number"),)),
    "one text": Signature("regression", (Column("x", "text"),), key="k"),
}
CHECKS = {name: Checks(signature) for name, signature in SIGNATURES.items()}
CODECS: dict[str, Any] = {"v2": V2, "native": Native, "v1": V1, "mlflow": MLflow}
KEYS: dict[str, Any] = {
    "v2": None, "native": (), "v1": ("instances",), "mlflow": ("dataframe_records", "instances", "inputs"),
}  # fmt: skip
KINDS = {"number": "FP64", "integer": "INT64", "boolean": "BOOL"}
CODED = {"integer": "INT64", "boolean": "BOOL", "text": "BYTES"}
NUMBERS: Sequence[Any] = (0, 1, -1, 2.5, 0.1, 1e-7, 4.999999999999999, 1e22, -0.0, 20.65, 1234567.891, 2**53 + 1, 7e300)
INTEGERS: Sequence[Any] = (0, 3, 2, -7, 2.0, 2**53 + 1, 2**62, -(2**63), 10**18, 10**20, 1e5)
TEXTS = ("a", "abc", "Straße", 'q"', "\\", "\n", "😀", "", "abcdefgh", "x" * 40, "ß" * 9)


def tame(column: Column, rng: random.Random) -> Any:
    """A value that is right."""
    if column.nullable and rng.random() < 0.1:
        return None
    if column.kind == "number":
        return rng.choice((0, 1, -1, 2.5, 0.1, 1e-7, 4.999999999999999, rng.random(), rng.uniform(-5, 5)))
    if column.kind == "integer":
        return rng.choice((0, 3, 2.0, 1))
    if column.kind == "boolean" or column.coded == "boolean":
        return rng.random() < 0.5
    if column.kind == "time":
        return rng.choice(("2020-01-01", "2020-01-01T05:00:00Z", "31.01.2011"))
    if column.coded == "integer":
        return rng.choice((0, 7, -1, 12345678901234567, rng.randrange(-20, 20)))
    return rng.choice((*column.categories, "new", "ab", "x" * 40))


def wild(column: Column, rng: random.Random) -> Any:
    """A value that is right or wrong."""
    return rng.choice((*NUMBERS, *INTEGERS, *TEXTS, True, None, "soon", 10**18, rng.randrange(-(2**64), 2**64)))


def asked(signature: Signature, rng: random.Random) -> dict[str, Any]:
    """A request of one row, its columns shuffled now and then, most of them right."""
    tensors = []
    for column in signature.columns:
        kind = KINDS.get(column.kind, CODED[column.coded])
        if kind in {"FP64", "INT64"} and rng.random() < 0.1:
            kind = rng.choice(("FP64", "FP32", "INT64", "INT32", "INT16"))
        tensors.append([column.name, kind, rng.choice((tame,) * 50 + (wild,))(column, rng)])
    for name in signature.passthrough:
        if rng.random() < 0.7:
            key = rng.choice((("BYTES", "k1"), ("INT64", 5), ("BYTES", "2024-01-01"), ("BYTES", None), ("INT64", -9)))
            tensors.append([name, *key])
    if rng.random() < 0.2:
        rng.shuffle(tensors)
    shape = [1] if rng.random() < 0.8 else [1, 1]
    inputs = [{"name": n, "shape": shape, "datatype": kind, "data": [value]} for n, kind, value in tensors]
    if rng.random() < 0.1:
        inputs = [dict(reversed(one.items())) for one in inputs]
    body = {"inputs": inputs}
    if rng.random() < 0.2:
        body = {"id": rng.choice(("r1", "", "ä")), **body}
    elif rng.random() < 0.1:
        body["id"] = "behind"  # type: ignore[assignment]
    return body


def body_of(signature: Signature, rng: random.Random, form: str = "v2") -> bytes:
    """As one of several libraries of clients would write it. form: a codec."""
    spell = rng.choice(({}, {"separators": (",", ":")}, {"ensure_ascii": False}, {"indent": 1}))
    said: Any = asked(signature, rng)
    if form != "v2":
        said = {one["name"]: one["data"][0] for one in said["inputs"]}
    if form == "v1":
        said = {"instances": [said]}
    if form == "mlflow":
        said = {rng.choice(("instances", "dataframe_records", "inputs")): [said]}
    return json.dumps(said, **spell).encode()


_PIECES = (
    b"0", b"1", b"-", b".", b"e", b"E5", b"9", b'"', b"\\", b",", b":", b"[", b"]", b"{", b"}", b" ", b"\n", b"\x00",
    b"\x1f", b"\x7f", b"\xff", b"\xc3", b"\xc3\xa4", b"\xed\xa0\x80", b"null", b"true", b"false", b"NaN", b"Infinity",
    b'"instances"', b'"name"', b'"data"', b'"shape"', b'"datatype"', b'"parameters":{}', b'"id":"x"', b'"outputs":[]',
    b'"inputs":[', b"[1]", b"[1,1]", b"[2]", b"FP64", b"FP32", b"INT64", b"INT32", b"2147483648", b"BYTES", b"BOOL",
    b"\\u0061", b"\\n",
    b"1e999", b"-0", b"00", b"1.", b"0.0", b"9223372036854775808", b"4611686018427387905", b"2.2250738585072011e-308",
    b"8" * 30,
)  # fmt: skip


def damaged(body: bytes, rng: random.Random) -> bytes:
    """One to three bytes or parts changed, put in, taken out, doubled or cut off."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        at, end = sorted((rng.randrange(len(body) + 1), rng.randrange(len(body) + 1)))
        how = rng.randrange(8)
        if how == 0 and at < len(body):
            body = body[:at] + bytes((body[at] ^ 1 << rng.randrange(8),)) + body[at + 1 :]
        elif how == 1:
            body = body[:at] + rng.choice(_PIECES) + body[at:]
        elif how == 2:
            body = body[:at] + rng.choice(_PIECES) + body[at + 1 :]
        elif how == 3:
            body = body[:at] + body[at + rng.randrange(1, 4) :]
        elif how == 4:
            body = body[:end] + body[at:end] + body[end:]
        elif how == 5:
            body = body[:at] + body[end:] if rng.random() < 0.3 else body[:at] + body[at + 1 :]
        elif how == 6 and rng.random() < 0.2:
            body = body[:at]
        else:
            marks = [place for place, byte in enumerate(body) if byte in b'[]{},:"']
            if marks:
                place = rng.choice(marks)
                body = body[:place] + rng.choice(_PIECES) + body[place + rng.randrange(2) :]
    return body


def said(read: Any, body: bytes) -> Any:
    try:
        parsed = read(body)
    except InputInvalid as refused:
        return str(refused)
    if parsed is None:
        return None
    passes = None if parsed.passes is None else [list(row) for row in parsed.passes]
    return [list(row) for row in parsed.rows], passes, parsed.id, parsed.outputs, parsed.form


class Pair:
    """One signature's scanner and its oracle, kept for many bodies, as in a server: what is learnt may not matter."""

    def __init__(self, checks: Checks, form: str = "v2") -> None:
        self.checks, self.form = checks, form
        self.scan: Any = scanned(checks, KEYS[form])
        codec, oracle = (CODECS[form]("m", checks.signature, checks) for _ in range(2))
        self._with, self._without = (lambda body: codec.parse(body, {})), (lambda body: oracle.parse(body, {}))
        if form == "v2":
            oracle._single = TypedRow(checks).read
        elif form == "native":
            oracle._scanned = lambda body: None
        elif form == "v1":
            oracle._read = oracle._by_types
        else:
            oracle._json = oracle._by_types

    def took(self, body: bytes) -> bool:
        try:
            return self.scan(body) is not None
        except InputInvalid:
            return True

    def agree(self, body: bytes) -> bool:
        """Whether the scanner took it."""
        if not self.took(body):
            return False
        assert repr(said(self._with, body)) == repr(said(self._without, body)), body
        return True
