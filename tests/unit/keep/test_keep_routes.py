"""A control plane brought back from a backup is obeyed, though servers elsewhere hold routes of a later generation."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import pytest
from tests.conftest import eventually
from tests.unit.serve.remote.test_routes_by_url import Control, add_bundle, deploy, served

from fairlead.ops.audit import Audit
from fairlead.ops.keep import KeyLock, backup, follow, promote, restore
from fairlead.ops.state import State
from fairlead.ops.stores import store_of
from fairlead.runtime.bundle import SigningKey
from fairlead.runtime.serve import confirm, live_workers, read
from fairlead.runtime.serve.remote.document import epoch_of

pytestmark = pytest.mark.long
LOCK = KeyLock("correct horse battery")


@pytest.mark.verified(
    "keep", "routes by URL after a restore", how="run",
    by="a server following by URL obeys the home that was brought back, and the promoted one",
)  # fmt: skip
@pytest.mark.parametrize("way", ["restored", "promoted"])
def test_servers_elsewhere_obey_the_home_that_came_back(way: str, tmp_path: Path) -> None:
    home, store = tmp_path / "control", store_of(str(tmp_path / "store"))
    (home / "run").mkdir(parents=True)
    key = SigningKey.create(home / "keys/seal.key")
    first = add_bundle(home, key, tmp_path / "one")
    deploy(home, 1, first, key)
    with State.open(home / "state.db") as state:
        Audit(state, key=key, head=home / "audit.head").record("me", "deploy", "churn", "1")
        backup(home, state, key, store, LOCK)
    if way == "promoted":
        follow(store, tmp_path / "back", LOCK)
    control = Control(home)
    (tmp_path / "pod").mkdir()
    with served(tmp_path / "pod", control) as (url, _):
        eventually(lambda: httpx.get(f"{url}/v2/health/ready").status_code == 200, what="the first routes")
        # What the backup knows nothing of: five decisions, the last of which is obeyed elsewhere.
        control.deploy(6, add_bundle(home, key, tmp_path / "two", rest="e==1"))
        eventually(lambda: confirm(home, 6, timeout_s=5).confirmed, what="the server elsewhere told that it serves")
        port, before = control.port, epoch_of(home)
        control.close()
        shutil.rmtree(home)
        back = tmp_path / "back"
        if way == "promoted":
            promote(store, back, LOCK)
        else:
            restore(store, back, LOCK)
        assert epoch_of(back) > before
        again = Control(back, port)
        try:
            eventually(lambda: [w.generation for w in live_workers(back)] == [1], 40, "the older routes obeyed")
            assert read(tmp_path / "pod" / "routes.json").routes[0].variants[0].bundle == first
            assert httpx.get(f"{url}/v2/health/ready").status_code == 200
        finally:
            again.close()
