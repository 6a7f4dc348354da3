"""Triton's gRPC client, which sends raw contents, and its asyncio twin."""

from __future__ import annotations

import asyncio
import queue

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from case import Case, main, raised
from tritonclient.utils import InferenceServerException, triton_to_np_dtype


def inputs(case: Case, columns: list) -> list[triton.InferInput]:
    made = []
    for column in columns:
        values = case.column(column.name, column.datatype)
        tensor = triton.InferInput(column.name, [len(values)], column.datatype)
        tensor.set_data_from_numpy(np.array(values, dtype=triton_to_np_dtype(column.datatype)))
        made.append(tensor)
    return made


def check_readiness_and_metadata(case: Case) -> None:
    with triton.InferenceServerClient(case.grpc) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready(case.model)
        assert client.is_model_ready(case.model, case.version)
        assert not client.is_model_ready("nothing")
        assert client.get_server_metadata().name == "fairlead"
        model = client.get_model_metadata(case.model, as_json=True)
        assert model["versions"] == [case.version]
        assert [one["name"] for one in model["outputs"]] == ["label", "probabilities"]
        raised(
            lambda: client.get_model_metadata("nothing"), "NOT_FOUND", "no such model", kind=InferenceServerException
        )


def check_the_same_answers(case: Case) -> None:
    with triton.InferenceServerClient(case.grpc) as client:
        columns = client.get_model_metadata(case.model).inputs
        said = client.infer(case.model, inputs(case, columns), request_id="from-triton")
        case.agrees(said.as_numpy("label"), said.as_numpy("probabilities"))
        assert said.get_response().id == "from-triton"
        assert said.get_response().model_version == case.version
        only = [triton.InferRequestedOutput("probabilities")]
        said = client.infer(case.model, inputs(case, columns), case.version, outputs=only)
        assert said.as_numpy("label") is None
        assert said.as_numpy("probabilities").shape == (len(case.rows), 2)


def check_every_way_of_calling(case: Case) -> None:
    with triton.InferenceServerClient(case.grpc) as client:
        columns = client.get_model_metadata(case.model).inputs
        said = client.infer(case.model, inputs(case, columns), compression_algorithm="gzip", client_timeout=5.0)
        case.agrees(said.as_numpy("label"), said.as_numpy("probabilities"))
        done: queue.Queue = queue.Queue()
        for _ in range(12):
            client.async_infer(case.model, inputs(case, columns), lambda result, error: done.put((result, error)))
        for _ in range(12):
            result, error = done.get(timeout=10)
            assert error is None
            case.agrees(result.as_numpy("label"), result.as_numpy("probabilities"))


def check_its_timeout(case: Case) -> None:
    with triton.InferenceServerClient(case.grpc) as client:
        columns = client.get_model_metadata(case.model).inputs
        assert client.infer(case.model, inputs(case, columns), timeout=30_000_000).as_numpy("label") is not None
        given = inputs(case, columns)
        raised(lambda: client.infer(case.model, given, timeout=1), "DEADLINE_EXCEEDED", kind=InferenceServerException)


def check_half_floats(case: Case) -> None:
    with triton.InferenceServerClient(case.grpc) as client:
        made = inputs(case, client.get_model_metadata(case.model).inputs)
        at = next(at for at, one in enumerate(made) if one.name() == "tenure")
        made[at] = triton.InferInput("tenure", [len(case.rows)], "FP16")
        made[at].set_data_from_numpy(np.array(case.column("tenure", "FP16"), dtype=np.float16))
        said = client.infer(case.model, made)
        case.agrees(said.as_numpy("label"), said.as_numpy("probabilities"))


def check_mistakes(case: Case) -> None:
    with triton.InferenceServerClient(case.grpc) as client:
        given = inputs(case, client.get_model_metadata(case.model).inputs)

        def refused(status: str, *words: str, given: list = given, **more: object) -> None:
            asked = {"model_name": case.model, **more}
            error = raised(lambda: client.infer(inputs=given, **asked), *words, kind=InferenceServerException)
            assert error.status() == f"StatusCode.{status}", error.status()

        refused("NOT_FOUND", "no such model", model_name="nothing")
        refused("NOT_FOUND", "no such version", model_version="99")
        refused("INVALID_ARGUMENT", "columns missing: ", given=given[1:])
        extra = triton.InferInput("colour", [len(case.rows)], "FP64")
        extra.set_data_from_numpy(np.ones(len(case.rows)))
        refused("INVALID_ARGUMENT", "columns unknown: colour", given=[*given, extra])
        text = triton.InferInput("tenure", [len(case.rows)], "BYTES")
        text.set_data_from_numpy(np.array(["long"] * len(case.rows), dtype=object))
        others = [one for one in given if one.name() != "tenure"]
        refused("INVALID_ARGUMENT", "row 0, column 'tenure': found text", given=[*others, text])
        refused("INVALID_ARGUMENT", "outputs unknown: mood", outputs=[triton.InferRequestedOutput("mood")])


def check_the_repository(case: Case) -> None:
    with triton.InferenceServerClient(case.grpc) as client:
        (entry,) = client.get_model_repository_index().models
        assert (entry.name, entry.version, entry.state) == (case.model, case.version, "READY")
        client.load_model(case.model)
        loading = {"config": "{}", "files": {"file:1/model.onnx": b"x"}}
        refused = InferenceServerException
        raised(lambda: client.load_model(case.model, **loading), "UNIMPLEMENTED", "seal it", kind=refused)
        raised(lambda: client.unload_model(case.model), "UNIMPLEMENTED", "stays loaded", kind=refused)
        raised(lambda: client.load_model("nothing"), "NOT_FOUND", "no such model", kind=refused)


def check_the_asyncio_client(case: Case) -> None:
    async def ask() -> None:
        async with triton_aio.InferenceServerClient(case.grpc) as client:
            assert await client.is_server_ready()
            assert await client.is_model_ready(case.model)
            columns = (await client.get_model_metadata(case.model)).inputs
            said = await client.infer(case.model, inputs(case, columns))
            case.agrees(said.as_numpy("label"), said.as_numpy("probabilities"))

    asyncio.run(ask())


if __name__ == "__main__":
    main(globals())
