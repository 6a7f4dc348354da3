"""MLflow's scoring client, and its deployment client."""

from __future__ import annotations

import numpy as np
import pandas as pd
from case import Case, main, raised
from mlflow.deployments import get_deploy_client
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from requests import HTTPError


def scoring(case: Case) -> ScoringServerClient:
    host, _, port = case.http.rpartition(":")
    return ScoringServerClient(host, int(port))


def check_it_is_ready(case: Case) -> None:
    client = scoring(case)
    client.wait_server_ready(timeout=5)
    client.ping()
    assert client.get_version()


def check_a_frame_is_answered_with_a_frame(case: Case) -> None:
    frame = pd.DataFrame(case.rows)
    for sent in (frame, frame.drop(columns="customerID"), frame.astype({"tenure": "float64"})):
        answer = scoring(case).invoke(sent)
        assert answer.get_predictions().iloc[:, 0].tolist() == case.labels()
    assert scoring(case).invoke(frame, params={"anything": 1}).get_predictions().shape == (len(case.rows), 1)


def check_arrays_in_the_order_of_the_columns(case: Case) -> None:
    names = [name for name in case.rows[0] if name != "customerID"]
    table = [[row[name] for name in names] for row in case.rows]
    for sent in (table, np.array(table, dtype=object)):
        assert scoring(case).invoke(sent).get_predictions().iloc[:, 0].tolist() == case.labels()


def check_mistakes(case: Case) -> None:
    frame = pd.DataFrame(case.rows)
    raised(lambda: scoring(case).invoke(frame.drop(columns="tenure")), "error code 400", "columns missing: tenure")
    raised(lambda: scoring(case).invoke(frame.assign(colour="red")), "error code 400", "columns unknown: colour")
    raised(lambda: scoring(case).invoke(frame.assign(tenure="long")), "error code 400", "column 'tenure': found text")
    raised(lambda: scoring(case).invoke([[1, 2]]), "error code 400", "BAD_REQUEST")


def check_the_deployment_client(case: Case) -> None:
    client = get_deploy_client(f"http://{case.http}")
    answer = client.predict(endpoint=case.model, inputs={"dataframe_records": case.rows})
    assert answer == {"predictions": case.labels()}
    raised(lambda: client.predict(endpoint="nothing", inputs={"dataframe_records": case.rows}), "404", kind=HTTPError)
    raised(lambda: client.predict(endpoint=case.model, inputs={"dataframe_records": [{}]}), "400", kind=HTTPError)


if __name__ == "__main__":
    main(globals())
