"""Real brokers for tests: started on free ports, killed and started again on the same data, filled and emptied with
their own clients, without a line of ours."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import pytest
from tests.conftest import eventually

Sent = tuple[str, bytes]
"""What makes a message one, "" where the broker is to know it by its place; and its body."""


class Come:
    """A message as it lies in a stream."""

    def __init__(self, id: str, body: bytes, headers: dict[str, str]) -> None:
        self.id, self.body, self.headers = id, body, headers


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class Server(ABC):
    """A broker in a folder. program: what has to be installed; restarts: whether what it holds survives a kill."""

    program: ClassVar[str]
    restarts: ClassVar[bool] = True

    def __init__(self, folder: Path) -> None:
        if shutil.which(self.program) is None and not Path(f"/usr/sbin/{self.program}").exists():
            pytest.skip(f"{self.program} is not installed: make test-deps")
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self.other = free_ports(2)
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def words(self) -> list[str]:
        """The command that starts it."""

    @abstractmethod
    def address(self, name: str) -> str:
        """Of a stream, as `fairlead stream` takes it."""

    @abstractmethod
    def fill(self, name: str, messages: Sequence[Sent]) -> None:
        """Publish, making the stream where it is missing."""

    @abstractmethod
    def all_of(self, name: str) -> list[Come]:
        """Everything in a stream, which may be gone from it afterwards."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it takes requests."""

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.words(), cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env=self.environment(), start_new_session=True,
            )  # fmt: skip
        try:
            eventually(self._up, within_s=60.0, what=f"{self.program} answering")
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        try:
            # Clients log every try that finds nobody.
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return self.answers()
        except Exception:
            return False

    def kill(self) -> None:
        """At once, with all its children."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)
            self.process = None


def within(what: Callable[[], Awaitable[Any]]) -> Any:
    """An async client used from a plain test."""
    return asyncio.run(asyncio.wait_for(what(), 120))


class Redis(Server):
    program = "redis-server"

    def words(self) -> list[str]:
        return [
            self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder),
            "--appendonly", "yes", "--appendfsync", "always",
        ]  # fmt: skip

    def address(self, name: str) -> str:
        return f"redis://127.0.0.1:{self.port}/{name}"

    def client(self) -> Any:
        import redis

        return redis.Redis(port=self.port, socket_timeout=20)

    def answers(self) -> bool:
        with self.client() as client:
            return bool(client.ping())

    def fill(self, name: str, messages: Sequence[Sent]) -> None:
        with self.client() as client:
            pipe = client.pipeline(transaction=False)
            for id, body in messages:
                pipe.xadd(name, {"body": body} | ({"key": id} if id else {}))
            pipe.execute()

    def all_of(self, name: str) -> list[Come]:
        with self.client() as client:
            found = []
            for _, fields in client.xrange(name):
                rest = {k.decode(): v.decode() for k, v in fields.items() if k not in (b"key", b"body")}
                found.append(Come(fields[b"key"].decode(), fields[b"body"], rest))
            return found


class Nats(Server):
    program = "nats-server"

    def words(self) -> list[str]:
        return [
            self.program, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(self.folder / "data"),
        ]  # fmt: skip

    def address(self, name: str) -> str:
        return f"nats://127.0.0.1:{self.port}/{name}"

    async def client(self) -> Any:
        import nats

        return await nats.connect(f"nats://127.0.0.1:{self.port}", allow_reconnect=False, connect_timeout=5)

    def answers(self) -> bool:
        async def asked() -> bool:
            nc = await self.client()
            try:
                await nc.jetstream().account_info()
            finally:
                await nc.close()
            return True

        return bool(within(asked))

    def fill(self, name: str, messages: Sequence[Sent]) -> None:
        async def sent() -> None:
            nc = await self.client()
            try:
                js = nc.jetstream(timeout=30)
                await js.add_stream(name=name, subjects=[name])
                for at in range(0, len(messages), 256):
                    await asyncio.gather(*[
                        js.publish(name, body, headers={"Nats-Msg-Id": id} if id else None)
                        for id, body in messages[at : at + 256]
                    ])  # fmt: skip
            finally:
                await nc.close()

        within(sent)

    def all_of(self, name: str) -> list[Come]:
        async def read() -> list[Come]:
            from nats.js.errors import NotFoundError

            nc = await self.client()
            found: list[Come] = []
            try:
                js = nc.jetstream(timeout=30)
                try:
                    stream = await js.find_stream_name_by_subject(name)
                except NotFoundError:
                    return found
                count = (await js.stream_info(stream)).state.messages
                pull = await js.pull_subscribe(name, stream=stream)
                while len(found) < count:
                    for one in await pull.fetch(min(500, count - len(found)), timeout=10):
                        headers = dict(one.headers or {})
                        found.append(Come(headers.pop("Nats-Msg-Id", ""), one.data, headers))
                        await one.ack()
            finally:
                await nc.close()
            return found

        got: list[Come] = within(read)
        return got


class Rabbit(Server):
    program = "rabbitmq-server"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nvm_memory_high_watermark.absolute = 1GB\n"
            "disk_free_limit.absolute = 50MB\nlog.console = true\nlog.file = false\n"
        )

    def words(self) -> list[str]:
        script = "/usr/lib/rabbitmq/bin/rabbitmq-server"
        return [script if Path(script).exists() else self.program]

    def environment(self) -> dict[str, str]:
        own = self.folder
        return dict(os.environ) | {
            "RABBITMQ_NODENAME": f"fairlead{self.port}@localhost", "RABBITMQ_DIST_PORT": str(self.other),
            "RABBITMQ_MNESIA_BASE": str(own / "mnesia"), "RABBITMQ_LOG_BASE": str(own / "logs"), "HOME": str(own),
            "RABBITMQ_CONFIG_FILE": str(own / "rabbitmq"), "RABBITMQ_ENABLED_PLUGINS_FILE": str(own / "plugins"),
            "RABBITMQ_PID_FILE": str(own / "pid"), "RABBITMQ_CONF_ENV_FILE": str(own / "none.conf"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none",
            "ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(self.epmd),
        }  # fmt: skip

    @property
    def epmd(self) -> int:
        """Of the name server that the node starts: its own, which goes with it."""
        if not hasattr(self, "_epmd"):
            self._epmd = free_ports(1)[0]
        return self._epmd

    def kill(self) -> None:
        super().kill()
        for line in subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout.splitlines():
            pid, _, words = line.strip().partition(" ")
            if "epmd" in words and Path(f"/proc/{pid}/environ").exists() and self._is_ours(int(pid)):
                os.kill(int(pid), signal.SIGKILL)

    def _is_ours(self, pid: int) -> bool:
        try:
            return f"ERL_EPMD_PORT={self.epmd}".encode() in Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False

    def address(self, name: str) -> str:
        return f"amqp://127.0.0.1:{self.port}/{name}"

    async def client(self) -> Any:
        import aio_pika

        return await aio_pika.connect(host="127.0.0.1", port=self.port, timeout=20)

    def answers(self) -> bool:
        async def asked() -> bool:
            async with await self.client() as connection:
                await connection.channel()
            return True

        return bool(within(asked))

    def fill(self, name: str, messages: Sequence[Sent]) -> None:
        import aio_pika

        async def sent() -> None:
            async with await self.client() as connection:
                channel = await connection.channel()
                await channel.declare_queue(name, durable=True)
                for at in range(0, len(messages), 256):
                    await asyncio.gather(*[
                        channel.default_exchange.publish(
                            aio_pika.Message(body, message_id=id or None, delivery_mode=2), routing_key=name
                        )
                        for id, body in messages[at : at + 256]
                    ])  # fmt: skip

        within(sent)

    def all_of(self, name: str) -> list[Come]:
        """Read and given back, so that it can be looked at again."""
        import aio_pika

        async def read() -> list[Come]:
            found: list[Come] = []
            async with await self.client() as connection:
                channel = await connection.channel()
                try:
                    queue = await channel.declare_queue(name, passive=True)
                except aio_pika.exceptions.ChannelClosed:
                    return found
                while (one := await queue.get(no_ack=False, fail=False)) is not None:
                    found.append(Come(one.message_id or "", one.body, {k: str(v) for k, v in one.headers.items()}))
            return found

        got: list[Come] = within(read)
        return got


class KafkaMock(Server):
    """librdkafka's mock of a cluster, which lives in a client of this process and forgets all when that ends."""

    program = "true"
    restarts = False

    def words(self) -> list[str]:
        return ["sleep", "600"]

    def start(self) -> None:
        import confluent_kafka as ck

        self.cluster = ck.Producer({"test.mock.num.brokers": 3, "bootstrap.servers": "ignored", "log_level": 0})
        metadata = eventually(lambda: self.cluster.list_topics(timeout=5), what="the mock")
        self.servers = ",".join(f"{one.host}:{one.port}" for one in metadata.brokers.values())

    def kill(self) -> None:
        if hasattr(self, "cluster"):
            del self.cluster

    def answers(self) -> bool:
        return True

    def address(self, name: str) -> str:
        return f"kafka://{self.servers}/{name}"

    def fill(self, name: str, messages: Sequence[Sent]) -> None:
        for id, body in messages:
            self.cluster.produce(name, body, headers=[("id", id.encode())] if id else None)
            self.cluster.poll(0)
        assert self.cluster.flush(30) == 0

    def all_of(self, name: str) -> list[Come]:
        import confluent_kafka as ck

        reader = ck.Consumer({"bootstrap.servers": self.servers, "group.id": "look", "log_level": 0})
        try:
            topic = reader.list_topics(name, timeout=10).topics[name]
            starts = [ck.TopicPartition(name, at, ck.OFFSET_BEGINNING) for at in topic.partitions]
            count = sum(reader.get_watermark_offsets(one, timeout=10)[1] for one in starts)
            reader.assign(starts)
            found: list[Come] = []
            until = time.monotonic() + 60
            while len(found) < count and time.monotonic() < until:
                for one in reader.consume(500, 0.5):
                    assert one.error() is None, one.error()
                    headers = {k: v.decode() for k, v in one.headers() or ()}
                    found.append(Come(headers.pop("id", ""), one.value(), headers))
            return found
        finally:
            reader.close()


SERVERS: dict[str, type[Server]] = {"redis": Redis, "nats": Nats, "rabbitmq": Rabbit, "kafka": KafkaMock}
