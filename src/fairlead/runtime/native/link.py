"""One running process of a native model: started, spoken to with deadlines, ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

HEAD = struct.Struct("<IQ")
PROGRAM = Path(__file__).with_name("__main__.py")
MOST_HEAD, MOST_BODY = 16 << 20, 4 << 30
KEPT = frozenset(
    {"PATH", "HOME", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "CUDA_VISIBLE_DEVICES"}
)
UNTOLD = {"ORT_DISABLE_TELEMETRY": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
"""What keeps libraries from telling their makers of a process; what the person's environment says comes first."""


class Gone(Exception):
    """The process ended, or said what no process of ours says. The text says how, without a cell or a path."""


class Late(Exception):
    """No whole answer came by the deadline."""


class Child:
    """A process and the socket to it. Used by one thread at a time, and only in the process that started it."""

    def __init__(self, python: str, artefact: int, scratch: str) -> None:
        self._owner = os.getpid()
        ours, theirs = socket.socketpair()
        hangs_up, self._held = os.pipe()
        passed = (theirs.fileno(), artefact, hangs_up)
        try:
            # Fixed words and no shell; the interpreter is the operator's choice. -P: nothing is imported from the
            # program's folder or from where the server was started.
            self._process = subprocess.Popen(  # noqa: S603
                [python or sys.executable, "-P", str(PROGRAM), *map(str, passed)],
                pass_fds=passed, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=scratch,
                env=environment(scratch), start_new_session=True,
            )  # fmt: skip
        except BaseException:
            ours.close()
            os.close(self._held)
            raise
        finally:
            theirs.close()
            os.close(hangs_up)
        self._socket = ours

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def ask(self, head: Mapping[str, Any], body: bytes, within_s: float) -> tuple[dict[str, Any], bytearray]:
        """One frame there and one back. Raises Gone, Late."""
        by = monotonic() + within_s
        told = msgspec.json.encode(head)
        try:
            self._socket.settimeout(within_s)
            self._socket.sendall(HEAD.pack(len(told), len(body)) + told + body)
            length, size = HEAD.unpack(self._exactly(HEAD.size, by))
            if length > MOST_HEAD or size > MOST_BODY:
                raise Gone("said what no answer is")
            found = msgspec.json.decode(self._exactly(length, by), type=dict[str, Any])
            return found, self._exactly(size, by)
        except TimeoutError:
            raise Late from None
        except OSError:
            raise Gone(self._how_it_ended()) from None
        except msgspec.MsgspecError:
            raise Gone("said what no answer is") from None

    def _exactly(self, count: int, by: float) -> bytearray:
        data = bytearray(count)
        view = memoryview(data)
        at = 0
        while at < count:
            self._socket.settimeout(max(by - monotonic(), 0.001))
            got = self._socket.recv_into(view[at:])
            if not got:
                raise Gone(self._how_it_ended())
            at += got
        return data

    def _how_it_ended(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(timeout=1.0)
            if code < 0:
                return f"was ended by {signal.Signals(-code).name}"
            return f"ended with code {code}"
        return "hung up"

    def end(self) -> None:
        """Kill it and wait until it is gone."""
        if os.getpid() != self._owner:
            # A fork has copies of what leads there; the process belongs to the one that started it.
            self._let_go()
            return
        self._process.kill()
        self._process.wait()
        self._let_go()

    def _let_go(self) -> None:
        self._socket.close()
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


def environment(scratch: str) -> dict[str, str]:
    """What a native model sees of our environment: no secret, no setting of ours."""
    kept = {k: v for k, v in os.environ.items() if k in KEPT or k.startswith("LC_") or k.endswith("_NUM_THREADS")}
    return kept | untold() | {"TMPDIR": scratch, "PYTHONDONTWRITEBYTECODE": "1"}


def untold() -> dict[str, str]:
    """The part of a child's environment that its libraries' uploaders obey: off unless ours says otherwise."""
    return {name: os.environ.get(name, off) for name, off in UNTOLD.items()}
