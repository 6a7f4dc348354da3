"""Servers that speak the protocols of object stores, on free ports, and a proxy before them that counts and cuts."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import ROOT, eventually

AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


class Proxy:
    """Passes bytes on to a server, counts what is sent there, and cuts the answers that it is told to cut."""

    def __init__(self, port: int) -> None:
        self.sent, self._server, self._cut = 0, port, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_once_after(self, count: int) -> None:
        """Break the connection off after so many bytes of one answer; only once."""
        self._cut = count

    @property
    def has_cut(self) -> bool:
        """Whether that has happened."""
        return self._cut == 0

    def close(self) -> None:
        """Take no more connections, and break those off that are open."""
        self._listener.close()
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                self._open |= {client, server}
                threading.Thread(target=self._up, args=(client, server), daemon=True).start()
                threading.Thread(target=self._down, args=(server, client), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 16):
                self.sent += len(data)
                server.sendall(data)
        self._end(client, server)

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                passed += len(data)
                if self._cut and passed >= self._cut:
                    self._cut = 0
                    break
                client.sendall(data)
        self._end(client, server)

    def _end(self, *both: socket.socket) -> None:
        for one in both:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
            self._open.discard(one)


@contextlib.contextmanager
def moto() -> Iterator[tuple[int, dict[str, str]]]:
    """S3 by moto's server: its port, and the environment for it but for the endpoint."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        yield server.get_host_and_port()[1], {
            "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "hidden-word", "AWS_DEFAULT_REGION": "us-east-1",
        }  # fmt: skip
    finally:
        server.stop()


@contextlib.contextmanager
def azurite(folder: Path) -> Iterator[int]:
    """Azure Blob Storage by Azurite, on a free port."""
    program = next((str(one) for one in (ROOT / ".venv/npm/node_modules/.bin/azurite-blob",
                                         Path("/tmp/azurite/node_modules/.bin/azurite-blob")) if one.exists()),
                   shutil.which("azurite-blob"))  # fmt: skip
    if program is None:
        pytest.skip("azurite is not installed: make test-deps")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--location", str(folder), "--silent",
                 "--skipApiVersionCheck", "--disableTelemetry"]  # fmt: skip
    with running([program, *arguments], port, folder / "azurite.out"):
        yield port


@contextlib.contextmanager
def google(folder: Path) -> Iterator[int]:
    """Google Cloud Storage by gcp-storage-emulator, in memory, on a free port."""
    pytest.importorskip("gcp_storage_emulator")
    import sys

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [sys.executable, "-m", "gcp_storage_emulator", "start", "--host", "127.0.0.1", "--port", str(port)]
    with running([*program, "--in-memory"], port, folder / "gcs.out"):
        yield port


@contextlib.contextmanager
def running(command: list[str], port: int, log: Path) -> Iterator[None]:
    """A program that listens on a port, until the block ends."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=log.parent, env={**os.environ})

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    try:
        eventually(answers, within_s=30, what=f"{command[0]} on its port")
        yield
    finally:
        process.kill()
        process.wait(timeout=30)


def wiped(port: int) -> None:
    """Whatever a test left in a moto server."""
    urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/moto-api/reset", method="POST"), timeout=10)
