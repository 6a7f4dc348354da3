"""Stores in which others put things, too: names that are none of ours, huge statements, uploads that were ended."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ports.object_stores import moto
from tests.unit.stores.test_mirrored_records import captured
from tests.unit.stores.test_stored_bundles import home, key, sealed

from fairlead.contract.errors import ObjectDamaged, StoreFailed, UsageError
from fairlead.contract.stores import StoreTerms, check_name, fits, walk
from fairlead.ops.stores import Mirror, store_of
from fairlead.runtime.bundle import SigningKey
from fairlead.runtime.capture import Records

__all__ = ["key", "sealed"]

ODD = ("50%.txt", "a:b", "back\\slash", "tab\there", "del\x7f", "\udcff raw")
PARTS = st.text(st.characters(codec="utf-8", exclude_characters="/\x00"), min_size=1, max_size=8)


@given(st.lists(PARTS, min_size=1, max_size=4).map("/".join))
def test_a_name_fits_or_is_refused(name: str) -> None:
    if fits(name):
        assert check_name(name) == name
        assert not name.startswith("/")
        assert ".." not in name.split("/")
        return
    with pytest.raises(UsageError):
        check_name(name)


def test_a_folder_that_others_use_as_well_is_listed_to_its_end(tmp_path: Path) -> None:
    store = store_of(str(tmp_path))
    ours = [store.put(name, b"x").name for name in ("a", "b/c", "z")]
    for name in ODD:
        (tmp_path / name).write_bytes(b"theirs")
        (tmp_path / "b" / name).mkdir()
        (tmp_path / "b" / name / "inner").write_bytes(b"theirs")
    assert [one.name for one in walk(store, page=2)] == ours


@settings(max_examples=25)
@given(st.sets(st.text(st.sampled_from("ab-/.Z\u00e9%:"), min_size=1, max_size=6), max_size=12), st.integers(1, 4))
def test_names_come_in_the_order_of_their_text_whatever_else_lies_there(
    tmp_path_factory: pytest.TempPathFactory, names: set[str], page: int
) -> None:
    root = tmp_path_factory.mktemp("named")
    store, put = store_of(str(root)), set()
    for name in sorted(names):
        path = root / name.strip("/")
        taken = [*path.parents, path]
        if os.path.normpath(name) != name or name.startswith("/") or any(p.is_file() for p in taken) or path.is_dir():
            continue
        if fits(name):
            put.add(store.put(name, b"").name)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    assert [one.name for one in walk(store, page=page)] == sorted(put)


def test_a_statement_larger_than_any_is_not_fetched(tmp_path: Path, sealed: Path, key: SigningKey) -> None:
    ours, theirs = home(tmp_path, "ours"), home(tmp_path, "theirs")
    bundle = ours.add(sealed)
    name = f"{'a' * 64}.json"
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate((16 << 20) + 1)
    ours.store.put(f"attestations/{bundle}/{name}", big)
    ours.store.put(f"attestations/{bundle}/{'b' * 64}.json", b"{}")
    theirs.fetch(bundle)
    assert [path.name for path in (tmp_path / "theirs" / "attestations" / bundle).iterdir()] == [f"{'b' * 64}.json"]


@pytest.mark.long
def test_an_upload_that_a_rule_of_the_bucket_ended_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what others put there under names that are none of ours does not end a listing."""
    import boto3

    with moto() as (port, environ):
        for name, value in {**environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}.items():
            monkeypatch.setenv(name, value)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="kept")
        store = store_of("s3://kept/here", StoreTerms(part_bytes=5 << 20, timeout_s=10.0, attempts=2))
        begun = s3.create_multipart_upload(Bucket="kept", Key="here/large")["UploadId"]
        body = b"x" * (6 << 20)
        note = store._begun("large", "here/.fairlead-uploads/note", "0" * 64, 5 << 20)  # type: ignore[attr-defined]
        s3.abort_multipart_upload(Bucket="kept", Key="here/large", UploadId=begun)
        s3.delete_object(Bucket="kept", Key="here/.fairlead-uploads/note")
        s3.abort_multipart_upload(Bucket="kept", Key="here/large", UploadId=note.upload)
        # The note of an upload that is no more, under the very name that the next one looks for.
        digest = hashlib.sha256
        told = note.__class__("large", note.upload, digest(body).hexdigest(), 5 << 20)
        place = f"here/.fairlead-uploads/{digest(b'large').hexdigest()}"
        s3.put_object(Bucket="kept", Key=place, Body=msgspec.json.encode(told))
        assert store.put("large", body).bytes == len(body)
        for odd in ("here/50%", "here//double", "here/a:b", "here/"):
            s3.put_object(Bucket="kept", Key=odd, Body=b"theirs")
        assert [one.name for one in walk(store)] == ["large"]


