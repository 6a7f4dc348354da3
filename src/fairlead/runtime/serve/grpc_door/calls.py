"""Calls of gRPC as requests of the application, and its replies as answers of gRPC.

`ModelInfer` becomes a POST of the message's own bytes to the `grpc:` address of its model; the other calls become
the GET of the same page over HTTP, whose JSON is told as a message. So authentication, validation, assignment,
capture, metrics and limits are those of every protocol.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import quote

import grpc
import msgspec

from fairlead.contract.errors import BodyInvalid, Busy, DeadlineExceeded, FairleadError
from fairlead.contract.ports import Application, Request
from fairlead.runtime.serve.clock import steady
from fairlead.runtime.wire.proto import messages
from fairlead.runtime.wire.status import FAULT, status_of
from fairlead.runtime.wire.v2_grpc import STATUS, address

INFERENCE = "inference.GRPCInferenceService"
HEALTH = "grpc.health.v1.Health"
LONGEST = 1024
_OWN = frozenset({"content-type", "content-length", "connection", "transfer-encoding", "date", "server"})
_log = logging.getLogger("fairlead.serve")

Headers = Sequence[tuple[str, str]]
Said = tuple[int, Headers, bytes]
Handler = Callable[[bytes, Any], Awaitable[bytes]]


class Call(Request):
    """A request with the future of its reply."""

    __slots__ = ("said",)

    def __init__(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        said: asyncio.Future[Said],
        peer: str | None,
        patience: float | None,
    ) -> None:
        super().__init__(method, path, "", headers, body, steady(), self.answered, peer, patience)
        self.said = said

    def answered(self, code: int, headers: Headers, body: bytes) -> None:
        """The reply; a caller that went away is nobody's fault."""
        if not self.said.done():
            self.said.set_result((code, headers, body))


