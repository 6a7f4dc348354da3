"""`project.keys`: who may ask the server. Every change is published and confirmed by the running workers."""

from __future__ import annotations

import difflib
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead.contract.errors import FairleadError, UsageError
from fairlead.contract.routes import Key
from fairlead.ops.access import Issued
from fairlead.ops.flow import Workspace
from fairlead.ops.flow.admitting import keyring, publish_keys
from fairlead.ops.project import parse_duration
from fairlead.ops.state import KeyRow

Answer = dict[str, Any]


class Keys:
    """API keys of a home. A secret is in the answer that made it and nowhere else."""

    def __init__(self, workspace: Workspace) -> None:
        self._ws = workspace

    def create(
        self,
        name: str,
        *,
        models: Sequence[str] = (),
        verbs: Sequence[str] = (),
        purpose: str = "",
        days: float = 90.0,
        rate: float = 0.0,
        burst: int = 0,
        rows_per_day: int = 0,
        digits: int | None = None,
        label_only: bool = False,
    ) -> Answer:
        """Make a key. models: this project's when left out, "*" for all; verbs: predict and feedback when left out."""
        ws = self._ws
        known = sorted({ws.model, *ws.state.models()})
        for model in models:
            if model != "*" and model not in known:
                near = difflib.get_close_matches(model, known, n=1)
                cure = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
                raise UsageError(f"no model of this home is named {model!r}. {cure}")
        issued = keyring(ws).create(
            name,
            models=tuple(models) or (ws.model,),
            verbs=tuple(verbs) or ("predict", "feedback"),
            purpose=purpose,
            days=days,
            rate=rate,
            burst=burst,
            rows_per_day=rows_per_day,
            digits=digits,
            label_only=label_only,
        )
        return self._told(issued)

    def rotate(self, name: str, overlap: str = "1d") -> Answer:
        """A new secret for the same rules; the old one holds for `overlap` more, 0s to end it at once."""
        return self._told(keyring(self._ws).rotate(name, parse_duration(overlap)))

    def revoke(self, name: str, why: str = "revoked by hand") -> Answer:
        """End every live key of that name, or the one with that id. Running workers know when this returns."""
        gone = keyring(self._ws).revoke(name, why)
        return {"revoked": [{"id": key.id, "name": key.name} for key in gone], **self._published()}

    def list(self) -> Answer:
        """All keys that were ever made, without their hashes."""
        now = time.time()
        return {"keys": [_shown(row, now) for row in keyring(self._ws).rows()]}

    def _told(self, issued: Issued) -> Answer:
        answer: Answer = {"key": issued.secret, **_rules(issued.key), "warnings": _warnings(self._ws, issued.key)}
        try:
            return {**answer, **self._published()}
        except FairleadError as failure:
            # The secret is told all the same: nobody could find it out again.
            answer["warnings"].append(str(failure))
            return {**answer, "generation": self._ws.state.generation(), "confirmed": 0}

    def _published(self) -> Answer:
        done = publish_keys(self._ws)
        return {"generation": done.generation, "confirmed": done.confirmed}


def _warnings(ws: Workspace, key: Key) -> list[str]:
    purposes = ws.settings.serve.purposes
    if not key.purpose or key.purpose in purposes or ws.model not in key.models:
        return []
    known = f"It is meant for: {', '.join(purposes)}." if purposes else "[serve] purposes names none."
    return [f"{ws.model} refuses this key, as {key.purpose!r} is none of its intended uses. {known}"]


def _rules(key: Key) -> Answer:
    shown: Answer = {field: getattr(key, field) for field in key.__struct_fields__ if field != "hash"}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in shown.items()}


def _shown(row: KeyRow, now: float) -> Answer:
    key = msgspec.structs.replace(row.key, expires=row.expires)
    state = "revoked" if row.revoked_at is not None else "live" if row.holds(now) else "expired"
    return {**_rules(key), "state": state, "created_at": row.created_at, "revoked_at": row.revoked_at}
