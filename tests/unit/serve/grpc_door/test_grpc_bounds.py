"""What the door does by itself, before applications that are silent, slow or broken."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import uvloop
from asking import FIRST, ROW
from calling import Client, grpc_server, infer_request
from tests.conftest import eventually
from tests.ports.transport_certificates import Authority

from fairlead.contract.ports import Request
from fairlead.contract.routes import Limits, Route, Routes, Variant
from fairlead.contract.settings import ServeSettings
from fairlead.runtime.serve import publish
from fairlead.runtime.serve.grpc_door import open_grpc
from fairlead.runtime.serve.grpc_door.door import Door
from fairlead.runtime.serve.grpc_door.port import held_port
from fairlead.runtime.wire.tensors import values_of_raw


class Scripted:
    """An application that does with a list of requests what it was told to. asked: sizes of the lists."""

    def __init__(self, act: Callable[[Sequence[Request]], None], limits: Limits) -> None:
        self._act, self._limits = act, limits
        self.asked: list[int] = []

    def answer(self, requests: Sequence[Request]) -> None:
        self.asked.append(len(requests))
        self._act(requests)

    def limits(self) -> Limits:
        return self._limits

    def close(self) -> None:
        pass


class Running:
    """A door before an application, on a loop in a thread."""

    def __init__(
        self, act: Callable[[Sequence[Request]], None], secure: Mapping[str, str] | None = None, **limits: Any
    ) -> None:
        self.application = Scripted(act, Limits(**limits))
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self._held = held_port("127.0.0.1", 0)
        settings = {"host": "127.0.0.1", "server": ServeSettings(grpc_port=self._held.__enter__(), **(secure or {}))}
        opened: Any = asyncio.run_coroutine_threadsafe(open_grpc(self.application, self.loop, settings), self.loop)
        self.door: Door = opened.result(10)
        self.target = f"127.0.0.1:{self.door.port}"

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.door.close(0.1), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()
        self._held.__exit__(None, None, None)


@pytest.fixture
def opened() -> Iterator[Callable[..., Running]]:
    made: list[Running] = []

    def start(act: Callable[[Sequence[Request]], None], *secure: Any, **limits: Any) -> Running:
        made.append(Running(act, *secure, **limits))
        return made[-1]

    yield start
    for one in made:
        one.close()


def silent(requests: Sequence[Request]) -> None:
    """Promises an answer that never comes."""
    for request in requests:
        request.later = True


def fine(requests: Sequence[Request]) -> None:
    for request in requests:
        request.reply(200, [("x-request-id", "a")], b"")


def code_of(client: Client, timeout: float | None = 10.0) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    try:
        client.infer([ROW], timeout=timeout)
    except grpc.RpcError as error:
        return error.code(), error.details(), dict(error.trailing_metadata() or ())
    return grpc.StatusCode.OK, "", {}


def test_the_servers_own_deadline_ends_a_call(opened: Callable[..., Running]) -> None:
    with Client(opened(silent, timeout_s=0.2).target) as client:
        code, said, _ = code_of(client)
    assert (code, said) == (grpc.StatusCode.DEADLINE_EXCEEDED, "not answered within 0.2 s")


def test_a_clients_shorter_deadline_frees_its_place(opened: Callable[..., Running]) -> None:
    running = opened(silent, timeout_s=60.0, max_queue=1)
    with Client(running.target) as client:
        assert code_of(client, 0.3)[0] is grpc.StatusCode.DEADLINE_EXCEEDED
        eventually(lambda: code_of(client, 0.3)[0] is grpc.StatusCode.DEADLINE_EXCEEDED, what="a free place")
    assert len(running.application.asked) >= 2


def test_over_the_queue_a_call_is_told_when_to_come_back(opened: Callable[..., Running]) -> None:
    running = opened(silent, timeout_s=1.0, max_queue=2)
    with ThreadPoolExecutor(3) as pool, Client(running.target) as client:
        done = [pool.submit(code_of, client) for _ in range(2)]
        eventually(lambda: sum(running.application.asked) == 2)
        code, said, trailing = code_of(client)
        assert code is grpc.StatusCode.UNAVAILABLE
        assert "at capacity" in said
        assert trailing["grpc-retry-pushback-ms"] == "1000"
        assert {one.result()[0] for one in done} == {grpc.StatusCode.DEADLINE_EXCEEDED}


def test_an_application_that_breaks_or_forgets_is_a_fault_without_details(opened: Callable[..., Running]) -> None:
    def broken(requests: Sequence[Request]) -> None:
        raise RuntimeError("a secret")

    for act in (broken, lambda requests: None):
        with Client(opened(act).target) as client:
            assert code_of(client)[:2] == (grpc.StatusCode.INTERNAL, "the model could not answer this request")


def test_the_name_on_a_clients_certificate_reaches_the_application(
    opened: Callable[..., Running], tmp_path: Path
) -> None:
    seen: list[str | None] = []

    def look(requests: Sequence[Request]) -> None:
        seen.extend(request.peer for request in requests)
        fine(requests)

    authority = Authority(tmp_path, "ours")
    chain, key = authority.issue("localhost")
    own = authority.issue("a-client")
    secure = {"tls_certificate": str(chain), "tls_key": str(key), "tls_client_ca": str(authority.path)}
    shown = grpc.ssl_channel_credentials(authority.path.read_bytes(), own[1].read_bytes(), own[0].read_bytes())
    with Client(opened(look, secure).target, shown) as client:
        client.infer([ROW])
    assert seen == ["a-client"]


def test_a_long_error_fits_into_its_metadata(opened: Callable[..., Running]) -> None:
    def wordy(requests: Sequence[Request]) -> None:
        for request in requests:
            request.reply(400, [("x-odd", "ä"), ("x-fine", "a")], ('{"error": "' + "ß" * 100_000 + '"}').encode())

    with Client(opened(wordy).target) as client:
        code, said, trailing = code_of(client)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert said.startswith("ßßß")
    assert said.endswith("…")
    assert trailing["x-fine"] == "a"
    assert "x-odd" not in trailing


def test_a_large_request_goes_through_the_batch_lane(home: Path) -> None:
    rows = [{**ROW, "tenure": number % 70} for number in range(30_000)]
    assert infer_request(rows, raw=True).ByteSize() > 2 * Limits().batch_bytes
    with grpc_server(home) as server, Client(server.target, max_receive_message_length=-1) as client:
        answer, _ = client.infer(rows, raw=True, timeout=30.0)
        few, _ = client.infer(rows[:70])
    many = values_of_raw(answer.raw_output_contents[1], "FP64", [30_000, 2], "p")
    assert list(many[:140]) == list(few.outputs[1].contents.fp64_contents)


def test_a_model_that_sleeps_is_woken_by_a_call(home: Path) -> None:
    routes = tuple(Route(f"m{n}", (Variant("champion", FIRST, n + 1),)) for n in range(20))
    publish(home / "routes.json", Routes(1, routes, limits=Limits(max_models_bytes=1 << 30)))
    with grpc_server(home) as server, Client(server.target) as client:
        assert client.infer([ROW], model="m7")[0].model_version == "8"
        assert client.infer([ROW], model="m9", version="10")[0].model_version == "10"
        (name, *_) = [one.name for one in client.call("RepositoryIndex", b"\x10\x01")[0].models]
        assert name in {"m7", "m9"}
