"""A server in a process of its own with telemetry on, and steady load that knows what was acknowledged."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from asking import ROW

HERE = Path(__file__).parent.parent


class Running:
    """telemetry: arguments of TelemetrySettings, as Python writes them."""

    def __init__(self, home: Path, workers: int = 1, telemetry: str = "", transport: str = "bare") -> None:
        program = (
            "from pathlib import Path; from fairlead.runtime.serve import ServeOptions, serve\n"
            "from fairlead.contract.settings import TelemetrySettings\n"
            f"serve(ServeOptions(home=Path({str(home)!r}), port=0, workers={workers}, load='stand_in:load',"
            f" transport={transport!r}, telemetry=TelemetrySettings({telemetry})), lambda url: print(url, flush=True))"
        )
        self.log = home / "server.log"
        self.process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=self.log.open("ab"), text=True,
            env={**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split(" ")[0].strip()
        assert self.url.startswith("http://"), self.log.read_text()
        self.port = int(self.url.rpartition(":")[2])

    def stop(self) -> None:
        """As a service manager does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextlib.contextmanager
def running(home: Path, workers: int = 1, telemetry: str = "", transport: str = "bare") -> Iterator[Running]:
    """Stopped at the end, whatever happened."""
    made = Running(home, workers, telemetry, transport)
    try:
        yield made
    finally:
        made.stop()


class Asking:
    """Threads that ask one after the other. acknowledged, failed: by code; lost: without any answer."""

    def __init__(self, port: int, connections: int = 4, bad_every: int = 10) -> None:
        self.codes: dict[int, int] = {}
        self.lost = 0
        self._port, self._bad_every = port, bad_every
        self._over, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(connections)]

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def _ask(self) -> None:
        connection: http.client.HTTPConnection | None = None
        asked = 0
        while not self._over.is_set():
            asked += 1
            body = json.dumps(ROW if asked % self._bad_every else {**ROW, "tenure": "x"})
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
                connection.request("POST", "/predict", body, {"content-type": "application/json"})
                code = connection.getresponse()
                code.read()
            except (OSError, http.client.HTTPException):
                with self._lock:
                    self.lost += 1
                connection = None
                self._over.wait(0.01)
                continue
            with self._lock:
                self.codes[code.status] = self.codes.get(code.status, 0) + 1
