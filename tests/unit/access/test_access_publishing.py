"""What the data plane is told of who may ask: with every publication, from whichever project, and never too much."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.contract.errors import BundleRefused, ConfigInvalid
from fairlead.contract.routes import Variant
from fairlead.ops.flow import Workspace, release
from fairlead.ops.flow.admitting import admitted, bring_up_to_date, issuers, keyring, publish_keys
from fairlead.ops.state import Intent
from fairlead.runtime.serve import read

sys.path.insert(0, str(Path(__file__).parents[1] / "serve"))

import asking
import stand_in

SETTINGS = """
[model]
name = "{name}"
task = "classification"
target = "gone"
[serve]
purposes = {purposes}
"""
ISSUER = """
[access]
issuer = "https://id.example"
audience = "fairlead"
jwks = "keys.json"
"""


def workspace(folder: Path, name: str = "churn", purposes: str = '["retention"]', more: str = "") -> Workspace:
    folder.mkdir(exist_ok=True)
    (folder / "fairlead.toml").write_text(SETTINGS.format(name=name, purposes=purposes) + more)
    return Workspace.find(folder)


@pytest.fixture
def ws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A project whose home is shared, with stand-ins for bundles."""
    monkeypatch.setenv("FAIRLEAD_HOME", str(tmp_path / "home"))
    made = workspace(tmp_path / "one")
    asking.bundles(made.home.root)
    yield made
    made.state.close()


def intent(bundle: str, version: int = 1, model: str = "churn") -> Intent:
    return Intent(model, (Variant("champion", bundle, version),), since=1.0, why="test")


def test_every_publication_carries_keys_issuers_and_purposes(ws: Workspace, tmp_path: Path) -> None:
    key = keyring(ws).create("shop").key
    release.publish(ws, intent(asking.FIRST))
    routes = read(ws.home.routes)
    assert (routes.keys, routes.issuers) == ((key,), ())
    assert routes.routes[0].purposes == ("retention",)
    keyring(ws).revoke("shop")
    done = publish_keys(ws)
    assert (done.generation, done.confirmed) == (routes.generation + 1, None)
    told = read(ws.home.routes)
    assert (told.keys, told.routes) == ((), routes.routes)


def test_keys_may_be_made_before_anything_is_deployed(ws: Workspace) -> None:
    key = keyring(ws).create("shop").key
    publish_keys(ws)
    before = read(ws.home.routes)
    assert (before.keys, before.routes, before.redact_key) == ((key,), (), ws.redact_key)
    release.publish(ws, intent(asking.FIRST))
    assert read(ws.home.routes).default == "churn"


def test_projects_of_one_home_share_keys_and_keep_their_own_issuers(ws: Workspace, tmp_path: Path) -> None:
    other = workspace(tmp_path / "two", "price", "[]", ISSUER)
    release.publish(ws, intent(asking.FIRST))
    release.publish(other, intent(asking.FIRST, model="price"))
    keyring(other).create("shop")
    publish_keys(ws)
    told = read(ws.home.routes)
    assert [route.purposes for route in told.routes] == [("retention",), ()]
    assert [key.name for key in told.keys] == ["shop"]
    (issuer,) = told.issuers
    assert issuer.jwks == str(tmp_path / "two" / "keys.json")
    without = workspace(tmp_path / "two", "price", "[]")
    assert issuers(without) == ()
    publish_keys(without)
    assert read(ws.home.routes).issuers == ()


def test_what_changed_in_the_project_file_is_told_once(ws: Workspace, tmp_path: Path) -> None:
    release.publish(ws, intent(asking.FIRST))
    assert not bring_up_to_date(ws)
    changed = workspace(tmp_path / "one", purposes='["reporting"]', more=ISSUER)
    before = read(ws.home.routes).generation
    assert bring_up_to_date(changed)
    assert not bring_up_to_date(changed)
    told = read(ws.home.routes)
    assert (told.generation, told.routes[0].purposes, len(told.issuers)) == (before + 1, ("reporting",), 1)


def test_a_refused_deployment_brings_no_revoked_key_back(ws: Workspace) -> None:
    broken = "c" * 64
    stand_in.write(ws.home.root / "bundles" / broken, refuse="broken")
    kept, revoked = keyring(ws).create("kept").key, keyring(ws).create("revoked").key
    release.publish(ws, intent(asking.FIRST))
    before = read(ws.home.routes)
    assert {key.id for key in before.keys} == {kept.id, revoked.id}
    with asking.server(ws.home.root):
        # Revoked by somebody else between the last publication and the one that is put back.
        keyring(ws).revoke("revoked")
        with pytest.raises(BundleRefused, match="broken"):
            release.publish(ws, intent(broken, 2))
        told = read(ws.home.routes)
        assert told.generation > before.generation + 1
        assert told.routes == before.routes
        assert told.keys == (kept,)
        assert publish_keys(ws).confirmed == 1


def test_publications_that_meet_undo_nothing(ws: Workspace) -> None:
    release.publish(ws, intent(asking.FIRST))
    failed: list[BaseException] = []

    def make(number: int) -> None:
        # Each thread as a process of its own would: its own workspace on the same home.
        mine = Workspace.find(ws.project.root)
        try:
            keyring(mine).create(f"key {number}")
            publish_keys(mine)
            release.publish(mine, intent(asking.SECOND, number))
        except BaseException as error:
            failed.append(error)
        finally:
            mine.state.close()

    threads = [threading.Thread(target=make, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    told = read(ws.home.routes)
    assert {key.name for key in told.keys} == {f"key {number}" for number in range(6)}
    assert told.keys == admitted(ws)["keys"]
    assert told.generation >= 13


def test_half_an_issuer_publishes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid):
        workspace(tmp_path / "half", more='[access]\nissuer = "https://id.example"\n')
