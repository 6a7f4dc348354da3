"""Plain words for groups and anomalies."""

from __future__ import annotations

from fairlead.contract.evidence import Interval
from fairlead.lab.evaluate.evidence import Report

MEANING_UNTAUGHT = {
    "alert_rate": "share of rows that it flags",
    "precision_at_k": "of as many of the strangest rows as there are anomalies, share that are",
    "silhouette": "how much nearer rows are to their own group than to the next, from -1 to 1",
    "calinski_harabasz": "spread between groups over spread within; higher is better",
    "davies_bouldin": "how alike the most alike groups are; lower is better",
    "stability": "how far it stays the same when rows are drawn anew; 1 is the same",
    "largest_share": "share of rows in the largest group",
    "smallest_share": "share of rows in the smallest group",
    "adjusted_rand": "agreement with the known groups, beyond chance; 1 is the same",
    "nmi": "how much the known groups and these say about each other, from 0 to 1",
}


def quality_untaught(report: Report) -> list[str]:
    """What a clustering or an anomaly detection is good for, in sentences."""
    found = report.metrics
    if report.task == "anomaly":
        told = [f"It flags {_share(found['alert_rate'])} of the rows."]
        if "roc_auc" in found:
            told.append(
                "Shown an anomaly and another row, it finds the anomaly stranger "
                f"{_share(found['roc_auc'])} of the time."
            )
        if "precision" in found and "recall" in found:
            told.append(
                f"Of those it flags, {_share(found['precision'])} are anomalies; of all there are, it finds "
                f"{_share(found['recall'])}."
            )
        return told
    told = [f"It puts rows into {len(report.classes)} groups."]
    if "largest_share" in found:
        told[0] = (
            f"It puts rows into {len(report.classes)} groups, from {found['smallest_share'].value:.1%} to "
            f"{found['largest_share'].value:.1%} of them."
        )
    if "stability" in found:
        held = found["stability"].value
        how = "hardly change" if held > 0.85 else "change somewhat" if held > 0.6 else "change much"
        told.append(f"When rows are drawn anew, the groups {how} (agreement {held:.2f} of 1).")
    if "adjusted_rand" in found:
        told.append(f"They agree with the known groups by {found['adjusted_rand'].value:.2f} of 1, beyond chance.")
    return told


def _share(found: Interval) -> str:
    return f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"
