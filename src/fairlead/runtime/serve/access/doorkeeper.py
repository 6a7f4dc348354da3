"""One worker's door: what outlives a generation of routes (books of limits, keys of issuers) and what each gets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead.contract.errors import BundleRefused
from fairlead.contract.routes import Key, Routes
from fairlead.contract.settings import AccessSettings, ServeSettings
from fairlead.runtime.serve.access.access import Access
from fairlead.runtime.serve.access.ledger import Ledger
from fairlead.runtime.serve.access.starting import is_required
from fairlead.runtime.serve.access.tokens import Tokens
from fairlead.runtime.serve.counters import Counters

FIRST_FETCH_S = 3.0


class Doorkeeper:
    """run: folder of books; settings: of the worker (host, server, access)."""

    def __init__(self, run: Path, instance: str, slot: int, settings: Mapping[str, Any]) -> None:
        server: ServeSettings = settings.get("server") or ServeSettings()
        access: AccessSettings = settings.get("access") or AccessSettings()
        self._run, self._instance, self._slot = run, instance, slot
        self._required = is_required(str(settings.get("host", "127.0.0.1")), server, access)
        # Whoever demands keys in so many words wants them beside the certificate.
        self._certificates = bool(server.tls_client_ca) and access.required is not True
        self._ledger: Ledger | None = None
        self._refusals: Counters | None = None
        self._tokens: Tokens | None = None
        self._current: Access | None = None
        self._first = True

    def access(self, routes: Routes) -> Access | None:
        """Who may ask under these routes; None: anybody. Raises BundleRefused for keys that cannot be used."""
        if not (self._required or self._certificates):
            return None
        self._open(routes)
        try:
            made = Access(
                routes,
                tokens=self._tokens,
                certificates=self._certificates,
                ledger=self._ledger,
                refusals=self._refusals,
            )
        except ValueError as odd:
            raise BundleRefused(f"routes.json: its keys cannot be used: {odd}") from None
        self._current = made
        return made

    def _open(self, routes: Routes) -> None:
        if self._ledger is None and any(_is_limited(key) for key in routes.keys):
            self._ledger = Ledger(self._run / f"limits-{self._instance}.bin", self._slot)
        if self._refusals is None and any(key.purpose for key in routes.keys):
            self._refusals = Counters(refusals_path(self._run, self._instance, self._slot))
        if self._tokens is None and routes.issuers:
            self._tokens = Tokens(self._changed)
            # A worker that starts has nobody to keep waiting yet; one that serves follows its routes without a pause.
            self._tokens.follow(routes.issuers, wait_s=FIRST_FETCH_S if self._first else 0.0)
        elif self._tokens is not None:
            self._tokens.follow(routes.issuers)
        self._first = self._first and routes.generation == 0

    def _changed(self) -> None:
        if self._current is not None:
            self._current.forget()

    def close(self) -> None:
        """Stop fetching; the files go with the process, which may still be answering."""
        if self._tokens is not None:
            self._tokens.close()


def refusals_path(run: Path, instance: str, slot: int) -> Path:
    """Where a worker counts refused purposes; the control plane reads it and nobody removes it."""
    return run / f"refusals-{instance}-{slot}.bin"


def _is_limited(key: Key) -> bool:
    return key.rate_per_s > 0 or key.rows_per_day > 0
