"""Labels, values and words of end users, written to the spool before they are acknowledged; joining happens later."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from fairlead.contract.errors import BodyInvalid, Busy, ModelNotFound
from fairlead.contract.ports import Caller
from fairlead.runtime.capture.forecasts import label_of
from fairlead.runtime.capture.redaction import redact
from fairlead.runtime.capture.spool import Spool, Tally
from fairlead.runtime.serve.deployed import Deployed, Serving
from fairlead.runtime.serve.identity import usable
from fairlead.runtime.wire import frames
from fairlead.runtime.wire.checks import kind_of, text_of
from fairlead.runtime.wire.reading import read_json
from fairlead.runtime.wire.times import event_time

MOST_ITEMS = 10_000
LONGEST_COMMENT = 4_096
_FIELDS = frozenset(
    {"model", "request", "request_id", "row", "key", "time", "label", "value", "comment", "definition"}
)  # fmt: skip


class _Rejected(Exception):
    """Why one item was not taken."""


def take(
    serving: Serving,
    body: bytes,
    model: str | None,
    arrived: float,
    spool: Spool | None,
    caller: Caller | None = None,
) -> bytes:
    """Write what is right, name what is not: {"accepted": n, "rejected": [{"item": i, "reason": text}]}.

    body: one item or a list. An item says what it is about by `request_id` and `row` (0 when left out), or by
    `key` and, where a key comes back, `time` (of a forecast the series and the origin; of one series the origin alone);
    and gives `label`, `value`, `comment` or several of them.
    caller: who gives it, where that is known; it may do so for the models of its key alone.
    Raises BodyInvalid, Forbidden, and Busy when the spool cannot take it: nothing is acknowledged that was not written.
    """
    got = read_json(body)
    items = got if isinstance(got, list) else [got]
    if len(items) > MOST_ITEMS:
        raise BodyInvalid(f"at most {MOST_ITEMS} items at once")
    given: dict[str, list[frames.Given]] = {}
    rejected = []
    for at, item in enumerate(items):
        try:
            deployed = _deployed(serving, item, model)
            if caller is not None and serving.access is not None:
                serving.access.permit(caller, "feedback", deployed.route.model)
            given.setdefault(deployed.route.model, []).append(_given(item, deployed, serving.redact_key))
        except _Rejected as reason:
            rejected.append({"item": at, "reason": str(reason)})
    accepted = sum(len(labels) for labels in given.values())
    if accepted:
        if spool is None:
            raise BodyInvalid("this server keeps no records, so it takes no feedback")
        mark = None if caller is None else caller.rules.mark
        encoded = [frames.encode(frames.Label(arrived, name, mark, labels)) for name, labels in given.items()]
        if not spool.append(encoded, [], Tally(labels=accepted)):
            raise Busy()
    return msgspec.json.encode({"accepted": accepted, "rejected": rejected})


def _deployed(serving: Serving, item: Any, model: str | None) -> Deployed:
    if not isinstance(item, dict):
        raise _Rejected(f"found {kind_of(item)}, allowed: an object")
    name = item.get("model", model)
    if name is None:
        if serving.default is None:
            raise _Rejected(f"name the model. Served: {', '.join(serving.models) or 'none'}")
        return serving.default
    found = serving.deployed.get(name) if isinstance(name, str) else None
    if found is None:
        if model is not None and name == model:
            raise ModelNotFound(f"no such model. Served: {', '.join(serving.models) or 'none'}.")
        raise _Rejected(f"no such model. Served: {', '.join(serving.models) or 'none'}")
    return found


def _given(item: dict[str, Any], deployed: Deployed, redact_key: bytes) -> frames.Given:
    unknown = sorted(name[:80] for name in item if name not in _FIELDS)
    if unknown:
        raise _Rejected(f"unknown field {unknown[0]!r}. Known: {', '.join(sorted(_FIELDS))}")
    request, row, key, time = _about(item, deployed)
    if key is not None and deployed.hides_key:
        key = redact(key, redact_key)
    label = _label(item.get("label"), deployed)
    value = item.get("value")
    if value is not None and not _finite(value):
        raise _Rejected(f"value: found {kind_of(value)}, allowed: a number")
    comment = _short(item, "comment", LONGEST_COMMENT)
    if label is None and value is None and comment is None:
        raise _Rejected("nothing given: send label, value or comment")
    definition = _short(item, "definition", 128) or deployed.signature.definition
    return frames.Given(request, row, key, time, label, None if value is None else float(value), comment, definition)


def _about(item: dict[str, Any], deployed: Deployed) -> tuple[str | None, int, str | None, float | None]:
    request = item.get("request_id", item.get("request"))
    if request is not None:
        if not isinstance(request, str) or not usable(request):
            raise _Rejected("request_id: must be the id that the prediction came back with")
        row = item.get("row", 0)
        if isinstance(row, bool) or not isinstance(row, int) or not 0 <= row < 1 << 31:
            raise _Rejected("row: must be the row's position in its request, from 0")
        return request, row, None, None
    key = item.get("key")
    signature = deployed.signature
    if key is None and signature.horizon and signature.row_key is None and item.get("time") is not None:
        key = ""  # There is but one series.
    if key is None and signature.row_key is None and not signature.horizon:
        raise _Rejected("say which row: request_id and row; this model has no key column ([model] id)")
    if key is None:
        raise _Rejected("say which row: request_id and row, or key (and time)")
    if not isinstance(key, (str, int, float)) or isinstance(key, bool):
        raise _Rejected(f"key: found {kind_of(key)}, allowed: text or a number")
    if (isinstance(key, str) and len(key) > 1024) or (isinstance(key, int) and abs(key) >= 10**128):
        raise _Rejected("key: too long")
    time = item.get("time")
    at = None
    if time is not None:
        at = event_time(time if isinstance(time, list) else [time], deployed.zone)
        if at is None:
            raise _Rejected("time: must be seconds since the epoch, an ISO 8601 time, or [date, hour]")
    return None, 0, text_of(key), at


def _label(label: Any, deployed: Deployed) -> str | None:
    """A class or cluster as the model names it, `true` or `false` of an anomaly; a number as text; of a forecast a
    number a step, null for what is not due.
    """
    if label is None:
        return None
    labels, horizon = deployed.signature.labels, deployed.signature.horizon
    if horizon:
        told = label_of(label, horizon) if isinstance(label, list) else None
        if told is None:
            allowed = f"a list of 1 to {horizon} numbers, one a step from t+1 on, null for what is not due"
            raise _Rejected(f"label: found {kind_of(label)}, allowed: {allowed}")
        return told
    if not labels:
        if not _finite(label):
            raise _Rejected(f"label: found {kind_of(label)}, allowed: a number")
        return repr(float(label))
    if isinstance(label, (str, int, float)):
        text = text_of(label)
        tries = [text, text.capitalize(), str(int(label))] if isinstance(label, bool) and text else [text]
        for name in tries:
            if name in labels:
                return name
        if deployed.signature.task == "anomaly" and text in ("0", "1"):
            return labels[int(text)]
    what = {"clustering": "a cluster", "anomaly": "an answer"}.get(deployed.signature.task, "a class")
    raise _Rejected(f"label: not {what} of this model. Allowed: {', '.join(labels[:20])}")


def _finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _short(item: dict[str, Any], name: str, longest: int) -> str | None:
    text = item.get(name)
    if text is None:
        return None
    if not isinstance(text, str) or len(text) > longest:
        raise _Rejected(f"{name}: must be text of at most {longest} characters")
    return text
