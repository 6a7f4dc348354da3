"""What goes to executors and comes back: errors as they were, folders whole or refused."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract import errors
from fairlead.contract.errors import BundleRefused, CellInvalid, ColumnMissing, FairleadError, RemoteError
from fairlead.lab.tables.engines.travelling import error_of, packed, told, unpacked

TEXTS = st.text(max_size=12)
KINDS = [
    kind for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, FairleadError) and kind.__init__ is Exception.__init__
]  # fmt: skip
RAISED = st.one_of(
    st.builds(lambda kind, says: kind(says), st.sampled_from(KINDS), TEXTS),
    st.builds(CellInvalid, st.integers(0, 1 << 60), TEXTS, TEXTS, TEXTS),
    st.builds(ColumnMissing, st.lists(TEXTS, max_size=3), st.lists(TEXTS, max_size=3), st.sampled_from([None, 0, 9])),
)  # fmt: skip
NAMES = st.text("ab.-_ \u00e9", min_size=1, max_size=6).filter(lambda name: name.strip(". ") == name)


@given(RAISED)
def test_an_error_comes_back_as_it_was(error: FairleadError) -> None:
    again = error_of(told(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


def test_an_error_that_only_an_executor_knows_is_one_of_elsewhere() -> None:
    class Odd(FairleadError):
        pass

    assert isinstance(error_of(told(Odd("why"))), RemoteError)
    assert isinstance(error_of('{"kind": "Iterable", "says": "x", "holds": {}}'), RemoteError)


@given(st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=30), max_size=4))
def test_a_folder_arrives_as_it_was(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    source, to = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("to")
    kept = {n: data for n, data in files.items() if not any(other != n and f"{n}/" in f"{other}/" for other in files)}
    for name, data in kept.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(data)
    first = packed(source)
    assert packed(source) == first
    (to / "it.tar").write_bytes(first)
    unpacked(to / "it.tar", to / "out")
    found = {p.relative_to(to / "out").as_posix(): p.read_bytes() for p in (to / "out").rglob("*") if p.is_file()}
    assert found == kept


def archive(**how: Any) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as out:
        info = tarfile.TarInfo(how.pop("name", "x"))
        for name, value in how.items():
            setattr(info, name, value)
        out.addfile(info, io.BytesIO(b"x" * info.size))
    return held.getvalue()


@pytest.mark.parametrize("content", [
    archive(name="../out", size=1), archive(name="/etc/out", size=1),
    archive(type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    archive(type=tarfile.LNKTYPE, linkname="../../x"), archive(type=tarfile.CHRTYPE), b"no archive at all" * 60, b"",
    archive(name="x", size=600)[:700],
])  # fmt: skip
def test_what_is_no_folder_of_files_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "it.tar").write_bytes(content)
    try:
        unpacked(tmp_path / "it.tar", tmp_path / "to" / "out")
    except BundleRefused:
        pass
    else:
        # Python's own filter makes an absolute name a relative one.
        assert (tmp_path / "to" / "out" / "etc" / "out").exists()
    assert {p.name for p in tmp_path.iterdir()} <= {"it.tar", "to"}
    assert not [p for p in tmp_path.rglob("*") if p.is_symlink()]


@given(st.binary(max_size=1200))
def test_bytes_that_are_no_archive_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    place = tmp_path_factory.getbasetemp() / "archives"
    place.mkdir(exist_ok=True)
    (place / "it.tar").write_bytes(content)
    with pytest.raises(BundleRefused):
        unpacked(place / "it.tar", place / "out")
