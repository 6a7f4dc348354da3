"""docs/how-to/grow.md, run as it is written: the churn project from a laptop to PostgreSQL, S3, two servers behind a
proxy and Spark, by configuration alone. The answers are the same to the bit; what is killed on the way loses none."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from tests.conftest import eventually, real_table
from tests.journeys.grown import Machine, Page, asked
from tests.journeys.load import Load
from tests.journeys.spark_servers import spark_home
from tests.journeys.test_churn_loop import quick_settings, split_table, typed
from tests.journeys.two_networks import passing, program
from tests.ports import postgres_server

from fairlead.ops.stores import Mirror, store_of
from fairlead.runtime.capture import Records, reconcile

pytestmark = pytest.mark.long
TOKEN, PASSPHRASE, PASSWORD = "t" * 40, "correct horse battery", "geheim-7"
ROWS = 200
CHANCES = ("Churned", "Stayed")
MORE = 150
"""Requests that are answered before and after each thing that goes."""


class S3:
    """moto's server: it can be gone and come back with what it held, as one with disks."""

    def __init__(self) -> None:
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self.port = self._server.get_host_and_port()[1]

    def gone(self) -> None:
        """Connections are refused."""
        listening: Any = self._server._server
        self._server.stop()
        listening.server_close()

    def back(self) -> None:
        """At the same address."""
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()


class Cloud(NamedTuple):
    """What the page asks for besides machines. environ: what each machine is told of S3."""

    database: postgres_server.Server
    s3: S3
    environ: dict[str, str]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    import boto3

    with postgres_server.running() as database:
        s3 = S3()
        environ = {
            "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "hidden-word", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3.port}",
        }  # fmt: skip
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        try:
            boto3.client("s3").create_bucket(Bucket="fleet")
            database.sql(f"ALTER ROLE fairlead PASSWORD '{PASSWORD}'")
            database.sql("CREATE DATABASE fairlead")
            yield Cloud(database, s3, environ)
        finally:
            s3.gone()


class Told:
    """The table at the end: who answered, how many rows, how many otherwise than the laptop, by how much at most."""

    def __init__(self, first: list[dict[str, Any]]) -> None:
        self._first = first
        self.lines = [f"{'answered by':<28}{'rows':>6}{'other decision':>16}{'other bits':>12}{'at most by':>12}"]
        self.line("laptop, row by row", first)

    def line(self, who: str, answers: list[dict[str, Any]]) -> None:
        """Compare with the laptop's: the same to the bit."""
        assert len(answers) == len(self._first), who
        pairs = list(zip(answers, self._first, strict=True))
        decided = sum(one["label"] != other["label"] for one, other in pairs)
        most = max(
            abs(one["probabilities"][name] - other["probabilities"][name]) for one, other in pairs for name in CHANCES
        )
        bits = sum(one != other for one, other in pairs)
        self.lines.append(f"{who:<28}{len(answers):>6,}{decided:>16,}{bits:>12,}{most:>12.1g}")
        assert not decided, who
        assert not bits, (who, most)


def of_file(path: Path) -> list[dict[str, Any]]:
    """What a batch wrote, as a server says it."""
    table = parquet.read_table(path)
    return [
        {"label": row["label"], "probabilities": {name: row[name] for name in CHANCES}} for row in table.to_pylist()
    ]


