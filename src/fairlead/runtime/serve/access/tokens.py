"""JWTs by the public keys of their issuers (JWKS), which a thread of its own fetches: no request ever waits for it.

Keys are fetched again every five minutes (a file: every few seconds), and, at most once in half a minute, when a
token names a key that is not known. A fetch that fails changes nothing. PyJWT is imported when there is an issuer.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fairlead.contract.routes import Issuer
from fairlead.runtime.serve.access.fetching import fetch
from fairlead.runtime.serve.access.grants import Grants, of_scopes

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
LEEWAY_S = 30.0
REFRESH_S = 300.0
FILE_REFRESH_S = 5.0
PATIENCE_S = 30.0
MOST_KEYS = 100
MOST_ISSUERS = 16
LEAST_RSA_BITS = 2048
_log = logging.getLogger("fairlead.serve")


class Token(NamedTuple):
    """A token that holds. id: issuer and subject; expires: seconds since the epoch, leeway included."""

    id: str
    grants: Grants
    expires: float


class Source:
    """The keys of one issuer. keys: by their ids; those without one are under ""."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.keys: dict[str, Any] = {}
        self.asked_for = False
        self.tried = 0.0
        self.said = ""

    def due(self, patience_s: float) -> float:
        """When to fetch next, by the monotonic clock."""
        if not self.tried:
            return 0.0
        usual = REFRESH_S if "://" in self.issuer.jwks else FILE_REFRESH_S
        return self.tried + (min(usual, patience_s) if self.asked_for or not self.keys else usual)

    def refresh(self) -> bool:
        """Fetch; True when the keys are others than before."""
        # Before, not after: what is asked for meanwhile may have been published too late for this time.
        self.asked_for = False
        try:
            found = usable_keys(fetch(self.issuer.jwks))
            changed = {name: _raw(key) for name, key in found.items()} != {n: _raw(k) for n, k in self.keys.items()}
            self.keys = found
        except Exception as failed:
            why = f"{type(failed).__name__}: {failed}"
            if why != self.said:
                _log.error("the keys of token issuer %s cannot be had, going on with those known: %s",
                           self.issuer.issuer, why)  # fmt: skip
            self.said = why
            return False
        finally:
            # Last, since `follow` waits for it: by then the keys are there.
            self.tried = time.monotonic()
        self.said = ""
        return changed

    def read(self, token: str, algorithm: str, key: Any) -> Token | None:
        """The token's claims, if it holds: signature, issuer, audience, times."""
        import jwt

        if key.algorithm_name != algorithm:
            return None
        claims = jwt.decode(
            token, key, algorithms=[key.algorithm_name], issuer=self.issuer.issuer, audience=self.issuer.audience,
            leeway=LEEWAY_S, options={"require": ["exp", "iss", "aud"]},
        )  # fmt: skip
        who = claims.get("sub") or claims.get("client_id") or claims.get("azp") or ""
        grants = of_scopes(claims.get(self.issuer.claim))
        return Token(f"{self.issuer.issuer}|{who}"[:400], grants, float(claims["exp"]) + LEEWAY_S)


def usable_keys(body: bytes) -> dict[str, Any]:
    """Public keys of a JWKS that sign with an algorithm that is allowed, by id; symmetric ones are left out.

    Raises ValueError when there is none.
    """
    import jwt

    found: dict[str, Any] = {}
    said = json.loads(body)
    listed = said.get("keys") if isinstance(said, dict) else None
    for one in listed[:MOST_KEYS] if isinstance(listed, list) else ():
        try:
            key = jwt.PyJWK(one)
        except Exception:  # noqa: S112
            # What is no key, or one of a kind that is not known, says nothing of the others.
            continue
        strong = key.key_type != "RSA" or key.key.key_size >= LEAST_RSA_BITS
        if key.algorithm_name in ALGORITHMS and key.public_key_use in {None, "sig"} and strong:
            found.setdefault(key.key_id or "", key)
    if not found:
        raise ValueError(f"no key that signs with {', '.join(sorted(ALGORITHMS))}")
    return found


def _raw(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = key.key.public_key() if hasattr(key.key, "public_key") else key.key
    raw: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return raw


class Tokens:
    """All issuers. changed: called, on the fetching thread, when what was verified may no longer hold."""

    def __init__(self, changed: Callable[[], None] = lambda: None, patience_s: float | None = None) -> None:
        self._changed = changed
        self._patience_s = PATIENCE_S if patience_s is None else patience_s
        self._sources: tuple[Source, ...] = ()
        self._wake, self._over = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, issuers: Sequence[Issuer], wait_s: float = 0.0) -> None:
        """Accept tokens of these issuers alone. wait_s: how long to wait for the first answer of new ones."""
        known = {source.issuer: source for source in self._sources}
        self._sources = tuple(known.get(issuer) or Source(issuer) for issuer in issuers[:MOST_ISSUERS])
        if not self._sources:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="fairlead-jwks", daemon=True)
            self._thread.start()
        self._wake.set()
        until = time.monotonic() + wait_s
        while time.monotonic() < until and not all(source.tried for source in self._sources):
            time.sleep(0.01)

    def read(self, token: str) -> Token | None:
        """What a token says, or None when it does not hold, whatever the reason."""
        import jwt

        try:
            head = jwt.get_unverified_header(token)
            algorithm, name = head.get("alg"), head.get("kid", "")
            if algorithm not in ALGORITHMS:
                return None
            having = [(source, source.keys[name]) for source in self._sources if name in source.keys]
            if not having:
                self._ask_for_keys()
        except Exception:
            return None
        for source, key in having:
            try:
                found = source.read(token, algorithm, key)
            except Exception:  # noqa: S112
                # Whatever a stranger's token makes a library raise, it is no reason to let it in.
                continue
            if found is not None:
                return found
        return None

    def _ask_for_keys(self) -> None:
        for source in self._sources:
            source.asked_for = True
        self._wake.set()

    def _run(self) -> None:
        while not self._over.is_set():
            sources = self._sources
            now = time.monotonic()
            fresh = [source.refresh() for source in sources if source.due(self._patience_s) <= now]
            if any(fresh):
                self._changed()
            due = min((source.due(self._patience_s) for source in sources), default=now + REFRESH_S)
            self._wake.wait(max(0.0, due - time.monotonic()))
            # Cleared before the sources are looked at again, so nothing that is asked for meanwhile is missed.
            self._wake.clear()

    def close(self) -> None:
        """Stop fetching."""
        self._over.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)
