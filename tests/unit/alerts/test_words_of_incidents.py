"""The first thing that is said of each fault: what, where, since when, how large, and what to do."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "monitor"))

from infrastructure_samples import NOON, answered, minute

from fairlead.contract.events import Cause, Finding
from fairlead.contract.evidence import Interval
from fairlead.ops.alerts import wording
from fairlead.ops.alerts.belonging import group
from fairlead.ops.monitor.infrastructure.limits import findings_of
from fairlead.ops.monitor.infrastructure.minutes import minute_of
from fairlead.ops.monitor.infrastructure.naming import name_causes

SINCE = 1_700_000_000.0


def found(area: Any, check: str, message: str, *columns: str, **more: Any) -> Finding:
    told: dict[str, Any] = {"size": 120.0, "low": 120.0, "high": 120.0, "unit": "rows", "first": SINCE + 3600.0}
    return Finding("f", "bike", area, check, 3, SINCE, message=message, columns=columns, **{**told, **more})


def of_machine(limits: dict[str, float], *variants: Any, **beats: Any) -> Finding:
    seen = minute_of(minute(NOON, *(variants or (answered(900),)), **beats), "m")
    assert seen is not None
    (one,) = findings_of("bike", seen, (), limits, 512, name_causes(seen, queue=512))
    return one


FAULTS: dict[str, tuple[Finding, str, str, str]] = {
    "stuck": (
        found("quality", "stuck", "hum: 120 rows in a row hold one value", "hum"), "data quality: hum",
        "Size: 120 rows.", "Look at where hum comes from.",
    ),
    "drift": (
        found("data_drift", "drift", "price moved by 0.3", "price", causes=(Cause("source", "shop north", 0.9, "w"),)),
        "data drift: price (likely source shop north)", "Size: 120 rows.",
        "Look at the source shop north. If this is how things are now: `fairlead expected 1`; to learn from it: "
        "`fairlead retrain`.",
    ),
    "concept": (
        found("performance", "promise", "the model loses +0.5 a row more", cost=Interval(0.5, 0.4, 0.6),
              cost_in="loss a row", causes=(Cause("time", "concept", 0.9, "no column moved"),)),
        "performance (likely a changed concept)",
        "Likely cause: a changed concept (no column moved).\nSize: 120 rows.\n"
        "Estimated cost: +0.5 loss a row (between 0.4 and 0.6).",
        "A model of newer rows: `fairlead retrain`. The version before: `fairlead rollback`.",
    ),
    "challenger": (
        found("code", "trial_failed", "worse than the champion: +0.38", causes=(Cause("version", "3", 1.0, "w"),)),
        "code: version 3", "Likely cause: version 3 (w).",
        "Nothing at once: it answers no more. Find out what is wrong with it before it is tried again.",
    ),
    "slow disk": (
        of_machine({"sync_ms": 500.0}, sync_most_s=2.0, sync_s=2.0, cpu_s=0.5), "infrastructure: slow disk",
        "1,995 ms, the limit is 500", "See what else writes to that disk, or move the home to another (FAIRLEAD_HOME).",
    ),
    "starved": (
        of_machine({"held": 0.5}, held_s=3.5, held_most_s=3.0, cpu_s=0.2), "infrastructure: starved worker",
        "could not run for", "See what else computes on this machine, or what limits its control group.",
    ),
    "failing": (
        of_machine({"errors": 0.02}, answered(90), answered(30, failed=20, variant="challenger", version="2")),
        "code: challenger (version 2)", "requests failed, the limit is 0.02",
        "The version before answers again with `fairlead rollback`; of a challenger that ends its trial.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_where_since_when_how_large_and_what_to_do(fault: str) -> None:
    finding, title, size, todo = FAULTS[fault]
    (incident,) = group((), [finding], {}, SINCE, 1).incidents
    assert incident.title == title
    said, body = wording.notice(incident, [finding])
    assert said == f"bike #1: {title} ({finding.severity})"
    lines = body.splitlines()
    assert lines[0] == wording.sentence(finding.message)
    assert any(line.startswith(f"Since {wording.moment(finding.since)}") for line in lines)
    assert size in body
    assert f"What to do: {todo}" in lines


def test_a_loss_measured_with_labels_that_look_poisoned_is_named_so() -> None:
    cause = Cause("time", "arrival in short runs", 1.0, "86 labels disagree beyond what blocks differ usually")
    concept, moved = Cause("time", "concept", 1.0, "no column moved"), Cause("column", "hum", 0.6, "it moved by 0.20")
    loss = found("performance", "promise", "the model loses +0.5 a row more", causes=(concept, moved))
    loss = msgspec.structs.replace(loss, id="loss", severity="critical")
    doubted = found("labels", "poisoned_arrival", "labels disagree", segment="arrival in short runs", causes=(cause,))
    (incident,) = group((), [loss, doubted], {}, SINCE, 1).incidents
    assert incident.title == "performance and labels (likely poisoned labels of arrival in short runs)"
    assert incident.causes[0] == cause
    _, body = wording.notice(incident, [loss, doubted])
    assert "What to do: Look at where these labels come from before a model learns from them." in body.splitlines()
    (alone,) = group((), [doubted], {}, SINCE, 1).incidents
    assert alone.title == "labels of arrival in short runs (likely poisoned)"
