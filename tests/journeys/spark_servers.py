"""Real servers of Spark that tests start: a standalone master with two workers, and Spark Connect."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import eventually

QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""For Java that lives for seconds: it compiles once and not twice, and has one collector."""


def spark_home() -> Path:
    """Where pip put Spark. Skips where it is not installed, or Java is not."""
    pyspark = pytest.importorskip("pyspark", reason="the extra spark is not installed")
    if shutil.which("java") is None:
        pytest.skip("java is not installed: make test-deps")
    return Path(pyspark.__file__).parent


@contextlib.contextmanager
def process(folder: Path, name: str, *words: str) -> Iterator[Path]:
    """A process of Spark's, ended with the block; its log."""
    log = folder / f"{name}.log"
    env = {
        **os.environ, "SPARK_HOME": str(spark_home()), "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_WORKER_DIR": str(folder),
        "PYSPARK_PYTHON": sys.executable, "SPARK_NO_DAEMONIZE": "1", "SPARK_DAEMON_JAVA_OPTS": QUICK,
        "SPARK_DAEMON_MEMORY": "700m",
    }  # fmt: skip
    with log.open("w") as out:
        started = subprocess.Popen(words, cwd=folder, env=env, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield log
        finally:
            started.terminate()
            try:
                started.wait(20)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait(20)


@contextlib.contextmanager
def standalone(folder: Path) -> Iterator[str]:
    """spark://… of a master with two workers of two cores each: room for two applications that take one of each."""
    spark_class = str(spark_home() / "bin" / "spark-class")
    deploy = "org.apache.spark.deploy"
    with contextlib.ExitStack() as held:
        words = (spark_class, f"{deploy}.master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        log = held.enter_context(process(folder, "master", *words))
        found = eventually(
            lambda: re.search(r"Starting Spark master at (spark://\S+)", log.read_text()), 240.0, "the master"
        )
        master: str = found.group(1)
        for number in (1, 2):
            place = folder / f"worker-{number}"
            place.mkdir()
            held.enter_context(process(
                place, f"worker-{number}", spark_class, f"{deploy}.worker.Worker", "--host", "127.0.0.1", "--cores",
                "2", "--memory", "1g", "--webui-port", "0", master,
            ))  # fmt: skip
        eventually(lambda: log.read_text().count("Registering worker") == 2, 240.0, "two workers")
        yield master


@contextlib.contextmanager
def connect(folder: Path) -> Iterator[str]:
    """sc://… of a Spark Connect server on two cores of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = "org.apache.spark.sql.connect.service.SparkConnectServer"
    words = (
        str(spark_home() / "bin" / "spark-submit"), "--class", server,
        "--master", "local[2]", "--conf", f"spark.connect.grpc.binding.port={port}",
        "--conf", "spark.connect.grpc.binding.address=127.0.0.1", "--conf", "spark.ui.enabled=false",
        "--driver-java-options", QUICK, "--driver-memory", "700m",
        "--conf", "spark.driver.bindAddress=127.0.0.1", "--conf", "spark.driver.host=127.0.0.1", "spark-internal",
    )  # fmt: skip
    with process(folder, "connect", *words):
        eventually(lambda: _answers(port), 240.0, "Spark Connect")
        yield f"sc://127.0.0.1:{port}"


def _answers(port: int) -> bool:
    with socket.socket() as asked:
        asked.settimeout(1.0)
        return asked.connect_ex(("127.0.0.1", port)) == 0
