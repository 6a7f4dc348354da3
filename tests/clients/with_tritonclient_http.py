"""Triton's HTTP client: JSON and binary tensors, and its asyncio twin."""

from __future__ import annotations

import asyncio
import warnings

import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from case import Case, main, raised
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

warnings.simplefilter("ignore")


def inputs(case: Case, columns: list[dict], binary: bool) -> list[triton.InferInput]:
    made = []
    for column in columns:
        kind = column["datatype"]
        values = case.column(column["name"], kind)
        tensor = triton.InferInput(column["name"], [len(values)], kind)
        tensor.set_data_from_numpy(np.array(values, dtype=triton_to_np_dtype(kind)), binary_data=binary)
        made.append(tensor)
    return made


def outputs(binary: bool) -> list[triton.InferRequestedOutput]:
    return [triton.InferRequestedOutput(name, binary_data=binary) for name in ("label", "probabilities")]


def check_readiness_and_metadata(case: Case) -> None:
    with triton.InferenceServerClient(case.http) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready(case.model)
        assert client.is_model_ready(case.model, case.version)
        assert not client.is_model_ready("nothing")
        assert not client.is_model_ready(case.model, "99")
        server = client.get_server_metadata()
        assert server["name"] == "fairlead"
        assert "binary_tensor_data" in server["extensions"]
        model = client.get_model_metadata(case.model)
        assert model["versions"] == [case.version]
        assert [one["name"] for one in model["outputs"]] == ["label", "probabilities"]
        assert model["outputs"][1]["shape"] == [-1, 2]


def check_binary_tensors(case: Case) -> None:
    with triton.InferenceServerClient(case.http) as client:
        columns = client.get_model_metadata(case.model)["inputs"]
        said = client.infer(case.model, inputs(case, columns, True), outputs=outputs(True), request_id="from-triton")
        case.agrees(said.as_numpy("label"), said.as_numpy("probabilities"))
        assert said.get_response()["id"] == "from-triton"
        said = client.infer(case.model, inputs(case, columns, True))
        case.agrees(said.as_numpy("label"), said.as_numpy("probabilities"))


def check_json_tensors(case: Case) -> None:
    with triton.InferenceServerClient(case.http) as client:
        columns = client.get_model_metadata(case.model)["inputs"]
        said = client.infer(case.model, inputs(case, columns, False), outputs=outputs(False))
        case.agrees(said.as_numpy("label"), said.as_numpy("probabilities"))


def check_one_output_of_a_version(case: Case) -> None:
    with triton.InferenceServerClient(case.http) as client:
        columns = client.get_model_metadata(case.model)["inputs"]
        said = client.infer(case.model, inputs(case, columns, True), case.version, outputs=outputs(True)[:1])
        assert [one.decode() for one in said.as_numpy("label")] == case.labels()
        assert said.as_numpy("probabilities") is None
        assert said.get_response()["model_version"] == case.version


def check_its_timeout(case: Case) -> None:
    with triton.InferenceServerClient(case.http) as client:
        columns = client.get_model_metadata(case.model)["inputs"]
        for binary in (True, False):
            said = client.infer(case.model, inputs(case, columns, binary), timeout=30_000_000)
            case.agrees(said.as_numpy("label"), said.as_numpy("probabilities"))
            # Nobody reads a request within a microsecond.
            raised(
                lambda binary=binary: client.infer(case.model, inputs(case, columns, binary), timeout=1),
                "not answered within 1e-06 s, as the client asked",
                kind=InferenceServerException,
            )


def check_compressed_bodies(case: Case) -> None:
    with triton.InferenceServerClient(case.http) as client:
        columns = client.get_model_metadata(case.model)["inputs"]
        for algorithm in ("gzip", "deflate"):
            said = client.infer(case.model, inputs(case, columns, True), request_compression_algorithm=algorithm)
            case.agrees(said.as_numpy("label"), said.as_numpy("probabilities"))


def check_requests_side_by_side(case: Case) -> None:
    with triton.InferenceServerClient(case.http, concurrency=4) as client:
        columns = client.get_model_metadata(case.model)["inputs"]
        asked = [client.async_infer(case.model, inputs(case, columns, True)) for _ in range(12)]
        for one in asked:
            said = one.get_result()
            case.agrees(said.as_numpy("label"), said.as_numpy("probabilities"))


def check_mistakes(case: Case) -> None:
    with triton.InferenceServerClient(case.http) as client:
        columns = client.get_model_metadata(case.model)["inputs"]
        for binary in (True, False):
            given = inputs(case, [c for c in columns if c["name"] != "TotalCharges"], binary)
            charges = triton.InferInput("TotalCharges", [len(case.rows)], "FP64")
            charges.set_data_from_numpy(np.ones(len(case.rows)), binary_data=binary)
            given.append(charges)

            def ask(given: list, model: str = case.model, **more: object) -> None:
                client.infer(model, given, **more)

            def refused(*words: str, given: list = given, **more: object) -> None:
                raised(lambda: ask(given, **more), *words, kind=InferenceServerException)

            refused("404", "no such model", model="nothing")
            refused("404", "no such version", model_version="99")
            refused("400", "columns missing: TotalCharges", given=given[:-1])
            named = triton.InferInput("colour", [len(case.rows)], "FP64")
            named.set_data_from_numpy(np.ones(len(case.rows)), binary_data=binary)
            refused("400", "columns unknown: colour", given=[*given, named])
            text = triton.InferInput("TotalCharges", [len(case.rows)], "BYTES")
            text.set_data_from_numpy(np.array(["much"] * len(case.rows), dtype=object), binary_data=binary)
            refused("400", "row 0, column 'TotalCharges': found text", given=[*given[:-1], text])
            refused("400", "outputs unknown: mood", outputs=[triton.InferRequestedOutput("mood")])


def check_the_asyncio_client(case: Case) -> None:
    async def ask() -> None:
        async with triton_aio.InferenceServerClient(case.http) as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready(case.model)
            columns = (await client.get_model_metadata(case.model))["inputs"]
            said = await client.infer(case.model, inputs(case, columns, True))
            case.agrees(said.as_numpy("label"), said.as_numpy("probabilities"))

    asyncio.run(ask())


def check_the_repository(case: Case) -> None:
    with triton.InferenceServerClient(case.http) as client:
        (entry,) = client.get_model_repository_index()
        assert (entry["name"], entry["state"]) == (case.model, "READY")


if __name__ == "__main__":
    main(globals())
