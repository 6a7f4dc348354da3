"""A plain HTTP client: every REST protocol by its own body."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
from case import Case, main


def ask(case: Case, path: str, body: Any = None, **more: Any) -> httpx.Response:
    return (
        httpx.post(f"http://{case.http}{path}", json=body, **more)
        if body is not None
        else httpx.post(f"http://{case.http}{path}", **more)
    )


def check_native_rows_and_columns(case: Case) -> None:
    for path in ("/predict", f"/predict/{case.model}"):
        case.gives(ask(case, path, case.rows).json()["predictions"])
    (one,) = ask(case, "/predict", case.rows[0]).json()["predictions"]
    assert one["label"] == case.labels()[0]
    columns = {name: [row[name] for row in case.rows] for name in case.rows[0]}
    case.gives(ask(case, "/predict", {"columns": columns}).json()["predictions"])


def check_open_inference(case: Case) -> None:
    base = f"http://{case.http}/v2"
    assert httpx.get(f"{base}/health/live").json() == {"live": True}
    assert httpx.get(f"{base}/health/ready").json() == {"ready": True}
    model = httpx.get(f"{base}/models/{case.model}").json()
    tensors = [
        {
            "name": c["name"],
            "shape": [len(case.rows)],
            "datatype": c["datatype"],
            "data": [r[c["name"]] for r in case.rows],
        }
        for c in model["inputs"]
    ]
    for path in ("infer", f"versions/{case.version}/infer"):
        said = ask(case, f"/v2/models/{case.model}/{path}", {"id": "a", "inputs": tensors})
        answer = said.json()
        case.agrees(answer["outputs"][0]["data"], answer["outputs"][1]["data"])
        assert (answer["id"], said.headers["x-request-id"]) == ("a", "a")


def check_v1(case: Case) -> None:
    base = f"http://{case.http}/v1/models/{case.model}"
    assert httpx.get(base).json()["ready"]
    said = httpx.post(f"{base}:predict", json={"instances": case.rows})
    assert said.json() == {"predictions": case.labels()}
    why = httpx.post(f"{base}:explain", json={"instances": case.rows})
    assert why.status_code == 200, why.text
    assert [one["label"] for one in why.json()["predictions"]] == case.labels()
    assert len(why.json()["explanations"]) == len(case.rows)
    wrong = httpx.post(f"{base}:predict", json={"instances": [{}]})
    assert wrong.status_code == 400
    assert "columns missing" in wrong.json()["error"]


def check_mlflow_forms(case: Case) -> None:
    names = list(case.rows[0])
    split = {"columns": names, "data": [[row[name] for name in names] for row in case.rows]}
    bodies = (
        {"dataframe_records": case.rows},
        {"dataframe_split": split},
        {"instances": case.rows},
        {"inputs": {name: [row[name] for row in case.rows] for name in names}},
    )
    for body in bodies:
        assert ask(case, "/invocations", body).json() == {"predictions": case.labels()}, next(iter(body))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([row[name] for name in names] for row in case.rows)
    said = ask(case, "/invocations", content=text.getvalue(), headers={"content-type": "text/csv"})
    assert said.json() == {"predictions": case.labels()}
    assert httpx.get(f"http://{case.http}/ping").status_code == 200


def check_mistakes(case: Case) -> None:
    unknown = ask(case, "/predict/nothing", case.rows)
    assert (unknown.status_code, unknown.json()) == (404, {"error": f"no such model. Served: {case.model}."})
    wrong = ask(case, "/predict", [{**case.rows[0], "tenure": "long"}])
    assert wrong.status_code == 400
    assert "row 0, column 'tenure': found text" in wrong.json()["error"]
    extra = ask(case, "/predict", [{**case.rows[0], "colour": "red"}])
    assert "columns unknown: colour" in extra.json()["error"]
    with httpx.Client(base_url=f"http://{case.http}") as client:
        # An error leaves the connection as it was.
        for _ in range(3):
            assert client.post("/predict", content=b"{").status_code == 400
            case.gives(client.post("/predict", json=case.rows).json()["predictions"])


if __name__ == "__main__":
    main(globals())
