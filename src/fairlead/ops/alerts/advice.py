"""What a reader can do about an incident, in a sentence or two. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.contract.events import Finding
from fairlead.contract.incidents import Incident
from fairlead.ops.alerts.evidence import LEAST_SHARED, broken

_OF_RESOURCE = {
    "slow disk": "See what else writes to that disk, or move the home to another (FAIRLEAD_HOME).",
    "disk full": "Make room, or keep less: `[capture] max_spool_mb` and `keep_days`.",
    "spool full": "See whether the collector runs (`fairlead status`): rows are answered and not captured.",
    "starved worker": "See what else computes on this machine, or what limits its control group.",
    "memory": "See what else uses memory on this machine, or run fewer workers (`[serve] workers`).",
    "too much traffic": "More workers (`[serve] workers`), another machine, or fewer requests.",
    "costlier requests": "See what changed in the requests: each costs more than it did.",
}
_OF_AREA = {
    "traffic": "See whether those who ask have changed what they ask, or cannot reach the server.",
    "late": "See whether rows still come: the client, its schedule, the collector (`fairlead status`).",
    "labels": "Look at where these labels come from before a model learns from them.",
    "requests": "Look at who sends such rows; they were answered all the same.",
    "alerts": "`fairlead alerts --test` says by channel what happens to a message.",
    "infrastructure": "`fairlead status` names the resource that runs out first.",
}


def advice(incident: Incident, findings: Sequence[Finding]) -> str:
    """What to do about it, empty where the findings say so themselves. findings: the leading one first."""
    if not findings:
        return ""
    lead = findings[0]
    named = next((c for c in lead.causes if c.name in _OF_RESOURCE and c.weight >= LEAST_SHARED), None)
    if named is not None:
        return _OF_RESOURCE[named.name]
    if lead.area == "code":
        return _of_code(lead)
    if any(f.area == "labels" and f.check.startswith("poisoned") and f.severity != "info" for f in findings):
        return _OF_AREA["labels"]
    if lead.area in ("performance", "concept_drift", "estimated"):
        return "A model of newer rows: `fairlead retrain`. The version before: `fairlead rollback`."
    if lead.area in ("quality", "contract", "data_drift", "score_drift"):
        return _of_data(incident, lead)
    return _OF_AREA.get(lead.area, "")


def _of_data(incident: Incident, lead: Finding) -> str:
    source = next((c for c in incident.causes if c.kind == "source" and c.weight >= LEAST_SHARED), None)
    who = (
        f"the source {source.name}" if source is not None else f"where {', '.join(lead.columns[:3]) or 'it'} comes from"
    )
    if broken(lead) or lead.area == "contract":
        return f"Look at {who}."
    n = incident.number
    return (
        f"Look at {who}. If this is how things are now: `fairlead expected {n}`; to learn from it: `fairlead retrain`."
    )


def _of_code(lead: Finding) -> str:
    if lead.check in ("trial_failed", "rolled_back"):
        return "Nothing at once: it answers no more. Find out what is wrong with it before it is tried again."
    return "The version before answers again with `fairlead rollback`; of a challenger that ends its trial."
