"""What `doctor` finds at stores and backups: every complaint made to happen by the real thing."""

from __future__ import annotations

import json
import os
import queue
import shutil
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import eventually
from tests.ports import postgres_server
from tests.ports.object_stores import google, moto, wiped
from tests.unit.flow.test_records_in_stores import answered

import fairlead
from fairlead.contract.evidence import Check
from fairlead.contract.stores import StoreTerms, walk
from fairlead.ops.flow import Workspace, keeping, surroundings
from fairlead.ops.flow.surroundings_stores import probed, stored
from fairlead.ops.keep import KeyLock, follow, promote
from fairlead.ops.keep.examining import backed_up
from fairlead.ops.project import Project
from fairlead.ops.state.backends.port import backend_of
from fairlead.ops.state.leading import Leader
from fairlead.ops.stores import store_of
from fairlead.ops.stores.policies import s3_policy

TOML = '[model]\nname = "m"\ntask = "classification"\ntarget = "y"\nid = "who"\n\n[gate]\nmax_group_gap = false\n'
HOUR = 3600.0


def with_settings(folder: Path, text: str, later_s: float = 0.0) -> Workspace:
    (folder / "fairlead.toml").write_text(TOML + text)
    import time

    return Workspace(Project.find(folder), clock=lambda: time.time() + later_s)


def told(found: list[Check]) -> dict[str, tuple[str, str]]:
    return {check.name: (check.verdict, check.why) for check in found}


def test_a_store_that_does_what_is_asked_of_it_passes_and_is_left_clean(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    ws = with_settings(tmp_path, '[stores]\nbundles = "store"\nrecords = "store"\n')
    found = told(stored(ws))
    assert {verdict for verdict, _ in found.values()} == {"pass"}
    assert {"store of bundles", "clock of the store of records", "records for the store"} <= set(found)
    assert list(walk(store_of(str(tmp_path / "store")))) == []


def test_a_folder_that_is_not_there_is_no_pass(tmp_path: Path) -> None:
    found = told(stored(with_settings(tmp_path, '[stores]\nbundles = "nowhere"\n')))
    assert found["store of bundles"][0] == "inconclusive"
    assert "mount it" in found["store of bundles"][1]
    assert not (tmp_path / "nowhere").exists()


def test_records_that_no_store_takes_for_an_hour_are_told(tmp_path: Path) -> None:
    ws = with_settings(tmp_path, '[stores]\nrecords = "store"\n')
    answered(ws, "i")
    assert told(stored(ws))["records for the store"][0] == "pass"
    later = with_settings(tmp_path, '[stores]\nrecords = "store"\n', later_s=2 * HOUR)
    verdict, why = told(stored(later))["records for the store"]
    assert verdict == "fail"
    assert "of 2 files has waited" in why
    assert "fairlead collect" in why
    fairlead.open(tmp_path).collect()
    assert told(stored(later))["records for the store"] == ("pass", "all is in the store")


def test_a_clock_that_is_minutes_off_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is a folder, whose clock is the kernel's; ours is what is off."""
    import time

    (tmp_path / "store").mkdir()
    real = time.time
    monkeypatch.setattr("fairlead.ops.flow.surroundings_stores.time.time", lambda: real() + 300.0)
    found = told(probed("store of x", lambda: store_of(str(tmp_path / "store")), StoreTerms()))
    verdict, why = found["clock of the store of x"]
    assert verdict == "fail"
    assert "chrony" in why


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """An S3 that enforces IAM; call it with what is allowed."""
    with moto() as (port, environ):
        endpoint = f"http://127.0.0.1:{port}"
        for name, value in {**environ, "AWS_ENDPOINT_URL": endpoint}.items():
            monkeypatch.setenv(name, value)
        import boto3

        boto3.client("s3").create_bucket(Bucket="kept")
        iam = boto3.client("iam")
        iam.create_user(UserName="f")
        key = iam.create_access_key(UserName="f")["AccessKey"]

        def allow(*actions: str) -> None:
            address = f"{endpoint}/moto-api/reset-auth"
            free = {"Content-Type": "text/plain"}
            urllib.request.urlopen(urllib.request.Request(address, b"1000", free, method="POST"), timeout=10).close()
            policy = s3_policy("kept", "x")
            for statement in policy["Statement"]:
                statement.pop("Condition", None)
                statement["Action"] = [one for one in statement["Action"] if one.partition(":")[2] in actions]
            policy["Statement"] = [one for one in policy["Statement"] if one["Action"]]
            iam.put_user_policy(UserName="f", PolicyName="store", PolicyDocument=json.dumps(policy))
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
            urllib.request.urlopen(urllib.request.Request(address, b"0", free, method="POST"), timeout=10).close()

        yield allow
        free = {"Content-Type": "text/plain"}
        again = urllib.request.Request(f"{endpoint}/moto-api/reset-auth", b"1000000", free, method="POST")
        urllib.request.urlopen(again, timeout=10).close()
        wiped(port)


@pytest.mark.long
@pytest.mark.verified("stores", "doctor: rights, encryption, clock", how="emulated",
                      by="moto's server enforcing IAM, gcp-storage-emulator: each right taken away, told")  # fmt: skip
@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ("ListBucket", "it cannot be listed"),
        ("PutObject", "it cannot be written to"),
        ("GetObject", "it cannot be read from"),
        ("DeleteObject", "it cannot be deleted from"),
    ],
)
def test_each_right_that_lacks_is_named(guarded: object, tmp_path: Path, lacking: str, said: str) -> None:
    ws = with_settings(tmp_path, '[stores]\nbundles = "s3://kept/x"\nattempts = 1\n')
    rights = {"ListBucket", "PutObject", "GetObject", "DeleteObject"}
    guarded(*rights)  # type: ignore[operator]
    assert told(stored(ws))["store of bundles"][0] == "pass"
    guarded(*(rights - {lacking}))  # type: ignore[operator]
    verdict, why = told(stored(ws))["store of bundles"]
    assert verdict == "fail"
    assert said in why
    assert "docs/how-to/object-stores.md has the policy" in why


