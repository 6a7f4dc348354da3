"""The process of one native model: checks its environment, opens the model, answers until its parent is gone.

Started by `process.NativeProcess` as a file, under the interpreter that has the model's libraries; it needs the
standard library, numpy and what the model itself needs, and nothing of ours. Frames both ways, little-endian:
`uint32 length of head, uint64 length of body, head (JSON), body (raw bytes)`. Arguments: the numbers of the socket,
of the artefact's file, and of a pipe that hangs up when the parent ends.
"""

from __future__ import annotations

import fcntl
import importlib
import importlib.util
import json
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Mapping
from typing import Any

HEAD = struct.Struct("<IQ")
MOST = 4 << 30


def beside(name: str) -> Any:
    """A module that lies beside this file, under a name that no model's own module has."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"_fairlead_native_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def end_with_parent(pipe: int) -> None:
    """Let the kernel end this process when the other end of the pipe closes, whatever the model is doing."""
    if hasattr(signal, "SIGIO") and hasattr(fcntl, "F_SETOWN"):
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)


def receive(link: socket.socket) -> tuple[dict[str, Any], memoryview] | None:
    """The next frame, None once the parent has hung up."""
    start = exactly(link, HEAD.size)
    if start is None:
        return None
    head_length, body_length = HEAD.unpack(start)
    head, body = exactly(link, head_length), exactly(link, body_length)
    if head is None or body is None:
        return None
    return json.loads(bytes(head)), body


def exactly(link: socket.socket, count: int) -> memoryview | None:
    if count > MOST:
        return None
    data = memoryview(bytearray(count))
    at = 0
    while at < count:
        got = link.recv_into(data[at:])
        if not got:
            return None
        at += got
    return data


def send(link: socket.socket, head: Mapping[str, Any], body: Any = b"") -> None:
    told = json.dumps(head).encode()
    link.sendall(HEAD.pack(len(told), len(body)) + told)
    if len(body):
        link.sendall(body)


def columns_of(head: Mapping[str, Any], body: memoryview, types: list[dict[str, Any]]) -> dict[str, Any]:
    """The columns form: numbers are in the body, one column after the other, texts in the head."""
    import numpy as np

    rows, texts = int(head["rows"]), iter(head["texts"])
    numbers = np.frombuffer(body, dtype="<f8").reshape(-1, rows)
    found: dict[str, Any] = {}
    at = 0
    for told in types:
        if told["numeric"]:
            found[told["name"]] = numbers[at]
            at += 1
        else:
            cells = np.empty(rows, dtype=object)
            cells[:] = next(texts)
            found[told["name"]] = cells
    return found


def main(link: socket.socket, artefact: int) -> None:
    before = frozenset(sys.modules)
    first = receive(link)
    if first is None:
        return
    form, terms = first[0]["form"], first[0]["terms"]
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if terms["memory_mb"]:
        resource.setrlimit(resource.RLIMIT_AS, (terms["memory_mb"] << 20,) * 2)
    opening = beside("opening")
    if wrong := opening.unfit(form.get("python", ""), first[0]["locked"]):
        send(link, {"unfit": wrong})
        return
    try:
        size = os.fstat(artefact).st_size
        held = os.pread(artefact, size, 0)
        while len(held) < size:
            held += os.pread(artefact, size - len(held), len(held))
        scores = opening.asker(opening.opened(form, held), form)
        del held
        frames = beside("frames")
        # Now, and not within the deadline of the first answer.
        importlib.import_module("pandas")
    except BaseException as failed:
        send(link, {"failed": type(failed).__name__})
        raise
    send(link, {"ready": True})
    types = form["columns"]
    while (asked := receive(link)) is not None:
        head, body = asked
        if head.get("libraries"):
            send(link, {"libraries": opening.libraries(before), "python": sys.version.split()[0]})
            continue
        try:
            answer = scores(frames.frame_of(columns_of(head, body, types), types))
        except Exception as failed:
            # The kind alone: a message may hold a cell.
            send(link, {"failed": type(failed).__name__})
        else:
            send(link, {"shape": list(answer.shape)}, answer.astype("<f8").tobytes())


if __name__ == "__main__":
    # What a model prints goes where its warnings go; nothing of it is an answer.
    os.dup2(2, 1)
    end_with_parent(int(sys.argv[3]))
    main(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
