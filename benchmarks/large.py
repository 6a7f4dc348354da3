"""A client of large requests, in a process of its own: one connection, the next as soon as the last is answered.

`python benchmarks/large.py PORT BODYFILE TYPE PATH` says "begun" once its first is answered, and when its input has a
line it ends and prints how many were answered and how long one took, as one JSON object. It stands for a client
elsewhere, whose computing costs the server nothing: so it is nice, and sends and reads no more than 64 KiB a call, as a
network card does not deliver 30 MB in one piece either. It waits for nothing else: all that comes is sent at once.
"""

from __future__ import annotations

import json
import os
import select
import socket
import statistics
import sys
import time
from pathlib import Path

PIECE = 65536


def ask(connection: socket.socket, head: bytes, body: bytes, into: bytearray) -> int:
    """Send one, read its answer and drop it. Returns the code."""
    connection.sendall(head)
    with memoryview(body) as view:
        for at in range(0, len(view), PIECE):
            connection.sendall(view[at : at + PIECE])
    said = b""
    while b"\r\n\r\n" not in said:
        piece = connection.recv(PIECE)
        if not piece:
            raise SystemExit("the server went away")
        said += piece
    lines, _, rest = said.partition(b"\r\n\r\n")
    left = int(lines.lower().split(b"content-length:")[1].split(b"\r\n")[0]) - len(rest)
    while left > 0:
        got = connection.recv_into(into, min(left, PIECE))
        if not got:
            raise SystemExit("the server went away")
        left -= got
    return int(lines[9:12])


def main() -> None:
    port, file, kind, path = sys.argv[1:]
    body, into = Path(file).read_bytes(), bytearray(PIECE)
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    os.nice(19)
    codes: list[int] = []
    taken: list[float] = []
    with socket.create_connection(("127.0.0.1", int(port)), timeout=60) as connection:
        while not codes or not select.select([sys.stdin], [], [], 0)[0]:
            began = time.perf_counter()
            codes.append(ask(connection, head, body, into))
            taken.append(time.perf_counter() - began)
            if len(codes) == 1:
                print("begun", flush=True)
    answered = codes.count(200)
    print(json.dumps({"answered": answered, "refused": len(codes) - answered, "seconds": statistics.median(taken)}))


if __name__ == "__main__":
    main()
