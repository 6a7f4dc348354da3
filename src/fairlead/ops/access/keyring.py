"""The keys of a home. Every change is an event of the audit log; publishing it is the flow's part."""

from __future__ import annotations

import difflib
import re
import secrets
import time
from collections.abc import Iterable, Sequence

import msgspec

from fairlead.contract.errors import UsageError
from fairlead.contract.ports import Clock
from fairlead.contract.routes import Key
from fairlead.ops.audit import Audit
from fairlead.ops.state import KeyRow, State
from fairlead.runtime.serve.access import hash_of, new_secret
from fairlead.runtime.serve.access.grants import VERBS
from fairlead.runtime.serve.access.ledger import KEYS as MOST_KEYS

DAY_S = 86400.0
MOST_DIGITS = 12
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9 ._@+-]{0,62}$")


class Issued(msgspec.Struct, frozen=True):
    """A key that was just made. secret: shown once; nobody can find it out again."""

    key: Key
    secret: str


class Keyring:
    """actor: who makes and revokes. Two live keys have one name only while one replaces the other."""

    def __init__(self, state: State, audit: Audit, actor: str, clock: Clock = time.time) -> None:
        self._state, self._audit, self._actor, self._clock = state, audit, actor, clock

    def rows(self) -> list[KeyRow]:
        """All keys that were ever made, oldest first."""
        return self._state.api_keys()

    def published(self) -> tuple[Key, ...]:
        """Those that hold now, as the data plane is told of them."""
        now = self._clock()
        held = [msgspec.structs.replace(row.key, expires=row.expires) for row in self.rows() if row.holds(now)]
        return tuple(sorted(held, key=lambda key: key.id))

    def create(
        self,
        name: str,
        *,
        models: Sequence[str] = ("*",),
        verbs: Sequence[str] = ("predict", "feedback"),
        purpose: str = "",
        days: float = 90.0,
        rate: float = 0.0,
        burst: int = 0,
        rows_per_day: int = 0,
        digits: int | None = None,
        label_only: bool = False,
    ) -> Issued:
        """Make a key. days: until it expires, 0 for never; the rest as in `contract.routes.Key`.

        Raises UsageError for a name that is taken, unknown verbs and limits that are none.
        """
        key = Key(
            id="",
            name=name,
            hash="",
            models=_distinct(models, "model"),
            verbs=_known_verbs(verbs),
            purpose=purpose.strip(),
            rate_per_s=rate,
            burst=burst,
            rows_per_day=rows_per_day,
            digits=digits,
            label_only=label_only,
        )
        _require_sound(key, days)
        with self._state.transaction():
            live = [row for row in self.rows() if row.holds(self._clock())]
            if any(row.key.name == name for row in live):
                raise UsageError(f"there is a key named {name!r} already: rotate or revoke it, or choose another name.")
            if len(live) >= MOST_KEYS:
                raise UsageError(f"there are {MOST_KEYS:,} keys, which is the most: revoke those that nobody uses.")
            expires = self._clock() + days * DAY_S if days else 0.0
            return self._make(key, expires, "create key")

    def rotate(self, name: str, overlap_s: float = DAY_S) -> Issued:
        """A new secret with the same rules and span of life; the old one holds for `overlap_s` more seconds.

        Raises UsageError when there is no such key, or two of them.
        """
        if not 0 <= overlap_s <= 365 * DAY_S:
            raise UsageError("the old key may hold for up to a year more.")
        now = self._clock()
        with self._state.transaction():
            found = self._live(name)
            if len(found) > 1:
                raise UsageError(
                    f"{name!r} is being rotated already: first revoke the older of its two keys, by its id."
                )
            old = found[0]
            expires = now + (old.key.expires - old.created_at) if old.key.expires else 0.0
            issued = self._make(old.key, expires, "rotate key", replaces=old.key.id)
            if overlap_s:
                until = now + overlap_s
                self._state.expire_key(old.key.id, at=min(until, old.expires) if old.expires else until)
            else:
                self._state.revoke_key(old.key.id, at=now)
        return issued

    def revoke(self, name: str, why: str = "revoked by hand") -> tuple[Key, ...]:
        """Every live key of that name, or the one with that id. Raises UsageError when there is none."""
        with self._state.transaction():
            found = self._live(name)
            for row in found:
                self._state.revoke_key(row.key.id, at=self._clock())
                self._audit.record(self._actor, "revoke key", row.key.name, why, {"id": row.key.id})
        return tuple(row.key for row in found)

    def _live(self, name: str) -> list[KeyRow]:
        live = [row for row in self.rows() if row.holds(self._clock())]
        found = [row for row in live if name in (row.key.id, row.key.name)]
        if not found:
            names = sorted({row.key.name for row in live})
            near = difflib.get_close_matches(name, names, n=1)
            known = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names[:20]) or 'none'}."
            raise UsageError(f"no live key is named {name!r}. {known}")
        return found

    def _make(self, rules: Key, expires: float, action: str, **more: str) -> Issued:
        secret = new_secret()
        id = f"k{secrets.token_hex(6)}"
        key = msgspec.structs.replace(rules, id=id, hash=hash_of(secret), expires=expires)
        self._state.add_key(key, at=self._clock())
        details = {name: value for name, value in msgspec.to_builtins(key).items() if name not in {"hash", "name"}}
        self._audit.record(self._actor, action, key.name, "", {**details, **more})
        return Issued(key, secret)


def _distinct(given: Iterable[str], what: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(word.strip() for word in given if word.strip()))
    if not found:
        raise UsageError(f"name at least one {what}.")
    return ("*",) if "*" in found else found


def _known_verbs(given: Iterable[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(given))
    for verb in found:
        if verb not in VERBS:
            raise UsageError(f"unknown verb {verb!r}. Known: {', '.join(VERBS)}.")
    if not found:
        raise UsageError(f"name at least one verb: {', '.join(VERBS)}.")
    return found


def _require_sound(key: Key, days: float) -> None:
    if not _NAME.match(key.name):
        raise UsageError("a name has up to 63 letters, digits, spaces and . _ @ + - and does not begin with a sign.")
    if not 0 <= days <= 3650:
        raise UsageError("a key holds for up to 3650 days; 0 is for ever.")
    if not 0 <= key.rate_per_s <= 1e6:
        raise UsageError("a rate lies between 0 (no limit) and 1,000,000 requests a second.")
    if not 0 <= key.burst <= 1_000_000 or (key.burst and not key.rate_per_s):
        raise UsageError("a burst belongs to a rate, and is at most 1,000,000 requests.")
    if not 0 <= key.rows_per_day <= 1 << 50:
        raise UsageError("rows a day must not be negative; 0 is without limit.")
    if key.digits is not None and not 0 <= key.digits <= MOST_DIGITS:
        raise UsageError(f"probabilities are rounded to 0 to {MOST_DIGITS} decimals.")
    if len(key.purpose) > 100:
        raise UsageError("a purpose has at most 100 characters.")
