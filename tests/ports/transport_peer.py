"""A server process of `transport_app`, and a client that sends bytes as it is told to and reads answers one by one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
GET = b"GET %s HTTP/1.1\r\nhost: x\r\n\r\n"
Closed = (ConnectionError, ssl.SSLError)


def get(path: str, *headers: str) -> bytes:
    """A request without body."""
    lines = "".join(f"{line}\r\n" for line in headers)
    return f"GET {path} HTTP/1.1\r\nhost: x\r\n{lines}\r\n".encode()


def post(body: bytes, path: str = "/echo", *headers: str) -> bytes:
    """A request with a body that says its length."""
    lines = "".join(f"{line}\r\n" for line in headers)
    return f"POST {path} HTTP/1.1\r\nhost: x\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body


class Server:
    """A transport in a process of its own."""

    def __init__(
        self,
        transport: str,
        workers: int = 1,
        limits: Mapping[str, Any] | None = None,
        server: Mapping[str, Any] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        grace_s: float = 15.0,
    ) -> None:
        spec = {
            "transport": transport, "workers": workers, "limits": dict(limits or {}), "server": dict(server or {}),
            "host": host, "port": port, "grace_s": grace_s,
        }  # fmt: skip
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "transport_app.py"), json.dumps(spec)],
            stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline().strip()
        self.port = int(self.said) if self.said.isdigit() else 0

    @property
    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode()

    def workers(self) -> list[int]:
        """Pids of the live workers."""
        pid = self.process.pid
        with contextlib.suppress(OSError):
            return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []

    def memory_kb(self) -> int:
        """Resident memory of all workers that is theirs."""
        total = 0
        for pid in self.workers():
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
                total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_"))
        return total

    def ended(self, within_s: float = 60.0) -> int:
        """The exit code, once it ends by itself."""
        code = self.process.wait(within_s)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def stop(self, number: int = signal.SIGTERM, within_s: float = 60.0) -> int:
        """The exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.ended(within_s)


@contextlib.contextmanager
def serving(transport: str, **how: Any) -> Iterator[Server]:
    """Stopped at the end, whatever happened."""
    made = Server(transport, **how)
    try:
        assert made.port, made.said + made.log
        yield made
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            made.stop()
        if made.process.poll() is None:
            made.process.kill()
            made.process.wait(60)


class Answer:
    """One response. close: the server said that it ends the connection."""

    def __init__(self, code: int, headers: dict[str, str], body: bytes) -> None:
        self.code, self.headers, self.body = code, headers, body
        self.close = headers.get("connection", "").lower() == "close"

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Peer:
    """One connection, blocking, with a deadline."""

    def __init__(
        self, port: int, within_s: float = 10.0, tls: ssl.SSLContext | None = None, receive: int | None = None
    ) -> None:
        self.socket = socket.socket()
        if receive is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.socket.settimeout(within_s)
        self.socket.connect(("127.0.0.1", port))
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self._buffer = b""

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, data: bytes, head: bool = False) -> Answer:
        """Send and read one answer."""
        self.send(data)
        return self.answer(head)

    def _more(self) -> None:
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError(f"closed after {self._buffer[:200]!r}")
        self._buffer += piece

    def answer(self, head: bool = False) -> Answer:
        """The next answer; `100 Continue` is one, too. Raises ConnectionError when there is none."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        raw, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        code = int(first.split(" ")[1])
        length = 0 if head or code in (100, 204) else int(headers["content-length"])
        while len(self._buffer) < length:
            self._more()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Answer(code, headers, body)

    def answers(self) -> list[Answer]:
        """All that come until the server ends the connection."""
        found: list[Answer] = []
        with contextlib.suppress(*Closed):
            while True:
                found.append(self.answer())
        return found

    def ended(self) -> bool:
        """Whether the server ends the connection within the deadline without another byte."""
        try:
            return self._buffer == b"" and self.socket.recv(1) == b""
        except Closed:
            return True
        except TimeoutError:
            return False

    def stop_sending(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """End the connection at once and rudely."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def cpu_s(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
