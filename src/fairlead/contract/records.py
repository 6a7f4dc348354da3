"""Names in the Parquet layout of records and labels. Features are `in.<name>`, answers `out.<name>`.

A tensor is a fixed-size list of its elements, with `shape` (JSON) in the metadata of its field; `mean.<name>` and
`spread.<name>` say what its elements average to and how they spread.

records/<model>/<date>/<hour>/<segment>-<offset>.parquet: one line a row answered (date and hour of arrival, UTC).
labels/<model>/<date>/<segment>-<offset>.parquet: one line a label.
A record's identity is (segment, offset, row): segment names instance, worker and sequence of a spool file.
"""

from __future__ import annotations

FORMAT = 1

SEGMENT = "segment"  # str
OFFSET = "offset"  # int64, byte offset of the frame in its segment
ROW = "row"  # int32, position in the request
KIND = "kind"  # "prediction" | "shadow"
ARRIVED = "arrived"  # float64, seconds since the epoch, when the request came in
TIME = "time"  # float64, event time: the project's time columns if the request carried them, else ARRIVED
LATENCY = "latency_s"  # float64
REQUEST = "request"  # str, request id
KEY = "key"  # str | null, row key after redaction
CALLER = "caller"  # str | null, hashed
MODEL = "model"
BUNDLE = "bundle"
VARIANT = "variant"
PROTOCOL = "protocol"
LABEL_OUT = "out.label"  # str, the decision: a class, a cluster, "true" or "false" of an anomaly
VALUE_OUT = "out.value"  # float64 (regression, score of an anomaly); else there is out.p.<class or cluster>
STEP_OUT = "out."  # float64, of a forecast: out.t+1, out.t+2, ...
PROBABILITY_OUT = "out.p."
ABSTAINED_OUT = "out.abstained"  # bool, of models that abstain: the answer is left to people
FEATURE_IN = "in."
MEAN_IN, SPREAD_IN = "mean.", "spread."  # float64, of the elements of a tensor that is a feature
NEWEST_IN = "newest."  # float64, of the history that a forecast goes by: its newest value
PASSED_IN = "pass."  # pass-through columns other than the key, as text

RECORD_META: tuple[str, ...] = (
    SEGMENT, OFFSET, ROW, KIND, ARRIVED, TIME, LATENCY, REQUEST, KEY, CALLER, MODEL, BUNDLE, VARIANT, PROTOCOL,
)  # fmt: skip

# ROW of a label is the row of the request that it is for.
ITEM = "item"  # int32, position of the label in the feedback it came with
# str | null: the true class or group, "true" or "false" of an anomaly, the number as text, or of a forecast a JSON list
LABEL = "label"  # of a number a step, null for what is not due
VALUE = "value"  # float64 | null: a business number
COMMENT = "comment"  # str | null
DEFINITION = "definition"  # str: of the target
LABEL_ARRIVED = "label.arrived"  # float64 | null: when the label that counts came; in joined tables alone
LABEL_CALLER = "label.caller"  # str | null: who sent it, hashed; in joined tables alone
LABEL_META: tuple[str, ...] = (
    SEGMENT, OFFSET, ITEM, ARRIVED, TIME, REQUEST, ROW, KEY, MODEL, LABEL, VALUE, COMMENT, DEFINITION, CALLER,
)  # fmt: skip
