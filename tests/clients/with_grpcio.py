"""gRPC with nothing but grpcio: stubs made from the interface's own file."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from pathlib import Path

import grpc
from case import Case, main

import fairlead

sys.path.insert(0, str(Path(fairlead.__file__).parent / "runtime" / "wire" / "proto"))
pb, services = grpc.protos_and_services("open_inference.proto")
health, probes = grpc.protos_and_services("health.proto")
FIELDS = {"INT64": "int64_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents", "BOOL": "bool_contents"}


def asked(case: Case, stub: object, **more: str) -> object:
    request = pb.ModelInferRequest(model_name=case.model, **more)
    for column in stub.ModelMetadata(pb.ModelMetadataRequest(name=case.model)).inputs:
        tensor = request.inputs.add(name=column.name, datatype=column.datatype, shape=[len(case.rows)])
        values = case.column(column.name, column.datatype)
        if column.datatype == "BYTES":
            values = [value.encode() for value in values]
        getattr(tensor.contents, FIELDS[column.datatype]).extend(values)
    return request


def refused(call: Callable[[], object]) -> tuple[str, str]:
    try:
        call()
    except grpc.RpcError as error:
        return error.code().name, error.details()
    raise AssertionError("nothing was refused")


def check_typed_contents_are_answered_typed(case: Case) -> None:
    with grpc.insecure_channel(case.grpc) as channel:
        stub = services.GRPCInferenceServiceStub(channel)
        said = stub.ModelInfer(asked(case, stub, id="plain"), timeout=10)
        label, probabilities = said.outputs
        case.agrees(label.contents.bytes_contents, probabilities.contents.fp64_contents)
        assert (said.id, said.model_version, list(probabilities.shape)) == ("plain", case.version, [len(case.rows), 2])
        assert not said.raw_output_contents


def check_raw_contents_are_answered_raw(case: Case) -> None:
    with grpc.insecure_channel(case.grpc) as channel:
        stub = services.GRPCInferenceServiceStub(channel)
        request = asked(case, stub)
        for tensor in request.inputs:
            values = list(getattr(tensor.contents, FIELDS[tensor.datatype]))
            if tensor.datatype == "BYTES":
                raw = b"".join(struct.pack("<I", len(value)) + value for value in values)
            else:
                raw = struct.pack(f"<{len(values)}{'q' if tensor.datatype == 'INT64' else 'd'}", *values)
            request.raw_input_contents.append(raw)
            tensor.ClearField("contents")
        said = stub.ModelInfer(request)
        labels, at = [], 0
        while at < len(said.raw_output_contents[0]):
            (length,) = struct.unpack_from("<I", said.raw_output_contents[0], at)
            labels.append(said.raw_output_contents[0][at + 4 : at + 4 + length])
            at += 4 + length
        case.agrees(labels, struct.unpack(f"<{2 * len(case.rows)}d", said.raw_output_contents[1]))


def check_readiness_metadata_and_request_ids(case: Case) -> None:
    with grpc.insecure_channel(case.grpc) as channel:
        stub = services.GRPCInferenceServiceStub(channel)
        assert stub.ServerLive(pb.ServerLiveRequest()).live
        assert stub.ServerReady(pb.ServerReadyRequest()).ready
        assert stub.ModelReady(pb.ModelReadyRequest(name=case.model)).ready
        assert not stub.ModelReady(pb.ModelReadyRequest(name="nothing")).ready
        assert stub.ServerMetadata(pb.ServerMetadataRequest()).name == "fairlead"
        check = probes.HealthStub(channel).Check
        assert check(health.HealthCheckRequest()).status == health.HealthCheckResponse.SERVING
        assert check(health.HealthCheckRequest(service=case.model)).status == health.HealthCheckResponse.SERVING
        _, call = stub.ModelInfer.with_call(asked(case, stub), metadata=(("x-request-id", "mine"),))
        assert dict(call.trailing_metadata())["x-request-id"] == "mine"


def check_mistakes(case: Case) -> None:
    with grpc.insecure_channel(case.grpc) as channel:
        stub = services.GRPCInferenceServiceStub(channel)
        request = asked(case, stub)
        request.inputs[0].name = "colour"
        code, said = refused(lambda: stub.ModelInfer(request))
        assert code == "INVALID_ARGUMENT"
        assert said.startswith("columns missing: ")
        code, said = refused(lambda: stub.ModelInfer(pb.ModelInferRequest(model_name="nothing")))
        assert (code, said) == ("NOT_FOUND", f"no such model. Served: {case.model}.")


if __name__ == "__main__":
    main(globals())
