"""KServe's inference clients, REST (V2 and V1) and gRPC."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import grpc
import numpy as np
from case import Case, main
from httpx import HTTPStatusError
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub
from kserve.protocol.infer_type import RequestedOutput

logging.disable(logging.CRITICAL)
NUMBERS = {"tenure": "INT64", "MonthlyCharges": "FP64", "TotalCharges": "FP64"}


def asked(case: Case, binary: bool = False, model: str = "", change: dict[str, Any] | None = None) -> InferRequest:
    tensors = []
    for name in (name for name in case.rows[0] if name != "customerID"):
        kind = NUMBERS.get(name, "BYTES")
        values = case.column(name, kind)
        tensor = InferInput(name, [len(values)], kind, data=None if binary else values)
        if binary:
            array = np.array(values, dtype={"INT64": np.int64, "FP64": np.float64}.get(kind, np.object_))
            tensor.set_data_from_numpy(array, binary_data=True)
        tensors.append(tensor)
    for name, value in (change or {}).items():
        tensors = [tensor for tensor in tensors if tensor.name != name]
        if value is not None:
            tensors.append(InferInput(name, [len(case.rows)], "BYTES", data=[value] * len(case.rows)))
    return InferRequest(model_name=model or case.model, infer_inputs=tensors, request_id="from-kserve")


def agrees(case: Case, said: Any) -> None:
    label, probabilities = said.outputs
    case.agrees(label.as_numpy(), np.asarray(probabilities.as_numpy()).reshape(-1))


async def refused(call: Any, *words: str, kind: type[Exception] = HTTPStatusError) -> None:
    said = ""
    try:
        await call
    except kind as error:
        said = str(error)
    assert all(word in said for word in words), f"expected {words}, got {said!r}"


def check_open_inference_over_rest(case: Case) -> None:
    async def ask() -> None:
        base = f"http://{case.http}"
        client = InferenceRESTClient(RESTConfig(protocol="v2"))
        assert await client.is_server_live(base)
        assert await client.is_server_ready(base)
        assert await client.is_model_ready(base, case.model)
        assert not await client.is_model_ready(base, "nothing")
        for binary in (False, True):
            said = await client.infer(base, asked(case, binary), model_name=case.model)
            agrees(case, said)
            assert said.id == "from-kserve"
        request = asked(case)
        request.request_outputs = [RequestedOutput("label")]
        (label,) = (await client.infer(base, request, model_name=case.model)).outputs
        assert [str(one) for one in label.as_numpy()] == case.labels()
        await refused(client.infer(base, asked(case), model_name="nothing"), "404", "no such model")
        short, odd = asked(case, change={"tenure": None}), asked(case, change={"tenure": "long"})
        await refused(client.infer(base, short, model_name=case.model), "400", "columns missing: tenure")
        await refused(client.infer(base, odd, model_name=case.model), "400", "row 0, column 'tenure': found text")
        extra = asked(case, change={"colour": "red"})
        await refused(client.infer(base, extra, model_name=case.model), "400", "columns unknown: colour")

    asyncio.run(ask())


def check_v1(case: Case) -> None:
    async def ask() -> None:
        base = f"http://{case.http}"
        client = InferenceRESTClient(RESTConfig(protocol="v1"))
        assert await client.is_server_live(base)
        assert await client.is_model_ready(base, case.model)
        said = await client.infer(base, {"instances": case.rows}, model_name=case.model)
        assert said == {"predictions": case.labels()}
        await refused(client.infer(base, {"instances": case.rows}, model_name="nothing"), "404")
        await refused(client.infer(base, {"instances": [{}]}, model_name=case.model), "400", "columns missing")
        why = await client.explain(base, case.model, {"instances": case.rows})
        assert len(why["explanations"]) == len(case.rows)

    asyncio.run(ask())


def check_open_inference_over_grpc(case: Case) -> None:
    async def ask() -> None:
        async with InferenceGRPCClient(case.grpc) as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready(case.model)
            assert not await client.is_model_ready("nothing")
            for binary in (False, True):
                said = await client.infer(asked(case, binary))
                agrees(case, said)
                assert (said.id, said.model_version) == ("from-kserve", case.version)
            error = grpc.RpcError
            await refused(client.infer(asked(case, model="nothing")), "NOT_FOUND", "no such model", kind=error)
            short, odd = asked(case, change={"tenure": None}), asked(case, change={"tenure": "long"})
            await refused(client.infer(short), "INVALID_ARGUMENT", "columns missing: tenure", kind=error)
            await refused(client.infer(odd), "INVALID_ARGUMENT", "column 'tenure': found text", kind=error)

    asyncio.run(ask())


def check_the_repository_over_grpc(case: Case) -> None:
    with grpc.insecure_channel(case.grpc) as channel:
        stub = GRPCInferenceServiceStub(channel)
        said = stub.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name=case.model))
        assert (said.model_name, said.isLoaded) == (case.model, True)
        try:
            stub.RepositoryModelUnload(pb.RepositoryModelUnloadRequest(model_name=case.model))
        except grpc.RpcError as error:
            code = error.code()
        assert code is grpc.StatusCode.UNIMPLEMENTED


if __name__ == "__main__":
    main(globals())
