"""`python -m fairlead.runtime.serve`: the data plane alone, for containers that have nothing else."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fairlead.contract.errors import FairleadError, Refused
from fairlead.contract.settings import ServeSettings
from fairlead.runtime.serve.server import ServeOptions, serve


def main() -> int:
    """Exit codes as those of the CLI: 0 stopped, 2 usage, 3 refused."""
    parser = argparse.ArgumentParser(prog="fairlead.runtime.serve", description="Serve a home or one bundle.")
    parser.add_argument("--home", type=Path, help="serve what is deployed here")
    parser.add_argument("--bundle", type=Path, help="serve this bundle alone")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--grpc-port", type=int, help="port of gRPC; not given: no gRPC; 0 takes a free one")
    parser.add_argument("--trust", action="append", default=[], help="hex public key to trust; may be repeated")
    parser.add_argument("--insecure", action="store_true", help="plain HTTP, although others reach the address")
    given = parser.parse_args()
    options = ServeOptions(
        home=given.home,
        bundle=given.bundle,
        host=given.host,
        port=given.port,
        workers=given.workers,
        trusted=tuple(given.trust),
        server=ServeSettings(grpc_port=given.grpc_port, insecure=given.insecure),
    )
    try:
        serve(options, _said, _warned)
    except FairleadError as error:
        sys.stderr.write(f"{error}\n")
        return 3 if isinstance(error, Refused) else 2
    return 0


def _said(url: str) -> None:
    sys.stdout.write(f"ready: {url}\n")
    sys.stdout.flush()


def _warned(text: str) -> None:
    sys.stderr.write(f"warning: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
