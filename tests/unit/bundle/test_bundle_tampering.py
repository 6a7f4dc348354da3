"""Whatever is done to a sealed bundle, it is refused with a reason before anything of it is built."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import msgspec
import pytest
from bundle_samples import LINEAGE, files, write_files
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import BundleNotFound, BundleRefused
from fairlead.runtime.bundle import BundleStore, SigningKey, inspect, load, seal, signer_of, verify
from fairlead.runtime.bundle.manifest import LIMITS, canonical, sha256
from fairlead.runtime.bundle.verifying import read_file

PATHS = sorted([*files(), "manifest.json", "seal.sig"])


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@st.composite
def tampering(draw):
    """(what, change): a function that changes a bundle folder."""
    path = draw(st.sampled_from(PATHS))
    kind = draw(st.sampled_from(["flip", "insert", "delete byte", "truncate", "append", "remove", "swap", "add"]))
    where, byte = draw(st.floats(0, 1, exclude_max=True)), draw(st.integers(1, 255))
    other = draw(st.sampled_from([p for p in PATHS if p != path]))
    name = draw(
        st.sampled_from(["extra.bin", "model/extra.py", ".hidden", "MLmodel", "Manifest.json", "sub/x", "model/a/b"])
    )

    def change(folder: Path) -> None:
        target = folder / path
        data = target.read_bytes()
        at = int(where * len(data))
        if kind == "flip":
            target.write_bytes(data[:at] + bytes([data[at] ^ byte]) + data[at + 1 :])
        elif kind == "insert":
            target.write_bytes(data[:at] + bytes([byte]) + data[at:])
        elif kind == "delete byte":
            target.write_bytes(data[:at] + data[at + 1 :])
        elif kind == "truncate":
            target.write_bytes(data[:at])
        elif kind == "append":
            target.write_bytes(data + bytes([byte]))
        elif kind == "remove":
            target.unlink()
        elif kind == "swap":
            target.write_bytes((folder / other).read_bytes())
            (folder / other).write_bytes(data)
        else:
            (folder / name).parent.mkdir(exist_ok=True, parents=True)
            (folder / name).write_bytes(b"x")

    return f"{kind} {path} {other} {name}", change


@settings(max_examples=250, deadline=None)
@given(tampering())
def test_any_change_is_refused_with_a_reason(sealed, key, change):
    what, apply = change
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(shutil.copytree(sealed, Path(temporary) / "bundle"))
        apply(folder)
        with pytest.raises(BundleRefused) as refused:
            verify(folder, (key.public,))
        assert str(refused.value), what
        assert temporary not in str(refused.value)
        shown = inspect(folder, (key.public,))
        assert shown["seal"]["verified"] is False
        assert set(shown) == {"bundle", "seal"}


def test_an_untouched_bundle_verifies_and_loads(sealed, key):
    verified = verify(sealed, (key.public,))
    assert verified.id == sha256((sealed / "manifest.json").read_bytes())
    assert verified.files == files()
    assert load(sealed, (key.public,)).id == verified.id
    assert inspect(sealed, (key.public,))["seal"] == {"verified": True, "signer": key.public, "reason": None}


def test_another_key_is_refused_and_named(sealed, tmp_path):
    stranger = SigningKey.create(tmp_path / "k")
    with pytest.raises(BundleRefused, match="not trusted here"):
        verify(sealed, (stranger.public,))
    with pytest.raises(BundleRefused, match="not trusted here"):
        verify(sealed, ())


def test_a_bundle_sealed_again_by_a_stranger_is_refused(copied, key, tmp_path):
    stranger = SigningKey.create(tmp_path / "k")
    seal(copied, "churn", LINEAGE, "linear", "2.4.6", stranger)
    with pytest.raises(BundleRefused, match="not trusted here"):
        load(copied, (key.public,))
    assert signer_of(copied) == stranger.public


def test_a_seal_that_names_a_trusted_key_without_its_signature_is_refused(copied, key, tmp_path):
    stranger = SigningKey.create(tmp_path / "k")
    manifest = (copied / "manifest.json").read_bytes()
    (copied / "seal.sig").write_text(f"ed25519 {key.public} {stranger.sign(manifest).hex()}\n")
    with pytest.raises(BundleRefused, match="does not match"):
        verify(copied, (key.public, stranger.public))


def test_links_devices_and_folders_are_refused(copied, key, tmp_path):
    card = copied / "model_card.md"
    content = card.read_bytes()

    def refused(why: str) -> None:
        with pytest.raises(BundleRefused, match=why):
            verify(copied, (key.public,))

    outside = tmp_path / "outside.md"
    outside.write_bytes(content)
    card.unlink()
    card.symlink_to(outside)
    refused("is a link")
    card.unlink()
    os.link(outside, card)
    refused("hard link")
    card.unlink()
    os.mkfifo(card)
    refused("not a plain file")
    card.unlink()
    card.mkdir()
    refused("folder that no bundle has")
    card.rmdir()
    card.write_bytes(content)
    shutil.move(copied / "model", tmp_path / "model")
    (copied / "model").symlink_to(tmp_path / "model")
    refused("is a link")
    (tmp_path / "front").symlink_to(copied)
    with pytest.raises(BundleRefused, match="is a folder"):
        verify(tmp_path / "front", (key.public,))


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "/etc/passwd",
        "model\\tail.json",
        "model/../seal.sig",
        "MODEL/front.json",
        "C:x",
        "model//front.json",
        "seal.sig",
        "manifest.json",
        "",
    ],
)
def test_a_sealed_manifest_with_a_tricky_path_is_refused(copied, key, path):
    manifest = msgspec.json.decode((copied / "manifest.json").read_bytes())
    manifest["files"][path] = "0" * 64
    resealed(copied, key, canonical(manifest))
    with pytest.raises(BundleRefused, match="names a file that no bundle has"):
        verify(copied, (key.public,))


def resealed(folder: Path, key: SigningKey, manifest: bytes) -> None:
    """Seal bytes that `seal` itself would never write."""
    (folder / "manifest.json").write_bytes(manifest)
    (folder / "seal.sig").write_text(f"ed25519 {key.public} {key.sign(manifest).hex()}\n")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda m: m | {"format": 2}, "format 2 is not known"),
        (lambda m: m | {"surprise": 1}, "canonical"),
        (lambda m: m | {"files": {}}, "lacks"),
        (lambda m: m | {"files": {p: h for p, h in m["files"].items() if "tail" not in p}}, "one tail"),
        (lambda m: m | {"files": m["files"] | {"model/tail.onnx": "0" * 64}}, "one tail"),
        (lambda m: m | {"files": m["files"] | {"parity.json": "zz"}}, "malformed"),
        (lambda m: {k: v for k, v in m.items() if k != "lineage"}, "manifest.json"),
    ],
)
def test_a_sealed_manifest_that_is_no_manifest_is_refused(copied, key, change, why):
    resealed(copied, key, canonical(change(msgspec.json.decode((copied / "manifest.json").read_bytes()))))
    with pytest.raises(BundleRefused, match=why):
        verify(copied, (key.public,))


@pytest.mark.parametrize("data", [b"[" * 200_000, b'{"a":' * 100_000, b"\xff\xfe", b"9" * 500_000, b""])
def test_a_sealed_manifest_that_is_a_bomb_is_refused(copied, key, data):
    resealed(copied, key, data)
    with pytest.raises(BundleRefused, match=r"manifest\.json"):
        verify(copied, (key.public,))


def test_a_file_beyond_its_limit_is_refused_unread(copied, key):
    with open(copied / "seal.sig", "ab") as file:
        file.truncate(LIMITS["seal.sig"] + 1)
    with pytest.raises(BundleRefused, match="the limit is 1024"):
        verify(copied, (key.public,))
    with open(copied / "model" / "tail.json", "ab") as file:
        file.truncate(LIMITS["model/tail.json"] + 1)
    with pytest.raises(BundleRefused, match="the limit is"):
        read_file(copied, "model/tail.json")


def test_what_was_verified_is_what_is_used_whatever_happens_to_the_folder(copied, key):
    verified = verify(copied, (key.public,))
    write_files(copied, {"golden.jsonl": b"swapped"})
    assert verified.files["golden.jsonl"] == files()["golden.jsonl"]


def test_sealing_is_deterministic_and_refuses_strangers(tmp_path, key):
    ids = set()
    for name in ("one", "two"):
        folder = write_files(tmp_path / name, files())
        ids.add(seal(folder, "churn", LINEAGE, "linear", "2.4.6", key))
    assert len(ids) == 1
    assert everything(tmp_path / "one") == everything(tmp_path / "two")
    (tmp_path / "one" / "notes.txt").write_text("x")
    with pytest.raises(BundleRefused, match="no bundle has"):
        seal(tmp_path / "one", "churn", LINEAGE, "linear", "2.4.6", key)
    (tmp_path / "two" / "parity.json").unlink()
    with pytest.raises(BundleRefused, match=r"lacks parity\.json"):
        seal(tmp_path / "two", "churn", LINEAGE, "linear", "2.4.6", key)


def test_store_adds_once_and_finds_by_id(sealed, key, tmp_path):
    store = BundleStore(tmp_path / "bundles")
    assert store.ids() == ()
    bundle = store.add(sealed)
    assert store.add(sealed) == bundle
    assert store.ids() == (bundle,)
    assert verify(store.path(bundle), (key.public,)).id == bundle
    assert os.listdir(store.root) == [bundle]
    store.remove(bundle)
    assert store.ids() == ()
    for absent in (bundle, "../x", "", "a" * 64):
        with pytest.raises(BundleNotFound):
            store.path(absent)