def as_dicts(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what batches do not write."""
    return [{"label": one["label"], "probabilities": one["probabilities"]} for one in answers]


@pytest.mark.verified("engines", "From a laptop to a cluster", how="run",
                      by="PostgreSQL, two servers, HAProxy, Spark; S3 by moto; killed under load, counted")  # fmt: skip
def test_the_same_answers_from_a_laptop_to_a_cluster(tmp_path: Path, cloud: Cloud) -> None:
    program("haproxy")
    spark_home()
    hand, gate, one_port, two_port = (postgres_server.free_port() for _ in range(4))
    page = Page({
        "s3://example-churn": "s3://fleet",
        "fairlead@db.example.org:5432": f"fairlead@127.0.0.1:{cloud.database.port}",
        "control.example.org:8090": f"127.0.0.1:{hand}",
    })  # fmt: skip
    secrets = {"PASSPHRASE": PASSPHRASE, "FAIRLEAD_ROUTES_TOKEN": TOKEN, **cloud.environ}
    laptop = Machine(tmp_path / "laptop", **secrets)
    control = Machine(tmp_path / "control", STATE_PASSWORD=PASSWORD, **secrets)
    machines = [laptop, control]
    try:
        later = [typed(row) for row in split_table(real_table("telco-churn.csv"), laptop.folder, ROWS)]
        (laptop.folder / "train.csv").rename(laptop.folder / "churn.csv")
        laptop.run(page.command("init"))
        quick_settings(laptop.folder)
        url = laptop.up(page.command("up"))
        told = Told(as_dicts(asked(url, later, "laptop")))
        told.line("laptop, all rows at once", as_dicts(asked(url, later, "laptop-all", together=True)))
        laptop.stop()
        laptop.run(["collect"])
        laptop.run(page.command("backup"))

        settings = laptop.folder.joinpath("fairlead.toml").read_text() + "\n" + page.settings()
        settings = settings.replace("[serve]\n", "[serve]\n" + page.settings())
        control.folder.joinpath("fairlead.toml").write_text(settings)
        (control.folder / "churn.csv").write_bytes((laptop.folder / "churn.csv").read_bytes())
        control.run(page.command("restore"))
        told.line("who decides, from PostgreSQL", as_dicts(asked(control.up(page.command("up")), later, "control")))
        key = control.run(page.command("routes")).strip()
        servers = [
            Machine(
                tmp_path / name, FAIRLEAD_SERVE__INSTANCE=name, FAIRLEAD_SERVE__ROUTES=f"http://127.0.0.1:{hand}/routes",
                FAIRLEAD_SERVE__ROUTES_KEYS=f'["{key}"]', FAIRLEAD_SERVE__PORT=str(port), **secrets,
            )
            for name, port in (("churn-a", one_port), ("churn-b", two_port))
        ]  # fmt: skip
        machines += servers
        start = page.command("up")
        for server in servers:
            (server.folder / "fairlead.toml").write_text(settings)
            url = server.up(start)
            told.line(server.folder.name, as_dicts(asked(url, later, server.folder.name)))
        served(control, servers, start, later, told, page, gate, cloud)
        assert page.told, "each command of the page was run"
        print("\n" + "\n".join(told.lines))
    finally:
        for machine in machines:
            machine.kill()


def served(
    control: Machine, servers: list[Machine], start: list[str], later: list[dict[str, Any]], told: Told, page: Page,
    gate: int, cloud: Cloud,
) -> None:  # fmt: skip
    """From here on callers ask through the proxy, all the time."""
    folder = control.folder.parent / "proxy"
    folder.mkdir()
    ports = [server.more["FAIRLEAD_SERVE__PORT"] for server in servers]
    one, two = (f"127.0.0.1:{port}" for port in ports)
    with passing("haproxy", folder, ("127.0.0.1", gate), one, two):
        eventually(lambda: httpx.get(f"http://127.0.0.1:{gate}/v2/health/ready").status_code == 200, what="the proxy")
        told.line("through the proxy", as_dicts(asked(f"http://127.0.0.1:{gate}", later, "proxy")))
        with Load(lambda: gate, "churn", later, every_s=0.02) as load:
            further(load)
            servers[0].kill()
            further(load)
            url = servers[0].up(start)
            told.line("churn-a after kill -9", as_dicts(asked(url, later, "again")))
            further(load)
            without_s3(cloud, servers[1], load)
            without_postgresql(cloud, control, load)
            batches(control, later, told, page)
            control.more["FAIRLEAD_TRAIN__SEED"] = "1"
            for verb in ("train", "evaluate", "register", "deploy"):
                said = control.run(page.command(verb))
            assert "confirmed by 3 workers" in said, said
            further(load)
        assert load.refused == []
        assert load.lost == 0, "each request was answered; the proxy asked the other server where one was gone"
    counted(control, servers, later, load, told)


def further(load: Load) -> None:
    """Wait for so many more answers."""
    wanted = len(load.acknowledged) + MORE
    eventually(lambda: len(load.acknowledged) >= wanted, 60, f"{MORE} more answers: {load.refused[:3]}")


def without_s3(cloud: Cloud, server: Machine, load: Load) -> None:
    cloud.s3.gone()
    further(load)
    said = server.run(["collect"], expect=1)
    assert "s3://fleet/records" in said, said
    assert "does not answer" in said, said
    cloud.s3.back()
    stored = server.json("collect")["stored"]
    assert stored["sent"] >= 1
    assert (stored["fetched"], stored["bundles"]) == (0, 0), "what others send is for who watches"


def without_postgresql(cloud: Cloud, control: Machine, load: Load) -> None:
    cloud.database.stop(signal.SIGQUIT)
    further(load)
    said = control.run(["status"], expect=1)
    assert "the state database" in said, said
    assert "Traceback" not in said
    cloud.database.start()
    assert control.json("status")["models"][0]["deployed"]


def batches(control: Machine, later: list[dict[str, Any]], told: Told, page: Page) -> None:
    parquet.write_table(pa.Table.from_pylist(later), control.folder / "rows.parquet", row_group_size=50)
    for who in ("score", "score on Spark, local[2]"):
        words = page.command("score")
        control.run(words)
        told.line(who, of_file(control.folder / words[2]))


def counted(control: Machine, servers: list[Machine], later: list[dict[str, Any]], load: Load, told: Told) -> None:
    """Each answer is recorded, and in the store; by request and row none is there twice."""
    for server in servers:
        server.stop()
        server.run(["collect"])
    brought = control.json("collect")
    books = {machine.folder.name: reconcile(machine.home) for machine in (control, *servers)}
    assert all(one.ok for one in books.values()), books
    fresh = control.folder.parent / "fresh"
    pulled = Mirror(fresh, store_of("s3://fleet/records")).pull()
    stored, _ = Records(fresh, "churn").since()
    seen, _ = Records(control.home, "churn").since()
    assert stored.num_rows == seen.num_rows, "who decides sees all that is in the store"
    records = Counter(zip(stored.column("request").to_pylist(), stored.column("row").to_pylist(), strict=True))
    answered = {(id, 0) for id in load.acknowledged}
    for tag in ("laptop", "control", "churn-a", "churn-b", "proxy", "again"):
        answered |= {(f"{tag}-{number}", 0) for number in range(len(later))}
    answered |= {("laptop-all", row) for row in range(len(later))}
    assert set(records) == answered
    twice = sum(records.values()) - len(records)
    by = Counter(name.rsplit("-", 2)[0] for name in stored.column("segment").to_pylist())
    assert {"churn-a", "churn-b"} < set(by)
    bundles = Counter(stored.column("bundle").to_pylist())
    assert len(bundles) == 2
    closed = eventually(lambda: watched(control), 90, "windows of both servers")
    told.lines += [
        "", f"answered through the proxy under load: {len(load.acknowledged):,}, lost {load.lost}",
        f"answered in all: {len(answered):,}; in the store: {stored.num_rows:,} records of {len(records):,} answers",
        f"recorded twice, as asked twice: {twice}; by server: {dict(by)}",
        f"by version: {list(bundles.values())}; files fetched by a fresh home: {pulled.fetched}",
        f"windows watched: {closed['index'] + 1}; by server in the newest: {closed['by']}; {brought['stored']}",
    ]  # fmt: skip


def watched(control: Machine) -> dict[str, Any] | None:
    """The newest scored window of who decides, with how many of its rows came from which server."""
    windows = [one for one in control.json("status")["models"][0]["windows"] if one["state"] == "scored"]
    if not windows or windows[-1]["index"] < 5:
        return None
    rows = Records(control.home, "churn").between(windows[-1]["start"], windows[-1]["end"])
    by = Counter(name.rsplit("-", 2)[0] for name in rows.column("segment").to_pylist())
    assert {"churn-a", "churn-b"} <= set(by), (windows[-1], by)
    return {**windows[-1], "by": dict(by)}
