"""`python -m fairlead.runtime.serve`: the data plane alone, for containers that have nothing else.

As the entry point of an image (`ENTRYPOINT ["python", "-m", "fairlead.runtime.serve"]`) it is started as
`docker run IMAGE serve` or without a word, and finds out from the environment which platform it runs on. An image that
holds a bundle says `--image BUNDLE --home FOLDER` there (`fairlead export docker`).
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from msgspec.structs import replace

from fairlead.contract.errors import FairleadError, Refused, RemoteError
from fairlead.contract.routes import Route
from fairlead.contract.settings import AccessSettings
from fairlead.runtime.native.form import terms_of
from fairlead.runtime.serve.access.starting import VARIABLE
from fairlead.runtime.serve.image import is_well, writable
from fairlead.runtime.serve.platforms import applied, detected, platform
from fairlead.runtime.serve.server import ServeOptions, serve
from fairlead.runtime.serve.terms import Terms, read_terms


def main() -> int:
    """Exit codes as those of the CLI: 0 stopped, 1 no worker could start, 2 usage, 3 refused."""
    parser = argparse.ArgumentParser(prog="fairlead.runtime.serve", description="Serve a home or one bundle.")
    parser.add_argument("word", nargs="?", choices=("serve",), help="what platforms say when they start an image")
    parser.add_argument("--platform", help="sagemaker, vertex, azureml or kserve; not given: as the environment shows")
    parser.add_argument("--home", type=Path, help="serve what is deployed here")
    parser.add_argument("--bundle", type=Path, help="serve this bundle alone")
    parser.add_argument(
        "--image", type=Path, metavar="BUNDLE", help="in an image that holds this bundle: as a container"
    )
    parser.add_argument("--terms", type=Path, help="what the project says of the bundle (`fairlead export docker`)")
    parser.add_argument("--healthy", action="store_true", help="only ask the server of --home: exit 0 if it is ready")
    parser.add_argument("--host", help="default: as the platform wants it, else 127.0.0.1")
    parser.add_argument("--port", type=int, help="0 takes a free one; default: as the platform wants it, else 8080")
    parser.add_argument("--workers", type=int, help="default: as the platform wants it, else 1")
    parser.add_argument("--grpc-port", type=int, help="port of gRPC; not given: no gRPC; 0 takes a free one")
    parser.add_argument("--trust", action="append", default=[], help="hex public key to trust; may be repeated")
    parser.add_argument("--routes", default="", help="obey the routes of the control plane at this URL")
    parser.add_argument("--routes-key", action="append", default=[], help="its hex public key; may be repeated")
    parser.add_argument("--require-key", action="store_true", help="answer callers with a key alone, on any platform")
    parser.add_argument("--insecure", action="store_true", help="plain HTTP, although others reach the address")
    parser.add_argument("--trust-native", action="store_true", help="let native models run their code")
    given = parser.parse_args()
    if given.healthy:
        return 0 if given.home is not None and is_well(given.home) else 1
    alone = given.bundle is None and (given.home is None or given.image is not None)
    try:
        options = options_of(given)
        name = given.platform or detected(os.environ)
        if not name and given.word and alone:
            name = "sagemaker"  # which starts images so, and need not set any variable
        if given.image is not None:
            writable(given.home or Path.cwd())
            name = name or "container"
        if name:
            found = platform(name, os.environ)
            options = applied(options, found, host=given.host, port=given.port, workers=given.workers)
        serve(options, _said, _warned)
    except FairleadError as error:
        sys.stderr.write(f"{error}\n")
        return 3 if isinstance(error, Refused) else 1 if isinstance(error, RemoteError) else 2
    return 0


def options_of(given: argparse.Namespace) -> ServeOptions:
    """What the words mean, before a platform is asked. Raises what `read_terms` raises."""
    terms = read_terms(given.terms) if given.terms else Terms(Route(model="", variants=()))
    return ServeOptions(
        home=given.home,
        bundle=given.bundle or (None if given.routes else given.image),
        host=given.host or "127.0.0.1",
        port=8080 if given.port is None else given.port,
        workers=given.workers or terms.server.workers,
        trusted=tuple(given.trust),
        limits=terms.limits,
        server=replace(
            terms.server,
            grpc_port=given.grpc_port,
            insecure=given.insecure,
            routes=given.routes,
            routes_keys=tuple(given.routes_key),
        ),
        access=replace(terms.access, required=required(given.require_key, terms.access)),
        capture=terms.capture,
        telemetry=terms.telemetry,
        native=terms_of(terms.server) if given.trust_native else None,
        route=terms.route,
    )


def required(asked: bool, access: AccessSettings) -> bool | None:
    """Whether callers need a key: where this start, the environment's key or the project says so."""
    return True if asked or os.environ.get(VARIABLE) else access.required


def _said(url: str) -> None:
    sys.stdout.write(f"ready: {url}\n")
    sys.stdout.flush()


def _warned(text: str) -> None:
    sys.stderr.write(f"warning: {text}\n")


if __name__ == "__main__":
    sys.exit(main())
