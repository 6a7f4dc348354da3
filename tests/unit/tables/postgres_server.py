"""A PostgreSQL server of the test's own, from the Debian package, in a folder that goes with it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PASSWORD = "p@ss/w:rd%7"  # what a URL must survive


class Server(NamedTuple):
    """A running server: where it listens and who may log in."""

    port: int
    user: str = "fairlead"
    password: str = PASSWORD

    def connect(self):  # type: ignore[no-untyped-def]
        """A connection of the driver's own, for filling tables."""
        import pg8000.dbapi

        return pg8000.dbapi.connect(
            user=self.user, password=self.password, host="127.0.0.1", port=self.port, database="postgres"
        )


def _programs() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("the Debian package postgresql is not here: this test needs it")
    return found[-1].parent


def _someone() -> list[str]:
    """PostgreSQL refuses to run as root: then it runs as `postgres` or `nobody`."""
    if os.getuid() != 0:
        return []
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            pwd.getpwnam(name)
            if shutil.which("runuser"):
                return ["runuser", "-u", name, "--"]
    pytest.skip("runuser and a user postgres or nobody are not here: PostgreSQL does not run as root")


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """A server on a free port, with a password; stopped at the end."""
    programs, someone = _programs(), _someone()
    with tempfile.TemporaryDirectory(prefix="fairlead-pg-", dir="/tmp") as name:
        folder = Path(name)
        secret = folder / "password"
        secret.write_text(PASSWORD)
        if someone:
            owner = pwd.getpwnam(someone[2])
            for path in (folder, secret):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        port = _free_port()
        data = folder / "data"
        _run(*someone, str(programs / "initdb"), "-D", str(data), "-U", "fairlead", f"--pwfile={secret}",
             "--auth=scram-sha-256", "-E", "UTF8", "--no-sync", cwd=folder)  # fmt: skip
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        control = [*someone, str(programs / "pg_ctl"), "-D", str(data)]
        _run(*control, "-w", "-t", "60", "-l", str(folder / "log"), "-o", options, "start", cwd=folder)
        try:
            yield Server(port)
        finally:
            _run(*control, "-m", "immediate", "-w", "stop", cwd=folder)


def _run(*command: str, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
