"""Addresses of Spark Connect: a server that is not there is said soon, and a token is used and never shown."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from fairlead.contract.engines import EngineSettings
from fairlead.contract.errors import ConfigInvalid, RemoteError
from fairlead.lab.tables.addresses import address_of
from fairlead.lab.tables.engines import session as sessions

TOKEN = "s3cr3t;a=b%="


def connected(address: str) -> Any:
    return sessions.session(EngineSettings(name="spark", connect=address))


def active() -> Any:
    from pyspark.sql import SparkSession

    return SparkSession.getActiveSession()


@pytest.fixture
def grpc() -> Any:
    pytest.importorskip("pyspark", reason="the extra spark is not installed")
    return pytest.importorskip("grpc", reason="the extra spark is not installed")


def test_where_nobody_listens_is_said_soon_and_without_the_token(grpc: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "CONNECT_S", 0.2)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and does not listen
        address = f"sc://127.0.0.1:{held.getsockname()[1]}/"
        with pytest.raises(RemoteError) as told:
            connected(f"{address};token=s3cr3t")
    assert str(told.value).startswith(f"Spark Connect at {address};token=*** does not answer: no connection within")
    assert told.value.__cause__ is None


def test_a_token_comes_from_the_environment(grpc: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing(grpc) as (port, seen):
        address = f"sc://localhost:{port}/;token=${{SPARK_TOKEN}}"
        monkeypatch.delenv("SPARK_TOKEN", raising=False)
        with pytest.raises(ConfigInvalid, match="the environment has no variable SPARK_TOKEN"):
            connected(address)
        assert not seen
        monkeypatch.setenv("SPARK_TOKEN", TOKEN)
        before = active()
        with pytest.raises(RemoteError) as told:
            connected(address)
    # A client that is left would be taken for the next address, and would ask for ten minutes when this process ends.
    assert active() is before
    assert seen[0] == f"Bearer {TOKEN}"
    assert str(told.value).startswith(f"Spark Connect at {address} does not answer:")
    assert "s3cr3t" not in str(told.value)


def test_what_others_say_is_rid_of_a_token_that_stands_in_an_address() -> None:
    place = address_of("sc://spark:15002/;token=s3cr3t;use_ssl=true")
    assert place.scrubbed("no: sc://spark:15002/;token=s3cr3t") == "no: sc://spark:15002/;token=***"


@contextmanager
def refusing(grpc: Any) -> Iterator[tuple[int, list[str]]]:
    """A server that lets nobody in and tells who it is that knocks, with what: its port, and what came."""
    seen: list[str] = []

    class Refusing(grpc.GenericRpcHandler):  # type: ignore[misc, name-defined, unused-ignore]
        def service(self, call: Any) -> Any:
            seen.extend(value for name, value in call.invocation_metadata if name == "authorization")

            def refuse(_: Any, context: Any) -> Any:
                context.abort(grpc.StatusCode.UNAUTHENTICATED, f"not with {seen[-1]}")

            return grpc.unary_unary_rpc_method_handler(refuse)

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Refusing()])
    port = server.add_secure_port("localhost:0", grpc.local_server_credentials())
    server.start()
    try:
        yield port, seen
    finally:
        server.stop(None).wait(10)
