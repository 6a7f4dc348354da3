"""Bundles in a store: there when their manifest is, taken for what their hashes say, fetched once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.unit.bundle.bundle_samples import LINEAGE, files, write_files

from fairlead.contract.errors import BundleNotFound, BundleRefused, ObjectDamaged, StoreFailed
from fairlead.contract.evidence import Attestation
from fairlead.contract.stores import Store, Stored
from fairlead.ops.stores import StoredBundles, store_of
from fairlead.runtime.bundle import BundleStore, SigningKey, attest, attestations, load, seal


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.create(tmp_path_factory.mktemp("key") / "seal.key")


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory, key: SigningKey) -> Path:
    folder = write_files(tmp_path_factory.mktemp("sealed") / "bundle", files())
    seal(folder, "churn", LINEAGE, "linear", "2.4.6", key)
    return folder


def home(folder: Path, name: str) -> StoredBundles:
    """The bundles of one home, all homes at one store."""
    return StoredBundles(folder / name / "bundles", store_of(str(folder / "store")), folder / name / "attestations")


def test_another_home_gets_it_whole_with_what_was_stated(tmp_path: Path, sealed: Path, key: SigningKey) -> None:
    ours, theirs = home(tmp_path, "ours"), home(tmp_path, "theirs")
    bundle = ours.add(sealed)
    assert (ours.there(), theirs.ids(), ours.behind()) == ((bundle,), (), ())
    assert load(theirs.path(bundle), [key.public]).id == bundle
    attest(tmp_path / "ours" / "attestations", Attestation(bundle, "evaluation", 1.0, "a", {"verdict": "pass"}), key)
    assert ours.send_all() == 0
    theirs.fetch_statements(bundle)
    (told,) = attestations(tmp_path / "theirs" / "attestations", bundle, [key.public])
    assert told.statement == {"verdict": "pass"}
    # From here on nobody asks the store.
    shutil.rmtree(tmp_path / "store")
    assert theirs.path(bundle).is_dir()
    assert home(tmp_path, "theirs")(bundle).is_dir()


def test_bytes_that_are_not_the_manifests_never_become_a_bundle(tmp_path: Path, sealed: Path) -> None:
    ours, theirs = home(tmp_path, "ours"), home(tmp_path, "theirs")
    bundle = ours.add(sealed)
    ours.store.put(f"{bundle}/signature.json", b"{}")
    with pytest.raises(ObjectDamaged, match=r"signature\.json"):
        theirs.path(bundle)
    ours.store.delete(f"{bundle}/signature.json")
    with pytest.raises(BundleRefused, match=r"lacks signature\.json"):
        theirs.path(bundle)
    ours.store.put(f"{bundle}/manifest.json", b"{}")
    with pytest.raises(BundleRefused, match="another's"):
        theirs.path(bundle)
    assert BundleStore(theirs.root).ids() == ()
    assert [p.name for p in theirs.root.iterdir()] == []


class Dies:
    """A store whose writer is gone after so many objects."""

    def __init__(self, store: Store, after: int) -> None:
        self._store, self.left, self.address = store, after, store.address

    def put(self, name: str, what: Path | bytes, **how: str) -> Stored:
        self.left -= 1
        if self.left < 0:
            raise StoreFailed("the store does not answer")
        return self._store.put(name, what, **how)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


def test_a_bundle_that_was_half_sent_is_none_and_is_sent_later(tmp_path: Path, sealed: Path, key: SigningKey) -> None:
    ours, theirs = home(tmp_path, "ours"), home(tmp_path, "theirs")
    whole, ours.store = ours.store, Dies(ours.store, 4)  # type: ignore[assignment]
    bundle = ours.add(sealed)
    assert ours.path(bundle).is_dir()
    assert ours.behind() == (bundle,)
    with pytest.raises(BundleNotFound, match="there is no bundle"):
        theirs.path(bundle)
    ours.store = whole
    assert ours.send_all() == 1
    assert load(theirs.path(bundle), [key.public]).id == bundle


def test_what_is_no_id_is_asked_of_nobody(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFound):
        home(tmp_path, "ours").path("../../etc")
