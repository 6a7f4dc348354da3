"""A model that takes pictures, asked by Triton's clients (HTTP with JSON and binary tensors, gRPC) and as JSON rows."""

from __future__ import annotations

import base64
import json
import urllib.request
from typing import Any

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from case import Case, main, raised
from tritonclient.utils import InferenceServerException, triton_to_np_dtype


def inputs(triton: Any, case: Case, columns: list[dict], **more: Any) -> list[Any]:
    """One input a column, in the datatype and shape of the metadata."""
    made = []
    for column in columns:
        kind, shape = column["datatype"], [int(edge) for edge in column["shape"]]
        values = np.array(case.column(column["name"], kind), dtype=triton_to_np_dtype(kind))
        assert [-1, *values.shape[1:]] == shape
        tensor = triton.InferInput(column["name"], list(values.shape), kind)
        made.append(tensor.set_data_from_numpy(values, **more))
    return made


def post(case: Case, path: str, body: object) -> Any:
    asked = urllib.request.Request(
        f"http://{case.http}{path}", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return json.load(answer)


def bare(case: Case) -> list[Any]:
    """The pictures alone."""
    return [row["image"] for row in case.rows]


def check_metadata(case: Case) -> None:
    with over_http.InferenceServerClient(case.http) as client:
        columns = client.get_model_metadata(case.model)["inputs"]
    assert {"name": "image", "datatype": "UINT8", "shape": [-1, 8, 8]} in columns
    with over_grpc.InferenceServerClient(case.grpc) as client:
        told = client.get_model_metadata(case.model, as_json=True)["inputs"]
    assert {"name": "image", "datatype": "UINT8", "shape": ["-1", "8", "8"]} in told


def check_json_and_binary_tensors_over_http(case: Case) -> None:
    with over_http.InferenceServerClient(case.http) as client:
        columns = client.get_model_metadata(case.model)["inputs"]
        for binary in (True, False):
            said = client.infer(case.model, inputs(over_http, case, columns, binary_data=binary))
            case.agrees(said.as_numpy("label"), said.as_numpy("probabilities"))


def check_raw_contents_over_grpc(case: Case) -> None:
    with over_grpc.InferenceServerClient(case.grpc) as client:
        columns = client.get_model_metadata(case.model, as_json=True)["inputs"]
        said = client.infer(case.model, inputs(over_grpc, case, columns))
        case.agrees(said.as_numpy("label"), said.as_numpy("probabilities"))


def check_floats_and_flat_pictures(case: Case) -> None:
    with over_http.InferenceServerClient(case.http) as client:
        columns = client.get_model_metadata(case.model)["inputs"]
        given = inputs(over_http, case, [c for c in columns if c["name"] != "image"])
        for kind, shape in (("FP32", (-1, 8, 8)), ("INT64", (-1, 64))):
            values = np.array(bare(case), dtype=triton_to_np_dtype(kind)).reshape(shape)
            picture = over_http.InferInput("image", list(values.shape), kind).set_data_from_numpy(values)
            said = client.infer(case.model, [*given, picture])
            case.agrees(said.as_numpy("label"), said.as_numpy("probabilities"))


def check_rows_of_json(case: Case) -> None:
    packed = [
        {**row, "image": {"b64": base64.b64encode(np.array(row["image"], np.uint8).tobytes()).decode()}}
        for row in case.rows
    ]
    flat = [{**row, "image": np.array(row["image"]).reshape(-1).tolist()} for row in case.rows]
    for rows in (case.rows, packed, flat):
        case.gives(post(case, f"/predict/{case.model}", rows)["predictions"])
        assert post(case, f"/v1/models/{case.model}:predict", {"instances": rows})["predictions"] == case.labels()
        assert post(case, f"/invocations/{case.model}", {"dataframe_records": rows})["predictions"] == case.labels()
        assert post(case, "/score", {"input_data": rows}) == case.labels()


def check_bare_pictures(case: Case) -> None:
    columns = {name: [row[name] for row in case.rows] for name in case.rows[0]}
    assert post(case, f"/invocations/{case.model}", {"inputs": columns})["predictions"] == case.labels()
    if len(columns) == 1:
        for path, key in ((f"/v1/models/{case.model}:predict", "instances"), (f"/invocations/{case.model}", "inputs")):
            assert post(case, path, {key: bare(case)})["predictions"] == case.labels()


def check_mistakes(case: Case) -> None:
    refused = InferenceServerException
    with (
        over_http.InferenceServerClient(case.http) as client,
        over_grpc.InferenceServerClient(case.grpc) as other,
    ):
        columns = client.get_model_metadata(case.model)["inputs"]
        for triton, asked in ((over_http, client), (over_grpc, other)):
            given = inputs(triton, case, [c for c in columns if c["name"] != "image"])
            for values, words in (
                (np.zeros((len(case.rows), 8, 7), np.uint8), "shape must be [rows, 8, 8] or [rows, 64]"),
                (np.full((len(case.rows), 8, 8), 256, np.int32), "row 0, column 'image': found numbers"),
                (np.full((len(case.rows), 8, 8), np.nan, np.float32), "row 0, column 'image': found numbers"),
            ):
                kind = {"uint8": "UINT8", "int32": "INT32", "float32": "FP32"}[values.dtype.name]
                picture = triton.InferInput("image", list(values.shape), kind)
                picture.set_data_from_numpy(values)
                raised(
                    lambda asked=asked, given=given, picture=picture: asked.infer(case.model, [*given, picture]),
                    words,
                    kind=refused,
                )


if __name__ == "__main__":
    main(globals())
