"""Two replicas in network namespaces with host names of their own, and a real proxy in a third."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import environment, eventually

HERE = "10.237.0"
"""A /30 each: .4 proxy and replica 0, .8 proxy and replica 1, .12 proxy and us, .16 and .20 we and the replicas."""
PROXY, CONTROL = f"{HERE}.13", (f"{HERE}.17", f"{HERE}.21")
REPLICAS = (f"{HERE}.6", f"{HERE}.10")
REACHED = (f"{HERE}.18", f"{HERE}.22")
"""Where we reach the replicas without the proxy."""


def ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed: make test-deps")
    return found


@contextlib.contextmanager
def networks() -> Iterator[tuple[str, str, str]]:
    """Names of the three namespaces: proxy, replica 0, replica 1. Skips where this machine does not let us."""
    program("ip")
    names = tuple(f"fl{os.getpid()}{part}" for part in ("p", "a", "b"))
    made = subprocess.run(["ip", "netns", "add", names[0]], capture_output=True, text=True, timeout=20, check=False)
    if made.returncode:
        pytest.skip(f"no right to make network namespaces here: {made.stderr.strip()}")
    try:
        for name in names[1:]:
            ip("netns", "add", name)
        proxy, a, b = names
        joined(proxy, f"{HERE}.5", a, REPLICAS[0], "a")
        joined(proxy, f"{HERE}.9", b, REPLICAS[1], "b")
        joined("", f"{HERE}.14", proxy, PROXY, "p")
        joined("", CONTROL[0], a, f"{HERE}.18", "c")
        joined("", CONTROL[1], b, f"{HERE}.22", "d")
        for name in names:
            ip("-n", name, "link", "set", "lo", "up")
        yield proxy, a, b
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=20, check=False)


def joined(one: str, here: str, other: str, there: str, tag: str) -> None:
    """A cable between two namespaces; "" is ours."""
    ends = (f"f{tag}{os.getpid()}x"[:15], f"f{tag}{os.getpid()}y"[:15])
    ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
    for name, end, address in ((one, ends[0], here), (other, ends[1], there)):
        within = ["-n", name] if name else []
        if name:
            ip("link", "set", end, "netns", name)
        ip(*within, "address", "add", f"{address}/30", "dev", end)
        ip(*within, "link", "set", end, "up")


class Hop:
    """Passes bytes on between a proxy and a server. `lose`: of the next prediction it passes the question and not the
    answer; it calls what it was given instead and closes."""

    def __init__(self, to: tuple[str, int]) -> None:
        self._to = to
        self._lose: Callable[[], None] | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self, then: Callable[[], None]) -> None:
        """Only once."""
        self._lose = then

    @property
    def lost(self) -> bool:
        """Whether that has happened."""
        return self._lose is None

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection(self._to, 2) as server:
            asked = b""
            while True:
                for ready in select.select([client, server], [], [], 30)[0]:
                    data = ready.recv(1 << 16)
                    if not data:
                        return
                    if ready is client:
                        asked = data
                        server.sendall(data)
                    elif self._lose is not None and asked.startswith(b"POST /predict"):
                        then, self._lose = self._lose, None
                        then()
                        return
                    else:
                        client.sendall(data)


class Replica:
    """A data plane in a namespace, with the host name that a StatefulSet would give it."""

    def __init__(self, namespace: str, number: int, home: Path, routes: str, key: str, token: str) -> None:
        self.name, self.home, self.address = f"churn-{number}", home, REPLICAS[number]
        self._command = [
            "ip", "netns", "exec", namespace, "unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', self.name,
            sys.executable, "-m", "fairlead.runtime.serve", "--home", str(home), "--host", "0.0.0.0", "--port", "8080",
            "--routes", routes, "--routes-key", key, "--insecure", "--platform", "container",
        ]  # fmt: skip
        self._environ = {**environment(), "FAIRLEAD_ROUTES_TOKEN": token}
        self.process: subprocess.Popen[str] | None = None
        self.log = home.parent / f"{home.name}.log"

    def start(self) -> None:
        """Until it answers."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=log, text=True, env=self._environ,
                start_new_session=True,
            )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ready: "), self.log.read_text()

    def kill(self) -> None:
        """As a machine that goes: every process of it at once, no word to anybody."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def freeze(self) -> None:
        """It takes requests and answers none, so that some are in its hands when it is killed."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGSTOP)

    def stop(self) -> int:
        """As Kubernetes ends a pod; the exit code."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    @property
    def lives(self) -> bool:
        return self.process is not None and self.process.poll() is None


HAPROXY = """\
global
  stats socket {folder}/haproxy.sock mode 600 level user
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 10s
  timeout queue 5s
  # A prediction may be asked again: the answer is the same, and its id tells records of it apart from others.
  retries 3
  option redispatch 1
  retry-on all-retryable-errors
  option http-buffer-request
frontend callers
  bind {proxy}
  default_backend replicas
backend replicas
  balance roundrobin
  option httpchk GET /v2/health/ready
  default-server inter 200ms fall 1 rise 2 on-marked-down shutdown-sessions
  server churn-0 {one} check
  server churn-1 {two} check
"""
NGINX = """\
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
daemon off;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream replicas {{
    server {one} max_fails=1 fail_timeout=1s;
    server {two} max_fails=1 fail_timeout=1s;
    keepalive 16;
  }}
  server {{
    listen {proxy};
    location / {{
      proxy_pass http://replicas;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header x-request-id $http_x_request_id;
      proxy_connect_timeout 1s;
      # A prediction may be asked again: the answer is the same, and its id tells records of it apart from others.
      proxy_next_upstream error timeout http_502 http_503 http_504 non_idempotent;
      proxy_next_upstream_tries 3;
    }}
  }}
}}
"""


@contextlib.contextmanager
def proxied(kind: str, namespace: str, folder: Path) -> Iterator[str]:
    """A running proxy before both replicas; its URL."""
    folder.mkdir()
    one, two = (f"{address}:8080" for address in REPLICAS)
    with passing(kind, folder, (PROXY, 8000), one, two, ("ip", "netns", "exec", namespace)):
        yield f"http://{PROXY}:8000"


@contextlib.contextmanager
def passing(
    kind: str, folder: Path, at: tuple[str, int], one: str, two: str, within: tuple[str, ...] = ()
) -> Iterator[None]:
    """A proxy that listens, before two addresses. within: words before its command."""
    text = HAPROXY if kind == "haproxy" else NGINX
    (folder / "proxy.conf").write_text(text.format(folder=folder, proxy=f"{at[0]}:{at[1]}", one=one, two=two))
    words = ["-db", "-f"] if kind == "haproxy" else ["-c"]
    command = [*within, program(kind), *words, str(folder / "proxy.conf")]
    with (folder / "proxy.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        eventually(lambda: _accepts(*at), what=f"{kind} listening: {(folder / 'proxy.log').read_text()}")
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _accepts(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), 1):
        return True
    return False
