"""Who may ask, for one generation of routes: each request is admitted, or told why not.

A credential is checked once: keys by the sha256 of what was sent, tokens by their signature. After that the
header as it was sent finds its caller in a bounded table, which goes with the generation of routes, so a
key that was revoked is gone with the next one. Nothing here compares secrets character by character: a
table is entered by a hash (sha256, or Python's, which is keyed by a random number of the process), and what is
found is compared in constant time. Only what holds is remembered, so strangers cannot fill the table.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from math import inf
from time import time

from fairlead.contract.errors import Forbidden, PurposeRefused, TooManyRequests, Unauthenticated
from fairlead.contract.ports import Caller, Request
from fairlead.contract.routes import Key, Route, Routes
from fairlead.runtime.capture.redaction import redact
from fairlead.runtime.serve.access import credentials
from fairlead.runtime.serve.access.addresses import is_open, wanted
from fairlead.runtime.serve.access.grants import allows, of_key
from fairlead.runtime.serve.access.ledger import Ledger, Limit
from fairlead.runtime.serve.access.rules import USES, Rules
from fairlead.runtime.serve.access.tokens import Tokens
from fairlead.runtime.serve.counters import Counters

UNRECORDED = (Unauthenticated, TooManyRequests)
"""Refusals that are counted and not written to the spool, which strangers and the over-eager could fill with them."""

REMEMBERED = 4096
CERTIFICATE_VERBS = ("predict", "explain", "feedback", "metrics")
"""What a client certificate alone allows, for every model."""

_ASK = (
    "a key or token is needed that holds: send it as `authorization: Bearer`, as `x-api-key`, or as the password of "
    "HTTP Basic"
)
Known = dict[str, Caller]


class Access:
    """routes: with the keys that hold. tokens: None where no issuer is known. certificates: whether the name in a
    client's certificate is enough. ledger: needed where a key has limits. refusals: counts purposes that were refused,
    by key and model, for the audit log of the control plane.
    """

    def __init__(
        self,
        routes: Routes,
        *,
        tokens: Tokens | None = None,
        certificates: bool = False,
        ledger: Ledger | None = None,
        refusals: Counters | None = None,
    ) -> None:
        self._routes: Mapping[str, Route] = {route.model: route for route in routes.routes}
        self._redact_key = bytes.fromhex(routes.redact_key)
        self._keys = {bytes.fromhex(key.hash): key for key in routes.keys}
        self._tokens = tokens if routes.issuers else None
        self._certificates, self._refusals = certificates, refusals
        self._limits = _limits(routes, ledger)
        self._callers: Known = {}
        self._by_key: Known = {}
        self._by_authorization: Known = {}
        self._by_peer: Known = {}

    def forget(self) -> None:
        """Ask everybody again who they are: keys of an issuer have changed.

        New tables, not emptied ones: what is being verified with the old keys just now lands in the old ones.
        """
        self._by_key, self._by_authorization = {}, {}

    def admit(self, request: Request, model: str, verb: str) -> Caller:
        """Who asks, if it may do `verb` with a model that is served; also set as `request.caller`.

        Raises Unauthenticated, Forbidden, PurposeRefused, TooManyRequests.
        """
        caller = self.authenticate(request)
        rules: Rules = caller.rules
        if model not in rules.may[verb]:
            self.permit(caller, verb, model)
        if rules.limit is not None:
            rules.limit.take()
        request.caller = caller
        return caller

    def admit_page(self, request: Request) -> None:
        """The same for an address that is no prediction's: probes are open, anything else needs at least a key."""
        if is_open(request.method, request.path):
            return
        caller = self.authenticate(request)
        verb, model = wanted(request.path)
        if verb:
            self.permit(caller, verb, model)
        if caller.rules.limit is not None:
            caller.rules.limit.take()
        request.caller = caller

    def authenticate(self, request: Request) -> Caller:
        """Who asks. `x-api-key` goes before `authorization`, which a proxy may need for itself.

        Raises Unauthenticated, which never says what was wrong.
        """
        headers = request.headers
        sent = headers.get("x-api-key")
        if sent is not None:
            known = self._by_key
            caller = known.get(sent)
            if caller is None:
                secret = credentials.api_key(sent)
                caller = self._remember(known, sent, secret)
        else:
            sent = headers.get("authorization")
            if sent is None:
                return self._by_certificate(request.peer)
            known = self._by_authorization
            caller = known.get(sent)
            if caller is None:
                caller = self._authorized(request, known, sent)
        if time() >= caller.rules.expires:
            known.pop(sent, None)
            raise Unauthenticated(_ASK)
        return caller

    def permit(self, caller: Caller, verb: str, model: str | None) -> None:
        """Raises Forbidden where the caller may not do `verb` with `model`; None: where no model is named."""
        rules: Rules = caller.rules
        if not allows(rules.grants, verb, model):
            raise Forbidden(f"this key may not {_does(verb)}{f' of model {model!r}' if model else ''}")
        route = self._routes.get(model) if model else None
        if verb in USES and route is not None and rules.misuses(route):
            if self._refusals is not None:
                at = self._refusals.index(("purpose", caller.id, route.model, rules.purpose))
                self._refusals.cells[at] += 1
            raise PurposeRefused(f"this key is for {rules.purpose!r}, which is no intended use of {route.model!r}")

    def _authorized(self, request: Request, known: Known, sent: str) -> Caller:
        token = credentials.bearer(sent)
        if token is not None:
            return self._remember(known, sent, token)
        secret = credentials.password(sent)
        caller = self._recognised(secret)
        # Not remembered: whether another site is behind it is asked of each request anew.
        credentials.require_same_site(request.headers)
        return caller

    def _remember(self, known: Known, sent: str, secret: str | None) -> Caller:
        caller = self._recognised(secret)
        if len(known) >= REMEMBERED:
            known.pop(next(iter(known)))
        known[sent] = caller
        return caller

    def _recognised(self, secret: str | None) -> Caller:
        """The caller of a key or token. Raises Unauthenticated."""
        if secret is not None:
            digest = sha256(secret.encode()).digest()
            key = self._keys.get(digest)
            if key is not None and hmac.compare_digest(bytes.fromhex(key.hash), digest):
                return self._of_key(key)
            if self._tokens is not None and secret.count(".") == 2:
                token = self._tokens.read(secret)
                if token is not None:
                    rules = Rules(token.grants, self._mark(token.id), self._routes, expires=token.expires)
                    return Caller(token.id, rules)
        raise Unauthenticated(_ASK)

    def _of_key(self, key: Key) -> Caller:
        caller = self._callers.get(key.id)
        if caller is None:
            grants, mark = of_key(key.verbs, key.models), self._mark(key.id)
            limit, expires = self._limits.get(key.id), key.expires or inf
            rules = Rules(grants, mark, self._routes, expires=expires, key=key, limit=limit)
            caller = self._callers[key.id] = Caller(key.id, rules)
        return caller

    def _by_certificate(self, peer: str | None) -> Caller:
        if peer is None or not self._certificates:
            raise Unauthenticated(_ASK)
        caller = self._by_peer.get(peer)
        if caller is None:
            id = f"certificate {peer}"[:400]
            caller = Caller(id, Rules(of_key(CERTIFICATE_VERBS, "*"), self._mark(id), self._routes))
            if len(self._by_peer) >= REMEMBERED:
                self._by_peer.pop(next(iter(self._by_peer)))
            self._by_peer[peer] = caller
        return caller

    def _mark(self, id: str) -> str | None:
        # A hash without a key could be reversed by trying names.
        return redact(id, self._redact_key) if self._redact_key else None


def _limits(routes: Routes, ledger: Ledger | None) -> dict[str, Limit]:
    limited = [key for key in routes.keys if key.rate_per_s > 0 or key.rows_per_day > 0]
    if not limited or ledger is None:
        return {}
    places = ledger.places([key.id for key in limited])
    make = partial(Limit, ledger)
    return {key.id: make(places[key.id], key.rate_per_s, key.burst, key.rows_per_day) for key in limited}


def _does(verb: str) -> str:
    return {
        "predict": "ask for predictions",
        "explain": "ask for explanations",
        "feedback": "give feedback on answers",
        "metrics": "read the metrics",
        "admin": "load or unload the repository",
    }[verb]
