"""Routes by URL: signed, never older, whole or not at all, and obeyed on when the control plane is gone."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "bundle"))

from bundle_samples import LINEAGE, files, write_files
from tests.conftest import environment, eventually

from fairlead.contract.errors import BundleRefused, FairleadError, RemoteError, UsageError
from fairlead.contract.routes import Route, Routes, Variant
from fairlead.runtime.bundle import BundleStore, SigningKey, seal, verify
from fairlead.runtime.serve import confirm, live_workers, publish, read
from fairlead.runtime.serve.remote.document import Document, epoch_of, etag_of, new_epoch, opened, signed
from fairlead.runtime.serve.remote.following import COPY, Follower
from fairlead.runtime.serve.remote.handing_out import Handing
from fairlead.runtime.serve.remote.source import VARIABLE
from fairlead.runtime.serve.workers import WorkerStatus, report

TOKEN = "t" * 40
ENV = {VARIABLE: TOKEN}
HEAD = {"authorization": f"Bearer {TOKEN}"}


class Control:
    """A home that deploys, and its door."""

    def __init__(self, home: Path, port: int = 0) -> None:
        self.home = home
        self.key = SigningKey.load(home / "keys/seal.key")
        self.door = Handing(("127.0.0.1", port), home, self.key, TOKEN)
        self.url = self.door.url
        self.port = int(self.door.server_address[1])
        threading.Thread(target=self.door.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.door.shutdown()
        self.door.server_close()

    def deploy(self, generation: int, bundle: str) -> None:
        deploy(self.home, generation, bundle, self.key)


def deploy(home: Path, generation: int, bundle: str, key: SigningKey) -> None:
    route = Route("churn", (Variant("champion", bundle, generation),))
    publish(home / "routes.json", Routes(generation, (route,), default="churn", trusted=(key.public,)))


def add_bundle(home: Path, key: SigningKey, scratch: Path, name: str = "churn", rest: str = "") -> str:
    folder = write_files(scratch, {**files(), "requirements.txt": f"numpy==2.0\n{rest}".encode()})
    seal(folder, name, LINEAGE, "linear", "2.4.6", key)
    return BundleStore(home / "bundles").add(folder)


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    home = tmp_path / "control"
    (home / "run").mkdir(parents=True)
    key = SigningKey.create(home / "keys/seal.key")
    bundle = add_bundle(home, key, tmp_path / "one")
    deploy(home, 1, bundle, key)
    made = Control(home)
    yield made
    made.close()


def follower(home: Path, control: Control, **how: object) -> Follower:
    return Follower(home, control.url, (control.key.public,), environ=ENV, **how)  # type: ignore[arg-type]


def test_a_home_that_follows_has_the_same_routes_and_bundles(control: Control, tmp_path: Path) -> None:
    one = follower(tmp_path / "replica", control)
    assert one.once()
    assert read(one.home / "routes.json") == read(control.home / "routes.json")
    (bundle,) = BundleStore(one.home / "bundles").ids()
    assert verify(one.home / "bundles" / bundle, (control.key.public,)).id == bundle
    assert not one.once(), "nothing is new: answered with 304"
    tag = httpx.get(control.url, headers=HEAD).headers["etag"]
    assert httpx.get(control.url, headers={**HEAD, "if-none-match": tag}).status_code == 304


def test_bundles_that_nobody_needs_any_more_go_and_own_ones_stay(control: Control, tmp_path: Path) -> None:
    one = follower(tmp_path / "replica", control)
    own = add_bundle(one.home, control.key, tmp_path / "own", rest="a==1")
    found = []
    for generation in (2, 3, 4):
        found.append(add_bundle(control.home, control.key, tmp_path / f"b{generation}", rest=f"b=={generation}"))
        control.deploy(generation, found[-1])
        assert one.once()
    # The one before stays: a worker may still be loading it.
    assert set(BundleStore(one.home / "bundles").ids()) == {own, found[1], found[2]}


def test_who_does_not_know_the_secret_gets_nothing(control: Control) -> None:
    base = control.url.removesuffix("/routes")
    for path in ("/routes", "/bundles/" + "a" * 64 + "/manifest.json", "/lease", "/"):
        for head in ({}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}):
            assert httpx.get(base + path, headers=head).status_code == 401
    assert httpx.post(base + "/lease", content=b"[]").status_code == 401
    for path in ("/keys/seal.key", "/bundles/../keys/seal.key", "/bundles/" + "a" * 64 + "/../../keys/seal.key"):
        assert httpx.get(base + path, headers=HEAD).status_code == 404


def test_a_document_by_another_key_is_refused_and_the_old_one_obeyed(control: Control, tmp_path: Path) -> None:
    one = follower(tmp_path / "replica", control)
    one.once()
    before = read(one.home / "routes.json")
    stranger = SigningKey.create(tmp_path / "stranger.key")
    control.door._key = stranger
    control.deploy(2, before.routes[0].variants[0].bundle)
    with pytest.raises(BundleRefused, match="not trusted here"):
        one.once()
    assert read(one.home / "routes.json") == before


def test_an_old_document_cannot_come_back_unless_an_epoch_begins(control: Control, tmp_path: Path) -> None:
    one = follower(tmp_path / "replica", control)
    bundle = read(control.home / "routes.json").routes[0].variants[0].bundle
    control.deploy(7, bundle)
    one.once()
    control.deploy(3, bundle)  # as a control plane does that was restored from a backup
    with pytest.raises(BundleRefused, match=r"older \(epoch 1, generation 3\)"):
        one.once()
    again = follower(one.home, control)
    again.begin()
    with pytest.raises(BundleRefused, match="older"):  # nor after a restart of the server
        again.once()
    assert new_epoch(control.home) > 1_600_000_000
    assert one.once()
    assert read(one.home / "routes.json").generation == 3


def test_two_different_routes_of_one_generation_are_refused(control: Control, tmp_path: Path) -> None:
    one = follower(tmp_path / "replica", control)
    one.once()
    other = add_bundle(control.home, control.key, tmp_path / "two", rest="c==1")
    control.deploy(1, other)
    with pytest.raises(BundleRefused, match="two different routes"):
        one.once()


def test_a_bundle_that_is_not_what_was_sealed_changes_nothing(control: Control, tmp_path: Path) -> None:
    one = follower(tmp_path / "replica", control)
    one.once()
    before = read(one.home / "routes.json")
    bad = add_bundle(control.home, control.key, tmp_path / "two", rest="d==1")
    (control.home / "bundles" / bad / "model_card.md").write_text("something else")
    control.deploy(2, bad)
    with pytest.raises(BundleRefused, match=r"model_card\.md is not what was sealed"):
        one.once()
    (control.home / "bundles" / bad / "model_card.md").unlink()
    with pytest.raises(RemoteError, match=r"model_card\.md is answered with 404"):
        one.once()
    assert read(one.home / "routes.json") == before
    assert len(BundleStore(one.home / "bundles").ids()) == 1
    assert not list((one.home / "bundles").glob(".fetch-*"))


def test_the_last_good_copy_is_made_good_after_a_kill_and_is_not_taken_when_tampered(
    control: Control, tmp_path: Path
) -> None:
    one = follower(tmp_path / "replica", control)
    one.once()
    before = read(one.home / "routes.json")
    (one.home / "routes.json").unlink()  # killed between the two writes
    follower(one.home, control).begin()
    assert read(one.home / "routes.json") == before
    data = (one.home / COPY).read_bytes()
    (one.home / COPY).write_bytes(data.replace(b'"weight"', b'"weighs"').replace(b'"churn"', b'"other"'))
    (one.home / "routes.json").unlink()
    follower(one.home, control).begin()
    assert read(one.home / "routes.json").generation == 0


def test_bundles_that_were_lost_from_the_volume_are_fetched_again(control: Control, tmp_path: Path) -> None:
    one = follower(tmp_path / "replica", control)
    one.once()
    (bundle,) = BundleStore(one.home / "bundles").ids()
    shutil.rmtree(one.home / "bundles")
    (one.home / "routes.json").write_text("{ half")
    again = follower(one.home, control)
    again.begin()
    assert read(one.home / "routes.json").generation == 1
    assert not again.once(), "the routes are the same"
    assert BundleStore(one.home / "bundles").ids() == (bundle,)


def test_it_goes_on_without_the_control_plane_says_so_and_takes_up_again(control: Control, tmp_path: Path) -> None:
    one = follower(tmp_path / "replica", control, every_s=0.05)
    one.start()
    try:
        eventually(lambda: one.standing.reachable and one.standing.generation == 1, what="following")
        control.close()
        eventually(lambda: not one.standing.reachable, what="noticing")
        assert "cannot be reached" in one.standing.unreachable
        assert read(one.home / "routes.json").generation == 1
        back = Control(control.home, control.port)
        bundle = read(control.home / "routes.json").routes[0].variants[0].bundle
        back.deploy(2, bundle)
        eventually(lambda: read(one.home / "routes.json").generation == 2, what="taking up again")
        back.close()
    finally:
        one.close()
    control.door.server_close()


def test_one_of_many_follows_and_another_goes_on_when_it_ends(control: Control, tmp_path: Path) -> None:
    both = [follower(tmp_path / "replica", control, every_s=0.05) for _ in range(2)]
    for one in both:
        one.start()
    try:
        eventually(lambda: any(one.standing.reachable for one in both), what="one follows")
        assert [one.standing.reachable for one in both].count(True) == 1
        first, second = sorted(both, key=lambda one: not one.standing.reachable)
        first.close()
        eventually(lambda: second.standing.reachable, what="the other goes on")
    finally:
        for one in both:
            one.close()


def test_leases_are_workers_of_the_control_plane_and_names_are_taken_once(control: Control, tmp_path: Path) -> None:
    one = follower(tmp_path / "replica", control)
    far = WorkerStatus(
        pid=1, slot=0, instance="churn-0", machine="pod-a", birth="", state="serving", generation=1, host="0.0.0.0",
        port=8080,
    )  # fmt: skip
    post = control.url.replace("/routes", "/lease")
    told = httpx.post(post, content=msgspec.json.encode([far]), headers=HEAD)
    assert told.status_code == 204
    (seen,) = live_workers(control.home)
    assert (seen.instance, seen.machine, seen.url) == ("churn-0", "pod-a", "http://127.0.0.1:8080")
    assert confirm(control.home, 1, timeout_s=1).confirmed
    assert not confirm(control.home, 2, timeout_s=0.1).confirmed
    other = msgspec.structs.replace(far, machine="pod-b")
    assert httpx.post(post, content=msgspec.json.encode([other]), headers=HEAD).status_code == 409
    beside = msgspec.structs.replace(far, port=8081, pid=2)
    assert httpx.post(post, content=msgspec.json.encode([beside]), headers=HEAD).status_code == 409
    again = msgspec.structs.replace(far, pid=2)
    assert httpx.post(post, content=msgspec.json.encode([again]), headers=HEAD).status_code == 204, "it was restarted"
    for bad in (b"{", b"[1]", msgspec.json.encode([msgspec.structs.replace(far, instance="../x")])):
        assert httpx.post(post, content=bad, headers=HEAD).status_code == 400
    report(one.home, msgspec.structs.replace(far, machine="pod-b"))
    with pytest.raises(RemoteError, match="is its name taken"):
        one.lease()


@pytest.mark.parametrize("url", ["http://10.1.2.3/routes", "ftp://127.0.0.1/routes", "routes.json", "https:///routes"])
def test_keys_do_not_cross_a_network_in_the_clear(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="https"):
        Follower(tmp_path, url, ("a" * 64,), environ=ENV)
    with pytest.raises(UsageError, match="insecure"):
        Handing(("0.0.0.0", 0), tmp_path, SigningKey(b"k" * 32), TOKEN)


def test_a_secret_and_a_key_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=VARIABLE):
        Follower(tmp_path, "http://127.0.0.1/routes", ("a" * 64,), environ={})
    with pytest.raises(UsageError, match="routes_keys"):
        Follower(tmp_path, "http://127.0.0.1/routes", (), environ=ENV)


@given(st.binary(max_size=300))
def test_whatever_comes_is_refused_in_our_words(data: bytes) -> None:
    with pytest.raises(FairleadError):
        opened(data, ("a" * 64,))


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_one_changed_byte_is_one_too_many(at: int, byte: int) -> None:
    key = SigningKey(b"k" * 32)
    data = signed(Document(3, Routes(4, (Route("churn", (Variant("champion", "a" * 64),)),))), key)
    assert opened(data, (key.public,)).number == (3, 4)
    assert signed(opened(data, (key.public,)), key) == data
    at %= len(data)
    if data[at] == byte:
        return
    changed = data[:at] + bytes([byte]) + data[at + 1 :]
    with pytest.raises(FairleadError):
        opened(changed, (key.public,))
    assert etag_of(changed) != etag_of(data)


def test_an_epoch_is_later_than_any_before(tmp_path: Path) -> None:
    assert epoch_of(tmp_path) == 1
    first = new_epoch(tmp_path, now=100.0)
    assert (first, new_epoch(tmp_path, now=50.0)) == (100, 101)


@contextlib.contextmanager
def served(home: Path, control: Control, *more: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [
        sys.executable, "-m", "fairlead.runtime.serve", "--home", str(home), "--port", "0",
        "--routes", control.url, "--routes-key", control.key.public, *more,
    ]  # fmt: skip
    with (home.parent / f"{home.name}.log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env={**environment(), VARIABLE: TOKEN}
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("ready: "), (home.parent / f"{home.name}.log").read_text()
            yield line.split()[1], process
        finally:
            process.kill()
            process.wait(60)
            process.stdout.close()


def metric(url: str, name: str) -> float | None:
    for line in httpx.get(f"{url}/metrics").text.splitlines():
        if line.startswith((f"{name} ", f"{name}{{")):
            return float(line.split()[-1])
    return None


def test_a_real_server_follows_survives_and_starts_without_the_control_plane(control: Control, tmp_path: Path) -> None:
    home = tmp_path / "pod-0"
    home.mkdir()
    with served(home, control) as (url, _):
        eventually(lambda: httpx.get(f"{url}/v2/health/ready").status_code == 200, what="the first routes")
        eventually(lambda: [w.generation for w in live_workers(control.home)] == [1], what="the lease")
        other = add_bundle(control.home, control.key, tmp_path / "two", rest="e==1")
        control.deploy(2, other)
        assert confirm(control.home, 2, timeout_s=20).confirmed, "deploy waits for servers elsewhere"
        assert metric(url, "fairlead_routes_source_reachable") == 1.0
        control.close()
        eventually(lambda: metric(url, "fairlead_routes_source_reachable") == 0.0, what="saying so")
        assert httpx.get(f"{url}/v2/health/ready").status_code == 200
    with served(home, control) as (url, _):  # killed -9 before; the control plane is gone
        assert httpx.get(f"{url}/v2/health/ready").status_code == 200
        assert metric(url, "fairlead_routes_generation") == 2.0


def test_a_server_that_never_reached_anybody_is_not_ready(control: Control, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        control.url = f"http://127.0.0.1:{nobody.getsockname()[1]}/routes"
        home = tmp_path / "pod-0"
        home.mkdir()
        began = time.monotonic()
        with served(home, control) as (url, _):
            assert httpx.get(f"{url}/v2/health/ready").status_code == 503
            assert httpx.get(f"{url}/v2/health/live").status_code == 200
        assert "no routes have come" in (tmp_path / "pod-0.log").read_text()
        assert time.monotonic() - began < 30
