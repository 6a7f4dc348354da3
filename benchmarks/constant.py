"""The comparison of the serving scenarios: granian with an RSGI application that reads the body and answers a constant.

`python benchmarks/constant.py PORT SIZE`: an answer of SIZE bytes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from granian import Granian
from granian.constants import Interfaces, Loops

BODY = b'{"predictions":["' + b"x" * max(int(os.environ.get("CONSTANT_SIZE", "80")) - 20, 1) + b'"]}'
HEADERS = [("content-type", "application/json")]


async def app(scope: Any, protocol: Any) -> None:
    """Read, answer."""
    await protocol()
    protocol.response_bytes(200, HEADERS, BODY)


if __name__ == "__main__":
    os.environ["CONSTANT_SIZE"] = sys.argv[2]
    Granian(
        "constant:app", address="127.0.0.1", port=int(sys.argv[1]),
        interface=Interfaces.RSGI, loop=Loops.uvloop, workers=1, log_enabled=False,
        working_dir=Path(__file__).resolve().parent,
    ).serve()  # fmt: skip
