"""Incidents as alerts of Prometheus' Alertmanager, by its API v2: they fire, and resolve.

    alertmanager+http://alerts.example.org:9093

Labels are what names an incident for as long as it lasts (alertname, model, incident); everything that changes is an
annotation, but for the severity, by which Alertmanager routes. Grouping, silences and receivers are Alertmanager's.
Source: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.incidents import Alert, Incident
from fairlead.ops.alerts.addresses import shown
from fairlead.ops.alerts.posting import post
from fairlead.ops.alerts.secrets import resolved

LASTS = timedelta(days=366)
"""An alert that is not repeated is taken for over at its end; an incident says itself when it is."""

SHORTLY = timedelta(minutes=10)
"""Longer than Alertmanager waits before it tells of a group (`group_wait`, mostly 30 s)."""

GRAVE = ("critical", "warning", "info")


class AlertmanagerChannel:
    """One Alertmanager. A user and a password may stand before the host, the password as %-encoded `env:NAME`."""

    pictures = False

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self.name = shown(url)

    def __repr__(self) -> str:
        return f"AlertmanagerChannel({self.name!r})"

    def check(self) -> None:
        """Raises ConfigInvalid for an address that nothing could be sent to."""
        if self._url.scheme not in ("alertmanager+http", "alertmanager+https") or not self._url.hostname:
            cure = "Write it as alertmanager+http://host:9093."
            raise ConfigInvalid(f"{self.name}: this is no address of an Alertmanager.", key="alerts.to", cure=cure)

    def send(self, title: str, body: str) -> None:
        """An alert that lasts for an hour."""
        now = datetime.now(UTC)
        labels = {"alertname": "Fairlead", "severity": "warning", "title": title}
        self._post([_alert(labels, {"summary": title, "description": body}, now, now + timedelta(hours=1))])

    def tell(self, alert: Alert) -> None:
        """Fire, or resolve. Raises RemoteError."""
        incident = alert.incident
        if incident is None:
            self.send(alert.title, alert.body)
            return
        begun = datetime.fromtimestamp(incident.opened_at, UTC)
        if alert.kind == "passed":
            self._fire_shortly(alert, incident, begun)
            return
        over = incident.state == "resolved"
        # It ends now, not when its rows did: an end long past would be forgotten before anybody is told.
        now = datetime.now(UTC)
        said = {"summary": alert.title, "description": alert.body, **_annotations(incident)}
        fired = [_alert(_labels(incident, incident.severity), said, begun, now if over else now + LASTS)]
        # By its severity it is another alert to Alertmanager: what it was before ends.
        others = GRAVE if over or alert.kind == "worse" else ()
        fired += [_alert(_labels(incident, grave), said, begun, now) for grave in others if grave != incident.severity]
        self._post(fired)

    def _fire_shortly(self, alert: Alert, incident: Incident, begun: datetime) -> None:
        """What never fired cannot resolve: it fires for so long that it is told, and then ends."""
        said = {"summary": alert.title, "description": alert.body, **_annotations(incident)}
        ends = datetime.now(UTC) + SHORTLY
        self._post([_alert(_labels(incident, incident.severity), said, begun, ends)])

    def _post(self, alerts: list[dict[str, Any]]) -> None:
        path = self._url.path.rstrip("/") + "/api/v2/alerts"
        headers = {"content-type": "application/json"}
        if self._url.username is not None:
            password = resolved(unquote(self._url.password or ""), f"{self.name}: password")
            both = f"{unquote(self._url.username)}:{password}".encode()
            headers["authorization"] = "Basic " + base64.b64encode(both).decode()
        post(self._url, path, msgspec.json.encode(alerts), headers, self.name)


def _labels(incident: Incident, severity: str) -> dict[str, str]:
    return {
        "alertname": "FairleadIncident", "model": incident.model, "incident": f"{incident.number}",
        "severity": severity, "area": incident.areas[0] if incident.areas else "",
    }  # fmt: skip


def _annotations(incident: Incident) -> dict[str, str]:
    causes = "; ".join(f"{cause.kind} {cause.name}" for cause in incident.causes)
    return {"causes": causes, "columns": ", ".join(incident.columns), "assignee": incident.assignee}


def _alert(labels: dict[str, str], said: dict[str, str], begun: datetime, ends: datetime) -> dict[str, Any]:
    kept = {name: value for name, value in labels.items() if value}
    told = {name: value for name, value in said.items() if value}
    starts = min(begun, ends)
    return {"labels": kept, "annotations": told, "startsAt": _time(starts), "endsAt": _time(ends)}


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
