"""A session of Spark: cores of this machine, a cluster with a master of its own, or a Spark Connect server."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import tempfile
import time
import warnings
from typing import IO, Any

from fairlead.contract.engines import EngineSettings
from fairlead.contract.errors import ConfigInvalid, MissingExtra, RemoteError, UsageError
from fairlead.lab.tables.addresses import address_of, shown_of

BATCH_ROWS = 65_536
EXECUTORS_S = 120.0
"""How long a cluster has to give an executor."""
CONNECT_S = 30.0
"""How long a server of Spark Connect has to take a connection."""
OURS = {
    "spark.app.name": "fairlead",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # Times without a zone are the project's, which code of ours reads; Spark must not move them.
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH_ROWS),
}


def session(settings: EngineSettings) -> Any:
    """The SparkSession of these settings; one that this process has already is taken as it is.

    Executors run the Python that `spark.pyspark.python` or PYSPARK_PYTHON names, else this one, and there they import
    fairlead. Raises MissingExtra, ConfigInvalid for an address that is none, RemoteError where no server answers.
    """
    try:
        from pyspark.sql import SparkSession
    except ModuleNotFoundError as missing:
        raise MissingExtra(missing.name or "pyspark", "spark") from missing
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
    os.environ.setdefault("PYSPARK_PYTHON", settings.conf.get("spark.pyspark.python") or sys.executable)
    chosen = {**OURS, **settings.conf}
    if settings.connect:
        return _connected(SparkSession, settings.connect, chosen)
    _check_master(settings.master)
    if settings.master.startswith("local"):
        # The name of a machine need not lead back to it.
        chosen = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", **chosen}
    builder = SparkSession.builder.master(settings.master)
    for name, value in chosen.items():
        builder = builder.config(name, value)
    with tempfile.TemporaryFile() as log:
        try:
            _begin({**chosen, "spark.master": settings.master}, log)
            found = builder.getOrCreate()
            found.sparkContext.setLogLevel("ERROR")
        except Exception as error:  # Java's errors have many classes, and JVMs that never came up raise plain ones
            told = _cause(log) or _first_line(str(error)) or type(error).__name__
            raise RemoteError(f"Spark at {settings.master} did not start: {told}") from error
    if settings.master.startswith("spark://"):
        _await_executors(found, settings.master)
    return found


def _await_executors(found: Any, master: str) -> None:
    """Spark itself waits for ever, without a word, where other applications hold all cores.

    Raises RemoteError where no executor came within EXECUTORS_S. Where they are allotted as jobs need them none is due.
    """
    context = found.sparkContext
    if context.getConf().get("spark.dynamicAllocation.enabled", "false") == "true":
        return
    deadline = time.monotonic() + EXECUTORS_S
    # The driver counts itself as one.
    while context._jsc.sc().getExecutorMemoryStatus().size() < 2:
        if time.monotonic() > deadline:
            found.stop()
            raise RemoteError(
                f"Spark at {master} gave no executor within {EXECUTORS_S:.0f} s: other applications hold its cores "
                "(spark.cores.max bounds what one takes), or no worker has spark.executor.memory free."
            )
        time.sleep(0.1)


def _begin(chosen: dict[str, str], log: IO[bytes]) -> None:
    """Start the JVM of this process, where none runs: what it says of itself goes to a log and not among our words.

    FAIRLEAD_DEBUG=1 leaves it on stderr.
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway

    if SparkContext._gateway is None and os.environ.get("FAIRLEAD_DEBUG", "") in {"", "0"}:
        conf = SparkConf(loadDefaults=False).setAll(list(chosen.items()))
        gateway = launch_gateway(conf, {"stderr": log})  # type: ignore[no-untyped-call, unused-ignore]
        SparkContext._ensure_initialized(gateway=gateway, conf=conf)


def _cause(log: IO[bytes]) -> str:
    """The line in which Spark's log says why."""
    log.seek(0)
    lines = [line.strip() for line in log.read(1 << 20).decode(errors="replace").splitlines()]
    causes = [line.partition("ERROR ")[2] or line for line in lines if "ERROR" in line or "Exception" in line]
    rest = [line for line in lines if line and "WARN" not in line and not line.startswith("Using Spark's")]
    return (causes or rest or [""])[-1][:300]


def _connected(builder: Any, address: str, chosen: dict[str, str]) -> Any:
    if not address.startswith(("sc://", "local")):
        raise ConfigInvalid(
            f"not an address of Spark Connect: {shown_of(address)!r}.", key="engine.connect", cure="sc://host:15002"
        )
    try:
        place = address_of(address)
    except UsageError as unset:
        raise ConfigInvalid(str(unset), key="engine.connect", cure="set it") from None
    before = builder.getActiveSession()
    try:
        if place.scheme:
            _await_server(place.text)
        found = builder.builder.remote(place.text).getOrCreate()
        for name, value in chosen.items():
            # What a server settled when it started is not ours to change.
            with contextlib.suppress(Exception):
                found.conf.set(name, value)
        _ = found.version
        if found is not before:
            atexit.register(_ask_once, found)
    except ModuleNotFoundError as missing:
        raise MissingExtra(missing.name or "grpc", "spark") from missing
    except Exception as error:
        left = builder.getActiveSession()
        if left is not None and left is not before:
            left.release_session_on_close = False
            left.stop()
        # What the library raises may hold the token.
        told = _first_line(place.scrubbed(str(error))) or type(error).__name__
        raise RemoteError(f"Spark Connect at {place.shown} does not answer: {told}") from None
    return found


def _await_server(address: str) -> None:
    """Spark's own client tries for ten minutes, without a word, where nobody listens.

    Raises TimeoutError where no connection stands within CONNECT_S.
    """
    import grpc
    from pyspark.sql.connect.client import DefaultChannelBuilder

    with DefaultChannelBuilder(address).toChannel() as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=CONNECT_S)
        except grpc.FutureTimeoutError:
            raise TimeoutError(
                f"no connection within {CONNECT_S:.0f} s: is it up, is the port that of Spark Connect, and does it "
                "speak TLS if the address has a token or use_ssl?"
            ) from None


def end(found: Any) -> None:
    """Let go of a session; a server of Spark Connect that is gone by now is not waited for."""
    _ask_once(found)
    found.stop()


def _ask_once(found: Any) -> None:
    """What a client of Spark Connect asks at its end it would ask for ten minutes, where nobody listens any more."""
    if "connect" in type(found).__module__:
        found.client.set_retry_policies([])


def _check_master(master: str) -> None:
    known = ("local", "spark://", "yarn", "k8s://")
    if not master.startswith(known):
        raise ConfigInvalid(
            f"not a master of Spark: {master!r}.", key="engine.master", cure="local[2], spark://host:7077"
        )


def _first_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[0][:300] if lines else ""