@pytest.mark.long
def test_a_store_that_does_not_encrypt_as_it_is_asked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from google.cloud import storage

    with google(tmp_path / "gcs") as port:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
        storage.Client().create_bucket("kept")
        asked = '[stores]\nbundles = "gs://kept/x"\nencrypt = "kms"\nkey = "projects/p/keys/k"\n'
        found = told(stored(with_settings(tmp_path, asked)))
    assert found["store of bundles"][0] == "pass"
    verdict, why = found["store of bundles: encryption"]
    assert verdict == "fail"
    assert "asked for kms projects/p/keys/k, the store tells nothing" in why


def test_s3_tells_what_it_encrypts_by_and_that_it_has_no_such_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3

    with moto() as (port, environ):
        for name, value in {**environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="kept")
        asked = '[stores]\nbundles = "s3://kept/x"\nrecords = "s3://no-such/x"\nencrypt = "AES256"\nattempts = 1\n'
        found = told(stored(with_settings(tmp_path, asked)))
    assert found["store of bundles: encryption"] == ("pass", "as asked for: AES256")
    assert found["clock of the store of bundles"][0] == "pass"
    assert found["store of records"][0] == "fail"
    assert "there is no bucket no-such" in found["store of records"][1]


def test_backups_too_old_never_tried_and_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSPHRASE", "correct horse battery")
    lock, kept = {"passphrase": "env:PASSPHRASE"}, str(tmp_path / "kept")
    asked = '[backup]\nto = "kept"\nevery = "1h"\nverify = "30d"\n'
    ws = with_settings(tmp_path, asked)
    assert told(backed_up(with_settings(tmp_path, "")))["backup"][0] == "pass"
    ws = with_settings(tmp_path, asked)
    verdict, why = told(backed_up(ws))["backup"]
    assert (verdict, "run `fairlead backup kept`" in why) == ("fail", True)

    ws.audit.record("me", "begin", "m", "so that there is something")
    fairlead.open(tmp_path).backup(kept, **lock)
    found = told(backed_up(ws))
    assert found[f"backup to {kept}"][0] == "pass"
    assert found[f"backup to {kept}: verified"][0] == "fail"
    assert "never" in found[f"backup to {kept}: verified"][1]
    fairlead.open(tmp_path).backup(kept, **lock, verify=True)
    assert {verdict for verdict, _ in told(backed_up(ws)).values()} == {"pass"}

    later = told(backed_up(with_settings(tmp_path, asked, later_s=2 * HOUR)))
    assert later[f"backup to {kept}"][0] == "fail"
    assert f"run `fairlead backup {kept}`" in later[f"backup to {kept}"][1]
    assert later[f"backup to {kept}: verified"][0] == "pass"
    fairlead.open(tmp_path).backup(kept, **lock, every_s=60.0)
    unstated = told(backed_up(with_settings(tmp_path, "", later_s=HOUR)))
    assert "--every 60` again" in unstated[f"backup to {kept}"][1]

    store, keys = store_of(kept), KeyLock("correct horse battery")
    follow(store, tmp_path / "two", keys)
    promote(store, tmp_path / "two", keys)
    verdict, why = told(backed_up(ws))[f"backup to {kept}: store"]
    assert (verdict, "another home took over (epoch 2)" in why) == ("fail", True)
    (tmp_path / "kept").rename(tmp_path / "away")
    verdict, why = told(backed_up(ws))[f"backup to {kept}: store"]
    assert (verdict, "is gone: back up anew" in why) == ("fail", True)


