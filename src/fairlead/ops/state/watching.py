"""Windows and what was found in them."""

from __future__ import annotations

from sqlalchemy import bindparam, select, update

from fairlead.contract.events import Finding, Window
from fairlead.ops.state.encoding import from_text, to_text
from fairlead.ops.state.rows import FindingRow
from fairlead.ops.state.schema import findings, windows
from fairlead.ops.state.store import Store, put

# Made once: the watcher asks them many times a window, and making one costs more than asking it.
_OF_MODEL = select(windows.c.body).where(windows.c.model == bindparam("asked"))
_EVERY = _OF_MODEL.order_by(windows.c.number.desc())
_LAST = _EVERY.limit(bindparam("most"))
_AFTER = _OF_MODEL.where(windows.c.number > bindparam("least")).order_by(windows.c.number)
_FOUND = select(findings.c.body).order_by(findings.c.since.desc(), findings.c.id.desc())
_OPEN = _FOUND.where(findings.c.model == bindparam("asked"), findings.c.state != "closed")


class Watching(Store):
    """Tables `windows` and `findings`."""

    def put_window(self, window: Window, profile_json: bytes | None = None) -> None:
        """Record a window as it is now, over an earlier state of it. A profile once given stays when None is given."""
        values: dict[str, object] = {"state": window.state, "body": to_text(window)}
        if profile_json is not None:
            values["profile"] = profile_json
        with self._writing() as connection:
            put(connection, windows, {"model": window.model, "number": window.index}, values)

    def windows_after(self, model: str, number: int) -> list[Window]:
        """Windows of greater numbers, in order: for who has read those up to it already."""
        with self._reading() as connection:
            found = connection.execute(_AFTER, {"asked": model, "least": number}).scalars()
            return [from_text(body, Window) for body in found]

    def windows(self, model: str, last: int | None = None) -> list[Window]:
        """Windows in order, or only the `last` ones."""
        query = _EVERY if last is None else _LAST
        with self._reading() as connection:
            found = connection.execute(query, {"asked": model, **({} if last is None else {"most": last})}).scalars()
            return [from_text(body, Window) for body in found][::-1]

    def windows_in(self, model: str, state: str) -> list[Window]:
        """Windows in that state alone, in order."""
        query = select(windows.c.body).where(windows.c.model == model, windows.c.state == state)
        with self._reading() as connection:
            found = connection.execute(query.order_by(windows.c.number)).scalars()
            return [from_text(body, Window) for body in found]

    def windows_since(self, model: str, end: float) -> list[Window]:
        """Windows that end after `end`, in order; older ones are not read."""
        found: list[Window] = []
        query = select(windows.c.body).where(windows.c.model == model).order_by(windows.c.number.desc())
        with self._reading() as connection:
            for body in connection.execution_options(yield_per=64).execute(query).scalars():
                window = from_text(body, Window)
                if window.end <= end:
                    break
                found.append(window)
        return found[::-1]

    def windows_until(self, model: str, number: int | None, last: int) -> list[Window]:
        """The `last` windows up to that number, in order; up to the newest one without."""
        query = select(windows.c.body).where(windows.c.model == model).order_by(windows.c.number.desc()).limit(last)
        with self._reading() as connection:
            found = connection.execute(query if number is None else query.where(windows.c.number <= number)).scalars()
            return [from_text(body, Window) for body in found][::-1]

    def first_window(self, model: str) -> Window | None:
        """The oldest one, None before any."""
        query = select(windows.c.body).where(windows.c.model == model).order_by(windows.c.number).limit(1)
        with self._reading() as connection:
            body = connection.execute(query).scalar()
            return None if body is None else from_text(body, Window)

    def window_profile(self, model: str, index: int) -> bytes | None:
        """The profile recorded with a window, or None."""
        query = select(windows.c.profile).where(windows.c.model == model, windows.c.number == index)
        with self._reading() as connection:
            return connection.execute(query).scalar()

    def put_finding(self, finding: Finding, state: str = "open") -> bool:
        """Record a finding as it is now; True if its id is new. One put with state "open" is open, even if closed."""
        values = {"model": finding.model, "state": state, "since": finding.since, "closed_at": None}
        with self._writing() as connection:
            new = connection.execute(select(findings.c.id).where(findings.c.id == finding.id)).first() is None
            put(connection, findings, {"id": finding.id}, {**values, "body": to_text(finding)})
            return new

    def close_finding(self, id: str, at: float) -> bool:
        """The trouble is over; True if it was open until now."""
        with self._writing() as connection:
            done = update(findings).where(findings.c.id == id, findings.c.state != "closed")
            return bool(connection.execute(done.values(state="closed", closed_at=at)).rowcount)

    def finding(self, id: str) -> FindingRow | None:
        """One finding and whether it lasts, or None."""
        with self._reading() as connection:
            row = connection.execute(select(findings).where(findings.c.id == id)).first()
            return FindingRow(from_text(row.body, Finding), row.state, row.closed_at) if row else None

    def findings(self, model: str | None = None, open_only: bool = True, last: int | None = None) -> list[Finding]:
        """Findings by the time they began, of one model or of all; only those not closed unless asked for all."""
        if model is not None and open_only and last is None:
            with self._reading() as connection:
                found = connection.execute(_OPEN, {"asked": model}).scalars()
                return [from_text(body, Finding) for body in found][::-1]
        query = _FOUND
        if model is not None:
            query = query.where(findings.c.model == model)
        if open_only:
            query = query.where(findings.c.state != "closed")
        with self._reading() as connection:
            found = connection.execute(query if last is None else query.limit(last)).scalars()
            return [from_text(body, Finding) for body in found][::-1]
