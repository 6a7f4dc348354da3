"""A server with gRPC in a process of its own, and calls of it with nothing but grpcio."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import asking
import grpc

from fairlead.runtime.wire.proto import messages
from fairlead.runtime.wire.tensors import raw_of

OPEN, HEALTH = messages("open_inference"), messages("health")
TYPED = {"INT64": "int64_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents", "BOOL": "bool_contents"}
KINDS = {"tenure": "INT64", "charges": "FP64", "contract": "BYTES", "paperless": "BOOL"}


class GrpcServer:
    """`serve` over a home of stand-ins. url: of HTTP; target: of gRPC. server: of `ServeSettings`, and `required`."""

    def __init__(self, home: Path, workers: int, **server: Any) -> None:
        transport = server.pop("transport", "bare")
        required = server.pop("required", None)
        program = (
            "from pathlib import Path; from fairlead.contract.settings import *\n"
            "from fairlead.runtime.serve import ServeOptions, serve\n"
            f"serve(ServeOptions(home=Path({str(home)!r}), port=0, workers={workers}, load='stand_in:load',"
            f" transport={transport!r}, access=AccessSettings(required={required!r}),"
            f" server=ServeSettings(**{ {'grpc_port': 0, **server}!r})),"
            " lambda url: print(url, flush=True))"
        )
        environ = {**os.environ, "PYTHONPATH": str(asking.HERE), "OMP_NUM_THREADS": "1"}
        self.log = home / "server.log"
        self.process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=self.log.open("ab"), env=environ, text=True
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline().split()
        assert len(said) == 2, self.log.read_text()
        self.url, self.address = said
        self.target = self.address.partition("://")[2]


@contextlib.contextmanager
def grpc_server(home: Path, workers: int = 1, **server: Any) -> Iterator[GrpcServer]:
    """Stopped at the end, whatever happened."""
    made = GrpcServer(home, workers, **server)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.send_signal(signal.SIGTERM)
            made.process.wait(60)
        assert made.process.stdout is not None
        made.process.stdout.close()


class Client:
    """A channel. `call` gives the answer and its trailing metadata; a refusal is grpc.RpcError."""

    def __init__(self, target: str, credentials: Any = None, **options: int) -> None:
        given = [(f"grpc.{name}", value) for name, value in options.items()]
        made = grpc.secure_channel(target, credentials, given) if credentials else grpc.insecure_channel(target, given)
        self.channel = made

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def call(
        self,
        method: str,
        message: Any = b"",
        kind: Any = None,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = 10.0,
        service: str = "inference.GRPCInferenceService",
        **more: Any,
    ) -> tuple[Any, dict[str, str]]:
        sent = message if isinstance(message, bytes) else message.SerializeToString()
        asked = self.channel.unary_unary(f"/{service}/{method}")
        given = tuple((metadata or {}).items())
        body, call = asked.with_call(sent, timeout=timeout, metadata=given, **more)
        answer = (kind or getattr(OPEN, f"{method}Response")).FromString(body)
        return answer, dict(call.trailing_metadata())

    def infer(self, rows: Sequence[Mapping[str, Any]], raw: bool = False, **given: Any) -> tuple[Any, dict[str, str]]:
        timed = {name: given.pop(name) for name in ("metadata", "timeout", "compression") if name in given}
        return self.call("ModelInfer", infer_request(rows, raw, **given), **timed)

    def check(self, service: str = "") -> int:
        asked = HEALTH.HealthCheckRequest(service=service)
        answer, _ = self.call("Check", asked, HEALTH.HealthCheckResponse, service="grpc.health.v1.Health")
        return int(answer.status)


def infer_request(
    rows: Sequence[Mapping[str, Any]], raw: bool = False, model: str = "churn", version: str = "", **more: Any
) -> Any:
    """A ModelInferRequest, one tensor a column."""
    asked = OPEN.ModelInferRequest(model_name=model, model_version=version, **more)
    for name, kind in KINDS.items():
        values = [row[name] for row in rows]
        made = asked.inputs.add(name=name, datatype=kind, shape=[len(rows)])
        if raw:
            asked.raw_input_contents.append(raw_of(values, kind))
        else:
            said = [value.encode() for value in values] if kind == "BYTES" else values
            getattr(made.contents, TYPED[kind]).extend(said)
    return asked