class Calls:
    """The handlers of every method. Requests of one loop tick go to the application together.

    mutual: whether callers show certificates.
    """

    def __init__(self, application: Application, loop: asyncio.AbstractEventLoop, mutual: bool) -> None:
        self._application, self._loop, self._mutual = application, loop, mutual
        self._messages, self._health = messages("open_inference"), messages("health")
        self._waiting: list[Call] = []
        self._open = 0
        self.closing = False

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """For the server: bytes in, bytes out."""
        inference: dict[str, Handler] = {
            "ModelInfer": self.infer,
            "ModelMetadata": self.model_metadata,
            "ModelReady": self.model_ready,
            "RepositoryIndex": self.repository_index,
            "RepositoryModelLoad": self.repository_load,
            "RepositoryModelUnload": self.repository_unload,
            "ServerLive": self.server_live,
            "ServerMetadata": self.server_metadata,
            "ServerReady": self.server_ready,
        }
        health: dict[str, Handler] = {"Check": self.check}
        services = {INFERENCE: inference, HEALTH: health}
        return [
            grpc.method_handlers_generic_handler(
                service, {name: grpc.unary_unary_rpc_method_handler(handler) for name, handler in methods.items()}
            )
            for service, methods in services.items()
        ]

    async def infer(self, body: bytes, context: Any) -> bytes:
        """A prediction."""
        try:
            path = address(body)
        except FairleadError as error:
            await _refuse(context, error)
        return await self._told("POST", path, body, context)

    async def server_live(self, body: bytes, context: Any) -> bytes:
        """Live is who answers."""
        made: bytes = self._messages.ServerLiveResponse(live=True).SerializeToString()
        return made

    async def server_ready(self, body: bytes, context: Any) -> bytes:
        """Ready is a server that has a model."""
        ready = await self._is("/v2/health/ready", context)
        made: bytes = self._messages.ServerReadyResponse(ready=ready).SerializeToString()
        return made

    async def model_ready(self, body: bytes, context: Any) -> bytes:
        """Not ready is also a model that there is not: who waits for one to be deployed just asks again."""
        path = await self._model(self._messages.ModelReadyRequest, body, context)
        ready = await self._is(f"{path}/ready", context)
        made: bytes = self._messages.ModelReadyResponse(ready=ready).SerializeToString()
        return made

    async def server_metadata(self, body: bytes, context: Any) -> bytes:
        """Name, version, extensions. Those of REST's JSON alone do not concern gRPC."""
        said = msgspec.json.decode(await self._told("GET", "/v2", b"", context))
        made: bytes = self._messages.ServerMetadataResponse(
            name=said["name"], version=said["version"], extensions=[]
        ).SerializeToString()
        return made

    async def model_metadata(self, body: bytes, context: Any) -> bytes:
        """Inputs and outputs of a model."""
        path = await self._model(self._messages.ModelMetadataRequest, body, context)
        said = msgspec.json.decode(await self._told("GET", path, b"", context))
        tensor = self._messages.ModelMetadataResponse.TensorMetadata
        made: bytes = self._messages.ModelMetadataResponse(
            name=said["name"],
            versions=said.get("versions") or [],
            platform=said["platform"],
            inputs=[tensor(**one) for one in said["inputs"]],
            outputs=[tensor(**one) for one in said["outputs"]],
        ).SerializeToString()
        return made

    async def repository_index(self, body: bytes, context: Any) -> bytes:
        """Which models may be asked."""
        asked = await _read(self._messages.RepositoryIndexRequest, body, context)
        said = await self._told("POST", "/v2/repository/index", b'{"ready":true}' if asked.ready else b"{}", context)
        made = self._messages.RepositoryIndexResponse()
        for one in msgspec.json.decode(said):
            made.models.add(name=one["name"], version=one["version"], state=one["state"], reason=one["reason"])
        whole: bytes = made.SerializeToString()
        return whole

    async def repository_load(self, body: bytes, context: Any) -> bytes:
        """Load a model ahead, of those that sleep until they are asked."""
        return await self._repository(body, context, "load")

    async def repository_unload(self, body: bytes, context: Any) -> bytes:
        """Let such a model go."""
        return await self._repository(body, context, "unload")

    async def _repository(self, body: bytes, context: Any, verb: str) -> bytes:
        asked = await _read(self._messages.RepositoryModelRequest, body, context)
        name = asked.model_name or asked.repository_name
        # What is in the parameters decides nothing here, but that they are there may: no model comes by a request.
        told = msgspec.json.encode({"parameters": dict.fromkeys(asked.parameters)})
        await self._told("POST", f"/v2/repository/models/{quote(name, safe='')}/{verb}", told, context)
        made: bytes = self._messages.RepositoryModelResponse(
            model_name=name, is_loaded=verb == "load"
        ).SerializeToString()
        return made

    async def check(self, body: bytes, context: Any) -> bytes:
        """Health of the server (no service, or the inference service's name) or of a model by its name."""
        service = (await _read(self._health.HealthCheckRequest, body, context)).service
        whole = service in {"", INFERENCE, HEALTH}
        path = "/v2/health/ready" if whole else f"/v2/models/{quote(service, safe='')}/ready"
        code = (await self._ask("GET", path, b"", context))[0]
        if code == 404:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service, and no model of that name")
        status = 1 if code == 200 and not self.closing else 2
        made: bytes = self._health.HealthCheckResponse(status=status).SerializeToString()
        return made

    @staticmethod
    async def _model(kind: Any, body: bytes, context: Any) -> str:
        asked = await _read(kind, body, context)
        path = f"/v2/models/{quote(asked.name, safe='')}"
        return f"{path}/versions/{quote(asked.version, safe='')}" if asked.version else path

    async def _is(self, path: str, context: Any) -> bool:
        """Whether a page says yes. What is not answered as such (401, 403, 429 ...) stays an error."""
        code, headers, body = await self._ask("GET", path, b"", context)
        if code not in {200, 404, 503}:
            await _abort(context, code, headers, body)
        context.set_trailing_metadata(_trailing(headers))
        return code == 200 and not self.closing

    async def _told(self, method: str, path: str, body: bytes, context: Any) -> bytes:
        """The body of a 200; any other code ends the call."""
        code, headers, said = await self._ask(method, path, body, context)
        if code != 200:
            await _abort(context, code, headers, said)
        context.set_trailing_metadata(_trailing(headers))
        return said

    async def _ask(self, method: str, path: str, body: bytes, context: Any) -> Said:
        """The application's reply, within the client's own deadline and the server's."""
        limits = self._application.limits()
        left = context.time_remaining()
        patience = limits.timeout_s if left is None else min(limits.timeout_s, left)
        if self._open >= limits.max_queue:
            await _refuse(context, Busy())
        if patience <= 0.0:
            await _refuse(context, DeadlineExceeded("the deadline had passed before the call was read"))
        said = self._loop.create_future()
        if not self._waiting:
            self._loop.call_soon(self._flush)
        peer = _peer(context) if self._mutual else None
        self._waiting.append(Call(method, path, _headers(context), body, said, peer, left))
        timer = self._loop.call_later(patience, _expire, said, patience)
        self._open += 1
        try:
            answered: Said = await said
            return answered
        finally:
            self._open -= 1
            timer.cancel()

    def _flush(self) -> None:
        """All that arrived in this tick, together: no timer, no waiting."""
        waiting = [call for call in self._waiting if not call.said.done()]
        self._waiting = []
        try:
            self._application.answer(waiting)
        except Exception:
            _log.exception("a tick of %d calls failed", len(waiting))
        for call in waiting:
            if not call.said.done() and not call.later:
                call.answered(500, (), msgspec.json.encode({"error": FAULT}))