def test_a_copy_of_a_home_that_backs_up_to_the_same_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCK", "correct horse battery")
    (tmp_path / "one").mkdir()
    ws, kept = with_settings(tmp_path / "one", ""), str(tmp_path / "kept")
    fairlead.open(tmp_path / "one").backup(kept, passphrase="env:LOCK")
    name = f"backup to {kept}: store"
    assert told(backed_up(ws))[name] == ("pass", "holds the newest that was made here")
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    fairlead.open(tmp_path / "other").backup(kept, passphrase="env:LOCK")
    verdict, why = told(backed_up(ws))[name]
    assert (verdict, "copy of this home" in why, "place of its own" in why) == ("fail", True, True)
    assert told(backed_up(Workspace.find(tmp_path / "other")))[name][0] == "pass"


def test_a_place_that_is_spelled_in_two_ways_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCK", "correct horse battery")
    ws = with_settings(tmp_path, "")
    (tmp_path / "deep").mkdir()
    monkeypatch.chdir(tmp_path / "deep")
    for spelled in ("../kept", f"{tmp_path}/kept", f"{tmp_path}/deep/../kept/"):
        fairlead.open(tmp_path).backup(spelled, passphrase="env:LOCK", verify=spelled == "../kept")
    assert len(found := backed_up(ws)) == 3
    assert "seconds since one was brought back" in found[1].why


