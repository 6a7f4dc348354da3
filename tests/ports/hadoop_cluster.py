"""A Hadoop cluster of the test's own: a NameNode and two DataNodes of Hadoop 2.7.3, real programs on free ports.

The jars are those inside PyPI's pyspark 2.4.8; Debian has what the WebHDFS servlets ask for and Spark leaves out.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from tests.conftest import ROOT, eventually

JARS = ROOT / ".venv-clients-hadoop"
PYSPARK = "pyspark==2.4.8"
SHA256 = "3a19b71b8dc8dd91ebc943604a05e1ab01bce052456d42937035632d852d78dc"
DEBIAN = ("jersey1-core", "jersey1-server", "jersey1-servlet", "jsr311-api", "jaxb-api")
WANTED = (
    "hadoop-annotations", "hadoop-auth", "hadoop-common", "hadoop-hdfs", "commons-", "guava", "htrace-core", "jackson-",
    "javax.servlet-api", "jetty", "leveldbjni", "log4j-1.2", "slf4j-", "netty", "protobuf-java", "xmlenc", "xerces",
    "apacheds", "api-", "curator", "zookeeper", "httpc", "gson", "jsr305",
)  # fmt: skip
OPENED = ("java.lang", "java.util", "java.net", "java.nio", "sun.nio.ch")
BLOCK = 256 * 1024


class Cluster:
    """Where it runs, and its processes by name (name, data1, data2)."""

    def __init__(self, folder: Path, class_path: str, ports: dict[str, int]) -> None:
        self.folder, self.class_path, self.ports = folder, class_path, ports
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.web = f"http://127.0.0.1:{ports['http']}"
        self.address = f"hdfs://fairlead@127.0.0.1:{ports['http']}"

    def start(self, node: str) -> None:
        """Start one node again, or for the first time."""
        arguments = [] if node == "name" else [
            f"-Ddfs.datanode.data.dir={self.folder / node}",
            f"-Ddfs.datanode.address=127.0.0.1:{self.ports[node]}",
            f"-Ddfs.datanode.http.address=127.0.0.1:{self.ports[node + 'http']}",
            f"-Ddfs.datanode.ipc.address=127.0.0.1:{self.ports[node + 'ipc']}",
        ]  # fmt: skip
        main = "namenode.NameNode" if node == "name" else "datanode.DataNode"
        with (self.folder / f"{node}.log").open("ab") as log:
            self.processes[node] = subprocess.Popen(
                [*java(self.class_path), f"org.apache.hadoop.hdfs.server.{main}", *arguments],
                stdout=log, stderr=log, cwd=self.folder, start_new_session=True,
            )  # fmt: skip

    def kill(self, node: str) -> None:
        """kill -9."""
        self.processes[node].send_signal(signal.SIGKILL)
        self.processes[node].wait(timeout=30)

    def live(self) -> int:
        """How many DataNodes the NameNode takes to be alive, once it answers and is out of safe mode."""
        with contextlib.suppress(requests.RequestException, KeyError, IndexError):
            for process in self.processes.values():
                assert process.poll() is None, self.logs()
            asked = {"qry": "Hadoop:service=NameNode,name=FSNamesystemState"}
            bean = requests.get(f"{self.web}/jmx", params=asked, timeout=5).json()["beans"][0]
            return int(bean["NumLiveDataNodes"]) if bean["FSState"] == "Operational" else 0
        return 0

    def answering(self) -> int:
        """How many DataNodes answer and have told the NameNode so: a killed one counts as alive for ten minutes."""
        count = 0
        for node in ("data1", "data2"):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.ports[node]), timeout=1):
                count += self.silent_s().get(f"127.0.0.1:{self.ports[node]}", 99) <= 2
        return count

    def silent_s(self) -> dict[str, int]:
        """Seconds since the last heartbeat of each DataNode, by its address for blocks."""
        asked = {"qry": "Hadoop:service=NameNode,name=NameNodeInfo"}
        bean = requests.get(f"{self.web}/jmx", params=asked, timeout=5).json()["beans"][0]
        return {one["xferaddr"]: one["lastContact"] for one in json.loads(bean["LiveNodes"]).values()}

    def replicas(self, path: str) -> int:
        """The fewest replicas that a block of a file has."""
        asked = {"op": "GET_BLOCK_LOCATIONS", "offset": 0, "length": 1 << 40}
        found = requests.get(f"{self.web}/webhdfs/v1{path}", params=asked, timeout=10).json()
        return min(len(block["locations"]) for block in found["LocatedBlocks"]["locatedBlocks"])

    def node_of(self, location: str) -> str:
        """data1 or data2, by the address that the NameNode sends to."""
        return next(node for node in ("data1", "data2") if f":{self.ports[node + 'http']}/" in location)

    def logs(self) -> str:
        """The ends of all logs."""
        return "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in sorted(self.folder.glob("*.log")))


@contextlib.contextmanager
def running() -> Iterator[Cluster]:
    """Started, with both DataNodes known; gone at the end, whatever happens."""
    class_path = jars()
    with tempfile.TemporaryDirectory(prefix="fairlead-hadoop-", dir="/tmp") as name:
        cluster = prepared(Path(name), class_path)
        try:
            for node in ("name", "data1", "data2"):
                cluster.start(node)
            eventually(lambda: cluster.live() == 2, within_s=60, what=f"two DataNodes alive in {name}")
            yield cluster
        finally:
            for process in cluster.processes.values():
                process.kill()
                process.wait(timeout=30)


def prepared(folder: Path, class_path: str) -> Cluster:
    """Configuration and a formatted NameNode."""
    names = ("rpc", "http", "data1", "data1http", "data1ipc", "data2", "data2http", "data2ipc")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    for web in ("hdfs", "datanode"):
        (folder / "web" / "webapps" / web / "WEB-INF").mkdir(parents=True)
        (folder / "web" / "webapps" / web / "WEB-INF" / "web.xml").write_text("<web-app/>")
    (folder / "conf").mkdir()
    configure(folder / "conf" / "core-site.xml", {
        "fs.defaultFS": f"hdfs://127.0.0.1:{ports['rpc']}", "hadoop.tmp.dir": str(folder / "tmp"),
    })  # fmt: skip
    configure(folder / "conf" / "hdfs-site.xml", {
        "dfs.namenode.http-address": f"127.0.0.1:{ports['http']}", "dfs.permissions.enabled": "false",
        "dfs.namenode.fs-limits.min-block-size": "65536", "dfs.blocksize": str(BLOCK), "dfs.replication": "2",
        "dfs.namenode.handler.count": "4", "dfs.datanode.handler.count": "4", "dfs.heartbeat.interval": "1",
        "dfs.client.socket-timeout": "5000", "dfs.client.block.write.locateFollowingBlock.retries": "2",
        "dfs.namenode.safemode.extension": "0",
        # Of two nodes one always has more than the other to do.
        "dfs.namenode.replication.considerLoad": "false",
    })  # fmt: skip
    (folder / "conf" / "log4j.properties").write_text(
        "log4j.rootLogger=WARN,a\nlog4j.appender.a=org.apache.log4j.ConsoleAppender\n"
        "log4j.appender.a.layout=org.apache.log4j.PatternLayout\n"
        "log4j.appender.a.layout.ConversionPattern=%p %c{1}: %m%n\n"
    )
    cluster = Cluster(folder, f"{folder / 'conf'}:{folder / 'web'}:{class_path}", ports)
    subprocess.run(
        [*java(cluster.class_path), "org.apache.hadoop.hdfs.server.namenode.NameNode", "-format", "-nonInteractive"],
        check=True, capture_output=True, timeout=60, cwd=folder,
    )  # fmt: skip
    return cluster


def configure(path: Path, values: dict[str, str]) -> None:
    """A file of Hadoop's configuration."""
    told = "".join(f"<property><name>{k}</name><value>{v}</value></property>\n" for k, v in values.items())
    path.write_text(f"<configuration>\n{told}</configuration>\n")


