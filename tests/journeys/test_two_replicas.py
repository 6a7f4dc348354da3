"""Two replicas behind a real proxy under constant load: one is killed and comes back, the other ends gracefully.

From the caller's view every request is answered exactly once; afterwards the books of both replicas hold, and what a
proxy asked twice is told apart by its id.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import eventually
from tests.journeys.two_networks import CONTROL, PROXY, REACHED, Hop, Replica, networks, passing, program, proxied
from tests.ports.postgres_server import free_port

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


class Control:
    """A home that decides for others: a sealed bundle, deployed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "run").mkdir(parents=True)
        self.key = SigningKey.create(home / "keys/seal.key")
        folder = write_files(home.parent / "bundle", files())
        seal(folder, "churn", LINEAGE, "linear", "2.4.6", self.key)
        self.bundle = BundleStore(home / "bundles").add(folder)
        self.deploy(1)

    def deploy(self, generation: int) -> None:
        route = Route("churn", (Variant("champion", self.bundle, generation),))
        told = Routes(generation, (route,), default="churn", trusted=(self.key.public,))
        publish(self.home / "routes.json", told)

    @contextlib.contextmanager
    def serving(self, folder: Path, namespaces: list[str]) -> Iterator[list[Replica]]:
        """A replica in each namespace, with one volume for the records of all; ready, and known here by lease."""
        doors = [Handing((address, 0), self.home, self.key, TOKEN, insecure=True) for address in CONTROL]
        for door in doors:
            threading.Thread(target=door.serve_forever, daemon=True).start()
        replicas = []
        for number, namespace in enumerate(namespaces):
            home = folder / f"home-{number}"
            home.mkdir()
            for one in ("records", "labels"):
                (folder / "shared" / one).mkdir(parents=True, exist_ok=True)
                (home / one).symlink_to(folder / "shared" / one)
            replicas.append(Replica(namespace, number, home, doors[number].url, self.key.public, TOKEN))
        try:
            for replica in replicas:
                replica.start()
            eventually(lambda: confirm(self.home, 1, timeout_s=0.1).workers == 2, what="both leases")
            yield replicas
        finally:
            for replica in replicas:
                if replica.lives:
                    replica.kill()
            for door in doors:
                door.shutdown()
                door.server_close()


@pytest.mark.verified("kubernetes", "Two replicas, kill -9", how="run",
                      by="HAProxy and nginx before two network namespaces, 400 requests/s")  # fmt: skip
@pytest.mark.parametrize("proxy", ["haproxy", "nginx"])
def test_none_of_the_requests_is_lost_when_a_replica_is_killed_or_stopped(tmp_path: Path, proxy: str) -> None:
    program(proxy)
    control = Control(tmp_path / "control")
    with networks() as (of_proxy, *of_replicas), control.serving(tmp_path, of_replicas) as replicas:
        assert sorted(one.instance for one in live_workers(control.home)) == ["churn-0", "churn-1"]
        with proxied(proxy, of_proxy, tmp_path / "proxy"), Steady() as load:
            load.further(400)
            replicas[0].freeze()
            eventually(lambda: load.stuck, what="requests in the hands of the one that is killed")
            replicas[0].kill()
            load.further(400)
            replicas[0].start()
            load.further(400)
            control.deploy(2)
            assert confirm(control.home, 2, timeout_s=20).confirmed, "deploy waits for both"
            assert replicas[1].stop() == 0
            load.further(400)
            replicas[1].start()
            load.further(400)
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
    counted = Counter(Records(replicas[0].home, "churn").between(None, None).column("request").to_pylist())
    assert counted == Counter(list(load.answers)), "as windows count them: each request once"
    assert sum(twice.values()) - len(twice) <= 2 * THREADS, twice
    assert len(ids) == load.count, "by request id no row counts twice"
    print(f"{load.count} requests answered once each, {len(twice)} asked twice, {load.late} late")


@pytest.mark.verified("kubernetes", "A request asked again counts once", how="run",
                      by="HAProxy; the replica killed after its record, before its answer was read")  # fmt: skip
def test_an_answer_that_nobody_got_is_not_counted(tmp_path: Path) -> None:
    program("haproxy")
    control = Control(tmp_path / "control")
    with networks() as (_, *of_replicas), control.serving(tmp_path, of_replicas) as replicas:
        hop = Hop((REACHED[0], 8080))
        (tmp_path / "proxy").mkdir()
        gate = free_port()
        with (
            contextlib.closing(hop),
            passing("haproxy", tmp_path / "proxy", ("127.0.0.1", gate), hop.address, f"{REACHED[1]}:8080"),
        ):
            for number in range(20):
                assert asked(gate, f"before-{number}", number)
            hop.lose(replicas[0].kill)
            again = [f"lost-{number}" for number in range(4)]
            for number, id in enumerate(again):
                assert asked(gate, id, number), "the caller sees nothing of it"
            assert hop.lost
            assert not replicas[0].lives
            assert feedback(gate, [{"request": id, "row": 0, "label": "yes"} for id in again]) == len(again)
    for one in replicas:
        collect(one.home)
        assert reconcile(one.home).ok
    records = Records(replicas[0].home, "churn")
    every, _ = records.since()
    ids = Counter(every.column("request").to_pylist())
    ((twice, times),) = [(id, count) for id, count in ids.items() if count > 1]
    assert (twice in again, times) == (True, 2), "both replicas recorded it"
    rows = every.filter([id == twice for id in every.column("request").to_pylist()])
    assert {one.rsplit("-", 2)[0] for one in rows.column("segment").to_pylist()} == {"churn-0", "churn-1"}
    counted = records.joined(None, None)
    assert Counter(counted.column("request").to_pylist()) == Counter(dict.fromkeys(ids, 1))
    told = dict(zip(counted.column("request").to_pylist(), counted.column("label").to_pylist(), strict=True))
    assert [told[id] for id in again] == ["yes"] * len(again), "and its label counts once"
    (kept,) = (name for name, id in zip(*(counted.column(c).to_pylist() for c in ("segment", "request")), strict=True)
               if id == twice)  # fmt: skip
    assert kept.startswith("churn-1-"), "the answer that the caller got"
    print(f"{every.num_rows} records of {counted.num_rows} requests, {twice} in both replicas")


def asked(port: int, id: str, number: int) -> bool:
    """Ask once through the proxy; whether it was answered."""
    row = {"age": 20 + number, "plan": "basic", "code": 1}
    return bool(_post(port, "/predict/churn", row, id)["predictions"])


def feedback(port: int, labels: list[dict[str, object]]) -> int:
    return int(_post(port, "/feedback/churn", labels, "labels")["accepted"])


def _post(port: int, path: str, body: object, id: str) -> dict[str, object]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(connection):
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json", "x-request-id": id})
        reply = connection.getresponse()
        said = reply.read()
        assert reply.status == 200, said
        found: dict[str, object] = json.loads(said)
        return found