def test_what_others_put_among_the_records_stays_there_and_harms_nobody(tmp_path: Path) -> None:
    here, there, store = tmp_path / "here", tmp_path / "there", store_of(str(tmp_path / "store"))
    captured(there, 0, 3)
    Mirror(there, store).push()
    for name in ("m/analysis.parquet", "m/2020-09-13/12/x.parquet", "m/2020-09-13/12/part-0001.csv", "m/a-1.parquet"):
        store.put(f"records/{name}", b"theirs")
    assert Mirror(here, store).pull().fetched >= 1
    assert Records(here, "m").between(None, None).num_rows == 3
    torn = "records/m/2020-09-13/12/!torn-0.parquet"
    store.put(torn, b"of a name that could be ours")
    captured(there, 3, 2, instance="j")
    Mirror(there, store).push()
    with pytest.raises(ObjectDamaged, match=f"{torn} is no file of records"):
        Mirror(here, store).pull()
    assert Records(here, "m").between(None, None).num_rows == 5
    with pytest.raises(ObjectDamaged):  # each time, and nothing of it lies here
        Mirror(here, store).pull()
    assert not (here / torn).exists()
    assert Mirror(here, store).reconcile().files == Mirror(there, store).reconcile().files


def test_a_damaged_file_of_records_takes_the_place_of_none_and_holds_nothing_up(tmp_path: Path) -> None:
    home, store = tmp_path / "home", store_of(str(tmp_path / "store"))
    captured(home, 0, 3)
    mirror = Mirror(home, store)
    mirror.push()
    torn = next((home / "records").rglob("*.parquet"))
    whole = torn.read_bytes()
    torn.write_bytes(whole[:-9])
    captured(home, 3, 2, instance="j")
    with pytest.raises(ObjectDamaged, match=f"{torn.name} is damaged here and was not sent"):
        mirror.push()
    assert mirror.waiting() == (torn.relative_to(home).as_posix(),)
    torn.unlink()
    assert mirror.pull().fetched == 1
    assert torn.read_bytes() == whole
    assert Records(home, "m").between(None, None).num_rows == 5


def test_what_is_put_over_a_file_of_records_takes_the_place_of_none(tmp_path: Path) -> None:
    home, store = tmp_path / "home", store_of(str(tmp_path / "store"))
    captured(home, 0, 3)
    mirror = Mirror(home, store)
    mirror.push()
    ours = next((home / "records").rglob("*.parquet"))
    store.put(ours.relative_to(home).as_posix(), b"theirs")
    with pytest.raises(ObjectDamaged, match="is no file of records"):
        mirror.pull()
    assert Records(home, "m").between(None, None).num_rows == 3
    assert [path.name for path in ours.parent.iterdir()] == [ours.name]


def test_a_name_that_no_disk_takes_is_said_by_every_question(tmp_path: Path) -> None:
    store = store_of(str(tmp_path))
    store.put("a", b"x")
    for ask in (store.exists, store.stat, store.read):
        with pytest.raises(StoreFailed, match="name too long"):
            ask("n" * 300)
