"""A real PostgreSQL of Debian for one test session: an unprivileged user, a unix socket and a free port of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


def program(name: str) -> str:
    """The program of the newest PostgreSQL that is installed, or a skip that says how to get one."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: int(p.parts[-3]))
    where = str(found[-1]) if found else shutil.which(name)
    if where is None:
        pytest.skip("postgresql is not installed: make test-deps")
    return where


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One cluster below `folder`; the superuser is `fairlead`, who needs no password over the socket.

    settings: `name=value` that it is started with besides.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.settings: tuple[str, ...] = ()
        self._user = _unprivileged()
        self._process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        """The cluster's files."""
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self._run(
            program("initdb"), "-D", str(self.folder / "data"), "-U", "fairlead", "--auth-local=trust",
            "--auth-host=scram-sha-256", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8",
        )  # fmt: skip

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = [program("postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder), "-p", str(self.port)]
        words += ["-h", "127.0.0.1", "-c", "fsync=off", "-c", "max_connections=60"]
        words += [word for setting in self.settings for word in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True, **self._as())
        deadline = time.monotonic() + 30.0
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.folder / "log").read_text()[-2000:])
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End it: SIGQUIT at once as after a crash, SIGINT in order. Every connection is dropped."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(how)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._process = None

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as the superuser, outside of any transaction."""
        import pg8000.dbapi

        with pg8000.dbapi.connect(
            "fairlead", host=None, unix_sock=f"{self.folder}/.s.PGSQL.{self.port}", database=database
        ) as raw:
            raw.autocommit = True
            cursor = raw.cursor()
            cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def database(self) -> str:
        """The address of a new, empty database."""
        name = f"d{uuid.uuid4().hex[:10]}"
        self.sql(f"CREATE DATABASE {name}")
        return f"postgresql://fairlead@/{name}?host={self.folder}&port={self.port}"

    def own(self, path: Path) -> None:
        """Give a file to the server's user, for it alone."""
        path.chmod(0o600)
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _answers(self) -> bool:
        words = [program("pg_isready"), "-q", "-h", str(self.folder), "-p", str(self.port)]
        return subprocess.run(words, check=False).returncode == 0

    def _run(self, *words: str) -> None:
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, **self._as())
        assert done.returncode == 0, done.stderr

    def _as(self) -> dict[str, Any]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": [], "cwd": str(self.folder)}


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom the server runs as: PostgreSQL refuses root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


@contextmanager
def running() -> Iterator[Server]:
    """A server that ends with the block, its files too. The folder is short: a socket's path has 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="fl-pg-"))
    try:
        server = Server(folder)
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