def test_a_place_that_was_noted_by_a_link_is_the_one_it_leads_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As places were noted before: by their whole path, links and all."""
    monkeypatch.setenv("LOCK", "correct horse battery")
    (tmp_path / "mounted").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "mounted")
    ws = with_settings(tmp_path, '[backup]\nto = "link"\n')
    fairlead.open(tmp_path).backup(str(tmp_path / "link"), passphrase="env:LOCK")
    noted = ws.home.run / "backups.json"
    (one,) = json.loads(noted.read_text())
    noted.write_text(json.dumps([{**one, "address": "link", "to": str(tmp_path / "link")}]))
    assert all(verdict == "pass" for verdict, _ in told(backed_up(ws)).values())
    fairlead.open(tmp_path).backup(str(tmp_path / "link"), passphrase="env:LOCK")
    assert len(json.loads(noted.read_text())) == 1


def test_doctor_tells_of_state_stores_and_backups_in_one_answer(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    with_settings(tmp_path, '[stores]\nrecords = "store"\n[backup]\nto = "kept"\n')
    answer = fairlead.open(tmp_path).doctor()
    checks = {check["name"]: check for check in answer["checks"]}
    assert answer["verdict"] == "fail"
    assert [name for name, check in checks.items() if check["verdict"] == "fail"] == ["backup"]
    assert {"state", "store of records", "records for the store", "disk"} <= set(checks)
    assert "revision" in checks["state"]["why"]


@pytest.mark.long
@pytest.mark.verified("state", "doctor: reachable, leader, lease, clock, schema", how="run",
                      by="Debian's PostgreSQL 15: led, lease run out, of a newer schema, stopped")  # fmt: skip
def test_a_database_and_who_leads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with postgres_server.running() as server:
        url = server.database()
        ws = with_settings(tmp_path, f'[state]\nurl = "{url}"\nlease_s = 2\n')
        assert told(surroundings.led(ws))["leader"] == ("pass", "nobody led yet: `fairlead up` begins")
        leader = Leader(backend_of(url, holder="one"), "one", 2.0, print)
        assert leader.seek()
        verdict, why = told(surroundings.led(ws))["leader"]
        assert verdict == "pass"
        assert "its lease was renewed 0." in why
        assert surroundings.database(ws).verdict == "pass"
        assert told(surroundings.clocks(ws))["clock of the database"][0] == "pass"
        eventually(lambda: told(surroundings.led(ws))["leader"][0] == "fail", 10, "the lease run out")
        assert "start `fairlead up`" in told(surroundings.led(ws))["leader"][1]
        leader.close()
        ws.state.close()
        server.sql("UPDATE alembic_version SET version_num = '9999'", url.partition("@/")[2].partition("?")[0])
        newer = doctor(tmp_path)
        assert newer["state"]["verdict"] == "fail"
        assert "use a newer Fairlead" in newer["state"]["why"]
        server.stop()
        monkeypatch.setattr("fairlead.ops.state.backends.postgresql.GONE_S", 0.2)
        gone = doctor(tmp_path)
        assert gone["state"]["verdict"] == "fail"
        assert "cannot be reached" in gone["state"]["why"]


def test_a_state_that_was_never_brought_to_the_database_is_told(tmp_path: Path) -> None:
    ws = with_settings(tmp_path, "")
    assert ws.state.generation() == 0
    ws.state.close()
    assert surroundings.unread(ws) == []
    moved = with_settings(tmp_path, '[state]\nurl = "postgresql://fairlead@db.example/x"\n')
    verdict, why = told(surroundings.unread(moved))["state of before"]
    assert (verdict, "restore again" in why, "postgres.md" in why) == ("fail", True, True)
    ws.home.state_db.unlink()
    assert surroundings.unread(moved) == []


def test_a_disk_that_fails_is_said_and_the_stores_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ws, said, stop = with_settings(tmp_path, '[stores]\nrecords = "store"\n'), queue.Queue[str](), threading.Event()
    monkeypatch.setattr(keeping, "EVERY_S", 0.01)
    noted = ws.home.run / "stored.json"
    noted.mkdir(parents=True)
    thread = keeping.keep_on(ws, said.put, stop)
    assert thread is not None
    try:
        assert "failed: " in said.get(timeout=30)
        noted.rmdir()
        assert "files sent" in said.get(timeout=30)
    finally:
        stop.set()
        thread.join(30)


def doctor(folder: Path) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in fairlead.open(folder).doctor()["checks"]}


def test_a_state_that_is_slow_to_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = with_settings(tmp_path, "")
    assert surroundings.database(ws).verdict == "pass"
    monkeypatch.setattr("fairlead.ops.flow.surroundings.SLOW_MS", -1.0)
    assert surroundings.database(ws).verdict == "fail"
    assert os.access(ws.home.state_db, os.R_OK)
