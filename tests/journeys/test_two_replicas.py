"""Two replicas behind a real proxy under constant load: one is killed and comes back, the other ends gracefully.

From the caller's view every request is answered exactly once; afterwards the books of both replicas hold, and what a
proxy asked twice is told apart by its id.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.conftest import eventually
from tests.journeys.two_networks import CONTROL, PROXY, Replica, networks, program, proxied

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "bundle"))

from bundle_samples import LINEAGE, files, write_files

from fairlead.contract.routes import Route, Routes, Variant
from fairlead.runtime.bundle import BundleStore, SigningKey, seal
from fairlead.runtime.capture import Records, collect, reconcile
from fairlead.runtime.serve import confirm, live_workers, publish
from fairlead.runtime.serve.remote.handing_out import Handing

pytestmark = pytest.mark.long
TOKEN = "t" * 40
THREADS, EVERY_S = 4, 0.01


class Steady:
    """Callers that ask through the proxy at a fixed rate, each request once; what happened to each, by its id."""

    def __init__(self) -> None:
        self.answers: dict[str, int] = {}
        self.broken: list[str] = []
        self.late = 0
        self.waiting: set[int] = set()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(THREADS)]

    def __enter__(self) -> Steady:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    @property
    def count(self) -> int:
        return len(self.answers)

    @property
    def stuck(self) -> bool:
        """Whether all callers wait for an answer, and for a while."""
        if len(self.waiting) < THREADS:
            return False
        before = self.count
        return not self._over.wait(0.1) and self.count == before

    def further(self, requests: int) -> None:
        """Wait until so many more were answered."""
        wanted = self.count + requests
        eventually(lambda: self.count >= wanted, within_s=60, what=f"{requests} more answers")

    def _ask(self, number: int) -> None:
        connection = http.client.HTTPConnection(PROXY, 8000, timeout=20)
        asked, due = 0, time.monotonic()
        while not self._over.is_set():
            asked, due = asked + 1, due + EVERY_S
            id = f"caller-{number}-{asked}"
            body = json.dumps({"age": 20 + asked % 60, "plan": ("basic", "pro")[asked % 2], "code": 1 + asked % 2})
            head = {"content-type": "application/json", "x-request-id": id}
            self.waiting.add(number)
            try:
                connection.request("POST", "/predict/churn", body, head)
                reply = connection.getresponse()
                said = reply.read()
            except (OSError, http.client.HTTPException) as failed:
                self.broken.append(f"{id}: {failed!r}")
                connection.close()
                continue
            finally:
                self.waiting.discard(number)
            if reply.status != 200:
                self.broken.append(f"{id}: {reply.status} {said[:200]!r}")
            assert id not in self.answers
            self.answers[id] = reply.status
            wait = due - time.monotonic()
            if wait < 0:
                self.late += 1
            elif self._over.wait(wait):
                break
        connection.close()


@pytest.mark.verified("kubernetes", "Two replicas, kill -9", how="run",
                      by="HAProxy and nginx before two network namespaces, 400 requests/s")  # fmt: skip
@pytest.mark.parametrize("proxy", ["haproxy", "nginx"])
def test_none_of_the_requests_is_lost_when_a_replica_is_killed_or_stopped(tmp_path: Path, proxy: str) -> None:
    program(proxy)
    control = tmp_path / "control"
    (control / "run").mkdir(parents=True)
    key = SigningKey.create(control / "keys/seal.key")
    folder = write_files(tmp_path / "bundle", files())
    seal(folder, "churn", LINEAGE, "linear", "2.4.6", key)
    bundle = BundleStore(control / "bundles").add(folder)

    def deploy(generation: int) -> None:
        route = Route("churn", (Variant("champion", bundle, generation),))
        publish(control / "routes.json", Routes(generation, (route,), default="churn", trusted=(key.public,)))

    deploy(1)
    with networks() as (of_proxy, *of_replicas):
        doors = [Handing((address, 0), control, key, TOKEN, insecure=True) for address in CONTROL]
        for door in doors:
            threading.Thread(target=door.serve_forever, daemon=True).start()
        replicas = []
        shared = tmp_path / "shared"
        for number, namespace in enumerate(of_replicas):
            home = tmp_path / f"home-{number}"
            home.mkdir()
            for one in ("records", "labels"):  # as one volume for the records of all pods
                (shared / one).mkdir(parents=True, exist_ok=True)
                (home / one).symlink_to(shared / one)
            replicas.append(Replica(namespace, number, home, doors[number].url, key.public, TOKEN))
        try:
            for one in replicas:
                one.start()
            eventually(lambda: confirm(control, 1, timeout_s=0.1).workers == 2, what="both leases")
            assert sorted(one.instance for one in live_workers(control)) == ["churn-0", "churn-1"]
            with proxied(proxy, of_proxy, tmp_path / "proxy"), Steady() as load:
                load.further(400)
                replicas[0].freeze()
                eventually(lambda: load.stuck, what="requests in the hands of the one that is killed")
                replicas[0].kill()
                load.further(400)
                replicas[0].start()
                load.further(400)
                deploy(2)
                assert confirm(control, 2, timeout_s=20).confirmed, "deploy waits for both"
                assert replicas[1].stop() == 0
                load.further(400)
                replicas[1].start()
                load.further(400)
        finally:
            for one in replicas:
                if one.lives:
                    one.kill()
            for door in doors:
                door.shutdown()
                door.server_close()
    assert load.broken == []
    assert set(load.answers.values()) == {200}
    books(replicas, load)


def books(replicas: list[Replica], load: Steady) -> None:
    """Both replicas' spools into one folder of records: nothing lost, nothing twice but what was asked twice."""
    for one in replicas:
        collect(one.home)
    held = [reconcile(one.home) for one in replicas]
    assert all(one.ok for one in held), held
    assert [{worker.instance for worker in one.workers} for one in held] == [{"churn-0"}, {"churn-1"}]
    table, _ = Records(replicas[0].home, "churn").since()
    ids = Counter(table.column("request").to_pylist())
    assert table.num_rows == sum(one.captured for one in held), "files of two replicas never collide"
    assert set(ids) >= set(load.answers), "every answer is recorded"
    strange = set(ids) - set(load.answers)
    assert not strange
    twice = {id: count for id, count in ids.items() if count > 1}
    # A replica that was killed between its record and its answer: the proxy asked the other one.
    assert sum(twice.values()) - len(twice) <= 2 * THREADS, twice
    assert len(ids) == load.count, "by request id no row counts twice"
    print(f"{load.count} requests answered once each, {len(twice)} asked twice, {load.late} late")
