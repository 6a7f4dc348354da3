"""What a user would have been told: the alarms of a policy grouped into incidents by the functions that group them
live."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.contract.events import Finding
from fairlead.contract.incidents import Incident
from fairlead.ops.alerts.belonging import Known, group
from fairlead.ops.alerts.incidents import LATELY


class Incidents:
    """Incidents of one policy, brought up to date after every look. begun: windows (positions) in which they began."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self._known: dict[str, Incident] = {}
        self._members: dict[str, dict[str, Known]] = {}

    def follow(self, open_now: Sequence[Finding], window: int, at: float) -> list[Incident]:
        """All findings that stand after a look at a window, at event time `at`; returns the incidents that began."""
        standing = {f.id: f for f in open_now}
        for members in self._members.values():
            for name, one in members.items():
                if name in standing:
                    members[name] = Known(standing.pop(name), None)
                elif one.closed_at is None:
                    members[name] = Known(one.finding, at)
        lasting = [i for i in self._known.values() if i.state != "resolved"]
        if not standing and not lasting:
            return []
        over = [i for i in self._known.values() if i.state == "resolved" and not i.merged_into][-LATELY:]
        known = {i.id: list(self._members[i.id].values()) for i in (*lasting, *over)}
        done = group([*lasting, *over], list(standing.values()), known, at, len(self._known) + 1)
        begun = [i for i in done.incidents if i.id not in self._known]
        for incident in done.incidents:
            self._known[incident.id] = incident
            self._members.setdefault(incident.id, {})
        for finding, incident_id in done.joined:
            self._members[incident_id][finding] = Known(standing[finding], None)
        for younger, older in done.merged:
            self._members[older].update(self._members[younger])
            self._members[younger] = {}
        self.begun += [window] * len(begun)
        return begun
