"""Verbs around what answers: deploy, promote, rollback, hold, predict, feedback, status."""

from __future__ import annotations

from itertools import islice
from typing import Any, Literal

import msgspec

from fairlead.contract.errors import ServerUnreachable, UsageError
from fairlead.doors.python.asking import located, post
from fairlead.ops.flow import Workspace

Answer = dict[str, Any]
BATCH_ROWS = 1000
BATCH_STEPS = 200_000
"""Numbers of truths of forecasts that are sent at once."""


def move(ws: Workspace, verb: Literal["promote", "roll_back"], despite: str = "", version: int | None = None) -> Answer:
    """See `Project.promote` and `Project.rollback`."""
    from fairlead.ops.flow import release
    from fairlead.ops.flow.freezing import require_thawed

    if verb == "promote":
        require_thawed(ws, despite)
    done = release.promote(ws, version=version) if verb == "promote" else release.roll_back(ws)
    champion = next(v for v in done.variants if v.name == "champion")
    return {
        "model": done.model,
        "champion": champion.version,
        "previous": done.previous,
        "generation": done.generation,
        "confirmed": done.confirmed,
    }


def hold(ws: Workspace, kind: Literal["pinned", "frozen", ""], why: str) -> Answer:
    """See `Project.pin`, `Project.freeze` and `Project.release`."""
    from fairlead.ops.flow import release

    intent = release.hold(ws, kind, why=why)
    champion = next(v for v in intent.variants if v.name == "champion")
    return {
        "model": ws.model,
        "champion": champion.version,
        "previous": intent.previous,
        "generation": ws.state.generation(),
        "hold": intent.hold,
    }


def address(ws: Workspace) -> str:
    """Base URL of the running server: of a live worker of this home, else as configured."""
    return located(ws)[0]


def ask(ws: Workspace, path: str, body: Any) -> Any:
    """POST JSON to the running server. Raises ServerUnreachable, or UsageError with the server's own words."""
    import httpx

    url = address(ws)
    if url.endswith(":0"):
        raise ServerUnreachable("no server is running here: start one with `fairlead up` or `fairlead serve`.")
    try:
        reply = post(ws, path, msgspec.json.encode(body))
    except httpx.TransportError as failure:
        raise ServerUnreachable(
            f"no server answers at {url}: start one with `fairlead up` or `fairlead serve`."
        ) from failure
    answer = msgspec.json.decode(reply.content)
    if reply.status_code >= 400:
        raise UsageError(f"the server answered {reply.status_code}: {answer.get('error', reply.reason_phrase)}")
    return answer


def records_of(ws: Workspace, rows: Any) -> list[dict[str, Any]]:
    """Rows as JSON-able dicts: a path, a DataFrame, or dicts as they are."""
    from fairlead.lab.tables.reading import Reading

    if isinstance(rows, dict):
        return [rows]
    if isinstance(rows, list):
        return rows
    data = ws.settings.data
    frame = rows
    if isinstance(rows, str):
        frame = Reading(data, home=ws.home.root).open(rows, query=data.query).frame()
    text = frame.to_json(orient="records", date_format="iso", double_precision=15)
    decoded: list[dict[str, Any]] = msgspec.json.decode(text)
    return decoded


def predict(ws: Workspace, rows: Any, rank: bool = False) -> Answer:
    """See `Project.predict`. Columns the model does not take (the target, ids it does not pass on) are left out."""
    from fairlead.doors.python.forecasting import asked_of, forecasting
    from fairlead.ops.flow import making
    from fairlead.reach.score.ranks import group_named, ranks_of

    ahead = forecasting(ws)
    records, made = asked_of(ws, rows, ahead) if ahead is not None else (records_of(ws, rows), False)
    bundle = making.champion_bundle(ws)
    signature = None if bundle is None else ws.load(bundle).signature
    if signature is not None:
        if rank:
            group_named(signature, records[0] if records else ())
        wanted = {*signature.names, *signature.passthrough}
        records = [{name: cell for name, cell in row.items() if name in wanted} for row in records]
    predictions: list[Any] = []
    for start in range(0, len(records), BATCH_ROWS):
        answer = ask(ws, f"/predict/{ws.model}", records[start : start + BATCH_ROWS])
        predictions.extend(answer["predictions"])
    answered: Answer = {"rows": len(predictions), "predictions": predictions}
    if made and ahead is not None:
        # Which series, and from when on: nobody sent it so.
        answered["asked"] = [{k: v for k, v in row.items() if k in ("origin", ahead.series)} for row in records]
    if rank and signature is not None:
        answered["ranks"] = ranks_of(records, predictions, signature)
    return answered


def feedback(ws: Workspace, labels: Any) -> Answer:
    """See `Project.feedback`."""
    from fairlead.doors.python.forecasting import forecasting, told_of

    ahead = forecasting(ws)
    told = told_of(ws, labels, ahead) if ahead is not None else None
    rows = (label_of(ws, row) for row in records_of(ws, labels)) if told is None else told
    size = BATCH_ROWS if ahead is None else max(1, min(BATCH_ROWS, BATCH_STEPS // ahead.horizon))
    accepted, rejected = 0, []
    while body := list(islice(rows, size)):
        answer = ask(ws, f"/feedback/{ws.model}", body)
        accepted += answer["accepted"]
        rejected.extend(answer["rejected"])
    return {"accepted": accepted, "rejected": rejected, "judged_after": ws.settings.monitor.label_delay}


def label_of(ws: Workspace, row: dict[str, Any]) -> dict[str, Any]:
    """A label as the server takes it; the project's own column names for key and target are understood, too."""
    model = ws.settings.model
    wanted = {"request", "row", "key", "time", "label", "value", "comment", "definition"}
    label = {name: cell for name, cell in row.items() if name in wanted and cell is not None}
    if "request" not in label and row.get("request_id") is not None:
        label["request"] = row["request_id"]
    if "key" not in label and "request" not in label and model.id in row:
        label["key"] = row[model.id]
        # A key that comes back needs the time of the row it is for.
        if "time" not in label and model.time_columns and all(row.get(c) is not None for c in model.time_columns):
            label["time"] = [row[c] for c in model.time_columns]
    if "label" not in label and model.target in row:
        label["label"] = row[model.target]
    return label


def status(ws: Workspace) -> Answer:
    """See `Project.status`."""
    from fairlead.ops.flow.status import status_of

    return status_of(ws)
