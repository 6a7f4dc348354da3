"""What the columns of an answer are called where answers are tables: Arrow, files that were scored, MLflow's frames."""

from __future__ import annotations

from fairlead.contract.signature import Signature

_DECIDED = {"classification": "label", "clustering": "cluster", "anomaly": "anomaly"}
MEMBERSHIP = "membership_"


def decided_in(signature: Signature) -> str:
    """The column of decisions, empty where an answer is a number."""
    return _DECIDED.get(signature.task, "")


def score_columns(signature: Signature) -> tuple[str, ...]:
    """The columns of scores, in their order: the classes, `membership_<cluster>`, `score`, `t+1` ... of a forecast, or
    `value`.
    """
    if signature.task == "clustering":
        return tuple(MEMBERSHIP + name for name in signature.classes)
    return signature.outputs
