"""Parquet files of records and labels: written whole or not at all, read whether they are encrypted or not.

Encrypted ones use Parquet's own modular encryption (AES-256-GCM, footer included), so other tools that are given the
key can read them. Each file has a random key; it stands in the file, wrapped by the home's key together with the
file's place, so that a file moved to another place does not open.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from fairlead.contract.errors import ConfigInvalid, StateError
from fairlead.runtime.capture import keys, layout
from fairlead.runtime.capture.cursor import sync_folder
from fairlead.runtime.capture.lazy import parquet
from fairlead.runtime.capture.tensors import others, path_of, restored, split, storable

_MAGIC_ENCRYPTED = b"PARE"
GROUP_BYTES = 4 << 20
"""Bytes of a row group in memory, unless one row has more: who reads by groups holds no more than some of them.
Parquet decodes lists element by element, small integers as four bytes each, with two more for its levels."""


def write_table(path: Path, table: Any, *, fresh: bool = True) -> bool:
    """A Parquet file that is there whole or not at all, encrypted where the home says so.

    fresh: make its folder; else False is returned, and nothing left behind, when the file has gone meanwhile.
    """
    table = storable(table)
    home, place = layout.home_and_place(path)
    key = keys.current(home)
    made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    if fresh:
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    properties = None if key is None else _factory(home).file_encryption_properties(
        _door().KmsConnectionConfig(), _how(f"{key.id}:{place}")
    )  # fmt: skip
    try:
        parquet().write_table(
            table,
            temporary,
            compression="zstd",
            encryption_properties=properties,
            row_group_size=_group_rows(table),
            **_encodings(table.schema),
        )
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        if not fresh and not path.exists():
            temporary.unlink(missing_ok=True)
            return False
        os.replace(temporary, path)
    except FileNotFoundError:
        if fresh:
            raise
        return False
    for folder in (path.parent, *(one.parent for one in made)):
        sync_folder(folder)
    return True


def _group_rows(table: Any) -> int | None:
    """Rows of a group; None for all of a table without tensors, of which a file never has many bytes."""
    if len(others(table.schema)) == table.num_columns:
        return None
    return max(1, GROUP_BYTES * int(table.num_rows) // max(1, int(table.nbytes)))


def _encodings(schema: Any) -> dict[str, Any]:
    """How columns are written, where that differs from Parquet's own choice."""
    floats = split(schema)
    if not floats:
        return {}
    return {
        "use_dictionary": [path for path in map(path_of, schema) if path not in floats],
        "use_byte_stream_split": floats,
    }


def open_file(path: Path, dictionary: Sequence[str] = ()) -> Any:
    """A `pyarrow.parquet.ParquetFile`. dictionary: columns to keep as dictionaries.

    Raises FileNotFoundError; ConfigInvalid when the key cannot be had; StateError for a file of another place.
    """
    return parquet().ParquetFile(path, read_dictionary=list(dictionary), decryption_properties=_opening(path))


def read_table(
    path: Path, columns: Sequence[str] | None = None, dictionary: Sequence[str] = (), *, tensors: bool = True
) -> Any:
    """Columns of a file, None for all. tensors: also those that hold tensors. Raises as `open_file`."""
    file = open_file(path, dictionary)
    if columns is None and not tensors:
        columns = others(file.schema_arrow)
    return restored(file.read(columns=None if columns is None else list(columns)))


def read_group(file: Any, group: int, columns: Sequence[str] | None = None) -> Any:
    """Columns of a row group of an open file, None for all."""
    return restored(file.read_row_group(group, columns=None if columns is None else list(columns)))


def read_metadata(path: Path) -> Any:
    """The footer of a file. Raises as `open_file`."""
    return parquet().read_metadata(path, decryption_properties=_opening(path))


def _opening(path: Path) -> Any:
    """What opens a file; None for one that is not encrypted."""
    with path.open("rb") as file:
        if file.read(4) != _MAGIC_ENCRYPTED:
            return None
    home, place = layout.home_and_place(path)
    door = _door()
    factory = _factory(home, place)
    return factory.file_decryption_properties(door.KmsConnectionConfig(), door.DecryptionConfiguration())


def _door() -> Any:
    return import_module("pyarrow.parquet.encryption")


def _how(name: str) -> Any:
    return _door().EncryptionConfiguration(
        name,
        uniform_encryption=True,
        encryption_algorithm="AES_GCM_V1",
        double_wrapping=False,
        data_key_length_bits=256,
    )


def _factory(home: Path, place: str | None = None) -> Any:
    return _door().CryptoFactory(lambda _: _keeper()(home, place))


@cache
def _keeper() -> type:
    """The class that wraps keys of files; made late, as its parent comes with pyarrow."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    class Keeper(_door().KmsClient):  # type: ignore[misc]
        """Names of wrapping keys are `<key>:<place of the file>`. place: the only one it opens, None when writing."""

        def __init__(self, home: Path, place: str | None) -> None:
            super().__init__()
            self._home, self._place = home, place

        def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
            secret = keys.find(self._home, master_key_identifier.partition(":")[0]).secret
            # Random nonces: 96 bits, and files are far fewer than the 2**32 that one key may wrap so.
            nonce = os.urandom(12)
            wrapped = AESGCM(secret).encrypt(nonce, bytes(key_bytes), master_key_identifier.encode())
            return base64.b64encode(nonce + wrapped).decode()

        def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
            id, _, place = master_key_identifier.partition(":")
            if place != self._place:
                raise StateError(f"a file of records is not where it was written: it belongs to {place}.")
            raw = base64.b64decode(wrapped_key)
            secret = keys.find(self._home, id).secret
            try:
                return AESGCM(secret).decrypt(raw[:12], raw[12:], master_key_identifier.encode())
            except InvalidTag:
                raise ConfigInvalid("a file of records does not open with its key.", key="capture.encrypt") from None

    return Keeper