def java(class_path: str) -> list[str]:
    """How a program of Hadoop is begun on Java 17."""
    opened = [part for name in OPENED for part in ("--add-opens", f"java.base/{name}=ALL-UNNAMED")]
    return ["java", *opened, "-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", class_path]


def jars() -> str:
    """The class path. Skips, naming what is missing."""
    if shutil.which("java") is None:
        pytest.skip("java is not installed: make test-deps")
    debian = [Path("/usr/share/java") / f"{name}.jar" for name in DEBIAN]
    if missing := [path.stem for path in debian if not path.exists()]:
        pytest.skip(f"Debian's lib{missing[0]}-java is not installed: make test-deps")
    if not (JARS / "made").exists():
        download()
    return ":".join([f"{JARS}/*", *map(str, debian)])


def download() -> None:
    """The jars inside pyspark 2.4.8, into a folder of their own, once; its hash is held before it is opened."""
    with tempfile.TemporaryDirectory(prefix="fairlead-pyspark-") as name:
        # Its setup.py asks an old pypandoc for its long description.
        (Path(name) / "constraints.txt").write_text("pypandoc<1.8\n")
        done = subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", PYSPARK],
            cwd=name, env={**os.environ, "PIP_CONSTRAINT": "constraints.txt"}, timeout=500, capture_output=True,
        )  # fmt: skip
        archive = Path(name) / "pyspark-2.4.8.tar.gz"
        if done.returncode or not archive.exists():
            pytest.skip("PyPI's pyspark 2.4.8, whose jars run Hadoop, cannot be downloaded here")
        assert hashlib.sha256(archive.read_bytes()).hexdigest() == SHA256
        with tarfile.open(archive) as tar:
            wanted = [one for one in tar.getmembers() if "/deps/jars/" in one.name
                      and Path(one.name).name.startswith(WANTED)]  # fmt: skip
            tar.extractall(name, members=wanted, filter="data")
        JARS.mkdir(exist_ok=True)
        for jar in (Path(name) / "pyspark-2.4.8" / "deps" / "jars").glob("*.jar"):
            shutil.copy(jar, JARS / jar.name)
        (JARS / "made").write_text(SHA256)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