def _expire(said: asyncio.Future[Said], patience: float) -> None:
    if not said.done():
        said.set_result((504, (), msgspec.json.encode({"error": f"not answered within {patience:.3g} s"})))


def _headers(context: Any) -> dict[str, str]:
    """Metadata as headers; what is given twice is joined as HTTP does, so that it counts as neither alone."""
    headers: dict[str, str] = {}
    for name, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _peer(context: Any) -> str | None:
    """The common name of the client's certificate."""
    found: Any = (context.auth_context() or {}).get("x509_common_name")
    return found[0].decode("utf-8", "replace") if found else None


def _trailing(headers: Headers) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, value) for name, value in headers if name not in _OWN and value.isascii() and value.isprintable()
    )


async def _read(kind: Any, body: bytes, context: Any) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return kind.FromString(body)
    except DecodeError:
        return await _refuse(context, BodyInvalid(f"the message is no {kind.DESCRIPTOR.name}"))


async def _refuse(context: Any, error: FairleadError) -> NoReturn:
    """Ends a call that never reached the application."""
    headers = [("retry-after", str(error.retry_after_s))] if isinstance(error, Busy) else []
    await _abort(context, status_of(error), headers, msgspec.json.encode({"error": str(error)}))


async def _abort(context: Any, code: int, headers: Headers, body: bytes) -> NoReturn:
    """Ends the call with gRPC's code for an HTTP code and the message of an error body."""
    trailing = list(_trailing(headers))
    for name, value in headers:
        if name == "retry-after" and value.isdigit():
            # What gRPC clients with a retry policy obey.
            trailing.append(("grpc-retry-pushback-ms", str(int(value) * 1000)))
    await context.abort(grpc.StatusCode[STATUS.get(code, "INTERNAL")], _message(body), tuple(trailing))
    raise AssertionError("abort raises")


def _message(body: bytes) -> str:
    """The text of an error body, short enough for the metadata it travels in."""
    try:
        said = msgspec.json.decode(body)
        text = str(said.get("error") or said.get("message") or FAULT) if isinstance(said, dict) else str(said)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        text = body.decode("utf-8", "replace")
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
