"""An image run as a container would be, where no container runtime may: its own configuration, namespaces, chroot.

Mount and network namespaces of its own, the image's root mounted read-only, one volume, no privileges, the user of the
image's configuration. What is started is the image's entry point with the words that a platform adds.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PROGRAMS = ("buildah", "unshare", "nsenter", "setpriv", "chroot", "ip", "mount")

INSIDE = """
root=$1; volume=$2; at=$3; user=$4; shift 4
ip link set lo up
mount --bind "$root" "$root"
mount --bind "$volume" "$root$at"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o nosuid,noexec,size=1m tmpfs "$root/dev"
for one in null zero urandom; do : > "$root/dev/$one"; mount --bind "/dev/$one" "$root/dev/$one"; done
mkdir "$root/dev/shm"; mount -t tmpfs -o nosuid,nodev,noexec,size=64m tmpfs "$root/dev/shm"
mount -o remount,bind,ro "$root"
cd /
exec env -i "PATH=$PATH" setpriv --no-new-privs \
  chroot --userspec="$user" --groups= "$root" "$@"
"""

ASK = """
import http.client, json, sys
port, method, path, body, headers = json.loads(sys.argv[1])
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
if body[:1] == "@":  # what is too large for a command line: so many bytes, or a file
    body = "x" * int(body[1:]) if body[1:].isdigit() else open(body[1:]).read()
connection.request(method, path, body=body.encode() or None, headers=headers)
answer = connection.getresponse()
print(json.dumps([answer.status, answer.read().decode(), dict(answer.getheaders())]))
"""


def require_programs() -> None:
    """Skip with the name of what is missing."""
    for name in PROGRAMS:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed: make test-deps")
    if os.geteuid() != 0:
        pytest.skip("namespaces and read-only mounts are made as root alone")


class Buildah:
    """buildah with a store of its own, on the file system alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.words = ["buildah", "--root", str(folder / "store"), "--runroot", str(folder / "run"),
                      "--storage-driver", "vfs"]  # fmt: skip

    def __call__(self, *words: str, within_s: float = 300.0) -> str:
        """What one command says; fails with its errors."""
        done = subprocess.run([*self.words, *words], capture_output=True, text=True, timeout=within_s, check=False,
                              env={**os.environ, "BUILDAH_ISOLATION": "chroot"})  # fmt: skip
        assert done.returncode == 0, f"buildah {' '.join(words)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout.strip()

    def base(self, root: Path, name: str) -> None:
        """A base image of a root file system."""
        container = self("from", "scratch")
        self("copy", "-q", container, str(root), "/")
        self("config", "--env", "PATH=/usr/local/bin:/usr/bin", container)
        self("commit", "-q", "--timestamp", "0", container, name)
        self("rm", container)

    def build(self, context: Path, name: str, base: str, *words: str) -> str:
        """Build as the Dockerfile of a context says; the digest of the image's manifest."""
        self("bud", "-q", "--isolation", "chroot", "--timestamp", "0", "--pull-never", "--build-arg", f"BASE={base}",
             *words, "-t", name, str(context))  # fmt: skip
        return str(self.inspect(name)["FromImageDigest"])

    def inspect(self, name: str) -> dict[str, Any]:
        """What an image says of itself."""
        found: dict[str, Any] = json.loads(self("inspect", "--type", "image", name))
        return found

    def size(self, name: str) -> int:
        """Bytes of the image, all layers together, unpacked."""
        listed = json.loads(self("images", "--json", name))
        number, unit = listed[0]["size"].split()
        return int(float(number) * {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[unit.upper()])

    def mounted(self, name: str) -> Path:
        """The image's root file system."""
        return Path(self("mount", self("from", "--pull-never", name)))


class Answer(NamedTuple):
    """What a server answered."""

    code: int
    body: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Container:
    """A running one."""

    def __init__(self, process: subprocess.Popen[bytes], root: Path, environ: Mapping[str, str], log: Path) -> None:
        self.process, self.root, self.environ, self.log = process, root, environ, log

    def ask(self, port: int, path: str, body: str = "", **headers: str) -> Answer | None:
        """Ask from inside its network, None for nobody there. body: `@COUNT` for so many bytes, `@PATH` of a file."""
        told = {name.replace("_", "-"): value for name, value in headers.items()}
        asked = json.dumps([port, "POST" if body else "GET", path, body, told])
        done = self._inside("-n", sys.executable, "-c", ASK, asked)
        return Answer(*json.loads(done.stdout)) if done.returncode == 0 else None

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command inside it, as `docker exec` and HEALTHCHECK do."""
        return self._inside("-n", "-m", "chroot", "--userspec=65532:65532", "--groups=", str(self.root), *words)

    def _inside(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["nsenter", "-t", str(self.process.pid), *words], capture_output=True, text=True,
                              timeout=30, check=False)  # fmt: skip

    def said(self) -> str:
        """Its output so far."""
        return self.log.read_text()


@contextlib.contextmanager
def started(
    root: Path, config: Mapping[str, Any], volume: Path, words: Sequence[str] = (), **environ: str
) -> Iterator[Container]:
    """The image's entry point with `words` after it, and these variables beside the image's own."""
    user = config["User"]
    volume.mkdir(parents=True, exist_ok=True)
    os.chown(volume, int(user.split(":")[0]), 0)
    volume.chmod(0o770)
    kept = dict(one.split("=", 1) for one in config.get("Env", ()))
    variables = [f"{name}={value}" for name, value in {**kept, **environ}.items()]
    at = next(iter(config["Volumes"]))
    command = ["unshare", "--mount", "--net", "--uts", "--propagation", "private", "sh", "-ec", INSIDE, "sh",
               str(root), str(volume), at, user,
               "/opt/fairlead/bin/python", "-c", ENTER, config["WorkingDir"], *variables, "--",
               *config["Entrypoint"], *words]  # fmt: skip
    log = volume.parent / f"{volume.name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        yield Container(process, root, environ, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait(5)


ENTER = """
import os, sys
where, *rest = sys.argv[1:]
cut = rest.index("--")
os.chdir(where)
words = rest[cut + 1 :]
os.execve(words[0], words, dict(one.split("=", 1) for one in rest[:cut]))
"""
"""Inside the chroot: the image's folder and variables, then its entry point in place of this process."""
