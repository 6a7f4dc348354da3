"""Models over tensors behind a real server, and files of images made here, byte by byte."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from tests.browser.served import Model

from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle.tensor_cells import DTYPES

LOAD = "tests.browser.seeing:load"
Pixels = npt.NDArray[Any]


def tensor(name: str, dtype: str, shape: tuple[int, ...], low: float, high: float, **more: Any) -> Column:
    return Column(name, "tensor", nullable=False, low=low, high=high, dtype=dtype, shape=shape, **more)


DIGITS = Signature(
    task="classification",
    target="digit",
    columns=(tensor("pixels", "float64", (8, 8), 0.0, 16.0),),
    classes=tuple("0123456789"),
    key="sheet",
)
PHOTOS = Signature(
    task="regression",
    target="ripeness",
    columns=(tensor("photo", "uint8", (4, 6, 3), 3.0, 251.0), Column("weight", "number", low=1.0, high=9.0)),
)
PLANES = Signature(task="regression", columns=(tensor("planes", "float32", (3, 4, 4), -0.99, 1.0),))
WAVES = Signature(
    task="regression",
    columns=(
        tensor("wave", "float32", (5,), -2.0, 2.0, maximum=3.0),
        tensor("block", "int16", (2, 1, 2, 2), 0.0, 9.0),
    ),
)
SCANS = Signature(task="regression", columns=(tensor("scan", "uint8", (224, 224, 3), 0.0, 255.0),))
SIGNATURES = {"digits": DIGITS, "photos": PHOTOS, "planes": PLANES, "waves": WAVES, "scans": SCANS}


class Seeing(Model):
    """Weighs every element by its place, so that no two pixels are taken one for the other."""

    def score_rows(self, rows: Sequence[Sequence[Any]]) -> Any:
        weighed = [[sum(map(_weighed, row, self.signature.columns))] for row in rows]
        return super().score_rows(weighed) if self.signature.classes else np.array(weighed)


def _weighed(cell: Any, column: Column) -> float:
    return weighed_sum(cell, column) if column.kind == "tensor" else cell or 0.0


def weighed_sum(cell: bytes, column: Column) -> float:
    elements = np.frombuffer(cell, DTYPES[column.dtype]).astype(float)
    return float(elements @ np.arange(1, len(elements) + 1))


def load(folder: Path, trusted: Iterable[str]) -> Seeing:
    name = msgspec.json.decode((Path(folder) / "manifest.json").read_bytes())["name"]
    return Seeing(SIGNATURES[name], ())


def png(pixels: Pixels) -> bytes:
    """(h, w) grey, (h, w, 3) colours or (h, w, 4) with transparency, uint8."""
    height, width = pixels.shape[:2]
    kind = {1: 0, 3: 2, 4: 6}[1 if pixels.ndim == 2 else pixels.shape[2]]

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    lines = b"".join(b"\0" + line.tobytes() for line in pixels.astype(np.uint8))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def turned(jpeg: bytes, orientation: int) -> bytes:
    """A JPEG whose EXIF says how the camera was held."""
    directory = struct.pack(">HHHIHH", 1, 0x0112, 3, 1, orientation, 0) + struct.pack(">I", 0)
    exif = b"Exif\0\0MM\0\x2a" + struct.pack(">I", 8) + directory
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]
