"""Tables of other places, by fsspec: fetched once into the home, under the hash of their bytes.

A table that has not changed there (its etag, or its time and size) is not fetched again; one of which neither is known
is fetched each time. What lies in the cache is looked at again before it is used.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import MissingExtra, SourceUnreadable
from fairlead.lab.tables.addresses import SCHEME, Address
from fairlead.lab.tables.webhdfs import Hadoop

KEPT_TABLES = 20
_BLOCK = 1 << 20
_IN_USE_S = 24 * 3600.0
_LIBRARIES = {
    "s3": ("s3fs", "clouds"), "s3a": ("s3fs", "clouds"), "gs": ("gcsfs", "gcp"), "gcs": ("gcsfs", "gcp"),
    "az": ("adlfs", "azure"), "abfs": ("adlfs", "azure"), "abfss": ("adlfs", "azure"),
}  # fmt: skip
HADOOP = ("hdfs", "webhdfs")
_MARKS = (
    "ETag",
    "etag",
    "e_tag",
    "checksum",
    "md5Hash",
    "LastModified",
    "last_modified",
    "mtime",
    "created",
    "updated",
)


class Known(msgspec.Struct, frozen=True):
    """What is remembered of a table that was fetched: its marks there, and where its bytes lie here."""

    address: str
    marks: dict[str, str]
    size: int
    hash: str
    name: str


def local_copy(address: Address, home: Path | None) -> tuple[Path, Callable[[], None]]:
    """A file of this machine with the bytes of that address, and what is to be called when it is needed no more.

    home: whose cache is used; without one the copy is temporary. Raises SourceUnreadable, MissingExtra.
    """
    system, path = _system(address)
    try:
        about = system.info(path)
        if about.get("type") == "directory":
            raise SourceUnreadable(f"{address.shown}: a folder, not a file")
        if home is None:
            folder = Path(tempfile.mkdtemp(prefix="fairlead-table-"))
            _download(system, path, folder / _name_of(path), int(about.get("size") or 0), address)
            return folder / _name_of(path), lambda: shutil.rmtree(folder, ignore_errors=True)
        return _cached(system, path, about, address, home / "fetched"), lambda: None
    except SourceUnreadable:
        raise
    except Exception as error:
        # Every store raises errors of its own; what they say may hold keys and hosts, so only the usual ones are told.
        raise SourceUnreadable(f"{address.shown}: {_in_words(error)}") from None


def remove_with(owner: object, act: Callable[[], None]) -> None:
    """Call `act` when `owner` is gone, at the end of the program at the latest."""
    weakref.finalize(owner, act)


def _cached(system: Any, path: str, about: dict[str, Any], address: Address, cache: Path) -> Path:
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    note = cache / f"{hashlib.sha256(address.shown.encode()).hexdigest()[:32]}.json"
    size, marks = int(about.get("size") or 0), _marks(about)
    known = _read(note)
    if known is not None and marks and (known.marks, known.size, known.address) == (marks, size, address.shown):
        held = cache / known.hash / known.name
        if held.is_file() and held.stat().st_size == size:
            os.utime(note)
            return held
    folder = Path(tempfile.mkdtemp(dir=cache, prefix=".new-"))
    try:
        digest = _download(system, path, folder / _name_of(path), size, address)
        target = cache / digest
        try:
            folder.rename(target)
        except OSError:
            # These very bytes are here already, perhaps under another name.
            target.mkdir(exist_ok=True)
            os.replace(folder / _name_of(path), target / _name_of(path))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _write(note, Known(address.shown, marks, size, digest, _name_of(path)))
    _prune(cache)
    return cache / digest / _name_of(path)


def _download(system: Any, path: str, out: Path, size: int, address: Address) -> str:
    sha, count = hashlib.sha256(), 0
    with system.open(path, "rb") as source, out.open("wb") as file:
        while block := source.read(_BLOCK):
            sha.update(block)
            file.write(block)
            count += len(block)
        file.flush()
        os.fsync(file.fileno())
    if size and count != size:
        raise SourceUnreadable(f"{address.shown}: {count:,} bytes came, {size:,} were announced; try again")
    return sha.hexdigest()


def _system(address: Address) -> tuple[Any, str]:
    if address.scheme in HADOOP:
        hadoop = Hadoop(SCHEME.sub("", address.text, count=1))
        return hadoop, hadoop.path
    try:
        from fsspec.core import url_to_fs
    except ModuleNotFoundError:
        raise MissingExtra("fsspec", "clouds") from None
    try:
        system, path = url_to_fs(address.text)
        return system, str(path)
    except ImportError:
        if address.scheme in _LIBRARIES:
            raise MissingExtra(*_LIBRARIES[address.scheme]) from None
        raise SourceUnreadable(
            f"{address.shown}: the library that opens {address.scheme}:// is not installed (fsspec names it)"
        ) from None
    except ValueError:
        raise SourceUnreadable(f"{address.shown}: unknown kind of address {address.scheme}://") from None


def _name_of(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2].partition("?")[0] or "table"


def _marks(about: dict[str, Any]) -> dict[str, str]:
    return {name: str(about[name]) for name in _MARKS if about.get(name)}


def _read(note: Path) -> Known | None:
    try:
        return msgspec.json.decode(note.read_bytes(), type=Known)
    except (OSError, msgspec.MsgspecError):
        return None


def _write(note: Path, known: Known) -> None:
    temporary = note.with_name(f".{note.name}.{os.getpid()}")
    temporary.write_bytes(msgspec.json.encode(known))
    os.replace(temporary, note)


def _prune(cache: Path) -> None:
    notes = sorted(cache.glob("*.json"), key=lambda p: p.stat().st_mtime)
    for old in notes[:-KEPT_TABLES]:
        old.unlink(missing_ok=True)
    held = {known.hash for note in notes[-KEPT_TABLES:] if (known := _read(note)) is not None}
    for folder in cache.iterdir():
        # What nobody refers to any more may still be read by a training that has begun.
        if folder.is_dir() and folder.name not in held and time.time() - folder.stat().st_mtime > _IN_USE_S:
            shutil.rmtree(folder, ignore_errors=True)


def _in_words(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "access is refused: are its credentials in the environment?"
    if isinstance(error, OSError) and error.strerror and error.errno:
        return error.strerror
    kind = type(error).__name__
    if kind in {"NoCredentialsError", "PartialCredentialsError"}:
        return "no credentials for it in the environment"
    return f"cannot be fetched ({kind})"
