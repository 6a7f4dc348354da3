"""An opened project with everything its verbs need, each part made when first used."""

from __future__ import annotations

import contextlib
import getpass
import os
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.contract.errors import BundleRefused, UsageError
from fairlead.contract.ports import Clock
from fairlead.contract.settings import Settings
from fairlead.ops.project import Home, Project
from fairlead.runtime.capture.redaction import home_key

if TYPE_CHECKING:
    from fairlead.ops.alerts import Outbox
    from fairlead.ops.audit import Audit
    from fairlead.ops.registry import Registry
    from fairlead.ops.state import State
    from fairlead.ops.state.leading import Leader
    from fairlead.ops.stores import Mirror
    from fairlead.runtime.bundle import BundleStore, Model, SigningKey

RULE = "rule"
"""The actor of everything Fairlead does by itself, within the project's policy."""


def person() -> str:
    """The operating-system user, as the actor of what is done by hand."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"


class Workspace:
    """The composition root of the control plane: it wires rooms that do not know each other.

    clock gives seconds since the epoch. State, audit chain, key and stores are opened on first use. leader: the part
    that this process takes among several control planes, see `leading.py`.
    """

    def __init__(
        self, project: Project, *, clock: Clock = time.time, actor: str | None = None, leader: Leader | None = None
    ) -> None:
        self.project = project
        self.clock = clock
        self.actor = actor or person()
        self.leader = leader

    @classmethod
    def find(cls, folder: str | Path = ".", *, clock: Clock = time.time, actor: str | None = None) -> Workspace:
        """The project in `folder` or the nearest folder above. Raises NotAProject, ConfigInvalid."""
        return cls(Project.find(folder), clock=clock, actor=actor)

    def as_rule(self) -> Workspace:
        """The same project, acting by its rules instead of for a person."""
        return Workspace(self.project, clock=self.clock, actor=RULE, leader=self.leader)

    @property
    def settings(self) -> Settings:
        """The effective configuration."""
        return self.project.settings

    @property
    def model(self) -> str:
        """The model's name."""
        return self.settings.model.name

    @cached_property
    def home(self) -> Home:
        """Where state lives; made if missing."""
        home = self.project.home
        home.ensure()
        return home

    @cached_property
    def state(self) -> State:
        """The state database, migrated to the current format."""
        from fairlead.ops.flow.leading import open_state

        return open_state(self)

    @cached_property
    def key(self) -> SigningKey:
        """The key this home seals and attests with; made on first use, mode 0600."""
        from fairlead.runtime.bundle import SigningKey

        path = self.home.keys / "seal.key"
        if not path.exists():
            # The server, the watcher and a verb may all be the first; one of them makes it.
            with contextlib.suppress(UsageError):
                return SigningKey.create(path)
        return SigningKey.load(path)

    @cached_property
    def trusted(self) -> tuple[str, ...]:
        """Public keys (hex) whose seals are accepted: our own, and each `*.pub` in the home's keys folder."""
        others = sorted(p.read_text().strip() for p in self.home.keys.glob("*.pub"))
        return tuple(dict.fromkeys((self.key.public, *others)))

    @cached_property
    def redact_key(self) -> str:
        """Hex key of the redaction hash, made on first use, mode 0600."""
        return home_key(self.home.keys)

    @cached_property
    def audit(self) -> Audit:
        """The hash-chained log, its head signed with our key."""
        from fairlead.ops.audit import Audit

        return Audit(self.state, key=self.key, head=self.home.root / "audit.head", trusted=self.trusted)

    @cached_property
    def store(self) -> BundleStore:
        """What exists: in the home, and in `[stores] bundles` where that is set."""
        from fairlead.runtime.bundle import BundleStore

        asked = self.settings.stores
        if not asked.bundles:
            return BundleStore(self.home.bundles)
        from fairlead.ops.stores import StoredBundles, store_at

        store = store_at(asked.bundles, asked, self.project.root)
        return StoredBundles(self.home.bundles, store, self.home.attestations)

    @cached_property
    def mirror(self) -> Mirror | None:
        """Records and labels in `[stores] records`; None where that is not set."""
        asked = self.settings.stores
        if not asked.records:
            return None
        from fairlead.ops.stores import Mirror, store_at

        store = store_at(asked.records, asked, self.project.root)
        return Mirror(self.home.root, store, self.settings.capture.keep_days, self.clock)

    @cached_property
    def registry(self) -> Registry:
        """The MLflow projection of versions and aliases."""
        from fairlead.ops.flow.leading import require_term
        from fairlead.ops.registry import Registry

        # MLflow cannot refuse a leader whose time is over, so we ask before each write.
        return Registry(self.home.root, self.settings.registry.mlflow or None, fence=lambda: require_term(self))

    @cached_property
    def outbox(self) -> Outbox:
        """Alerts waiting to be delivered."""
        from fairlead.ops.alerts import Outbox, channels

        asked = self.settings.alerts
        return Outbox(
            self.state, channels(asked.to), clock=self.clock, settings=asked, escalate_to=channels(asked.escalate.to)
        )

    def load(self, bundle: str) -> Model:
        """The verified, running form of a bundle of our store. Raises BundleNotFound, BundleRefused."""
        from fairlead.runtime.bundle import load
        from fairlead.runtime.native import native_terms

        if bundle not in self._models:
            if len(self._models) >= 8:
                self._models.pop(next(iter(self._models)))
            try:
                self._models[bundle] = load(self.store.path(bundle), self.trusted, native=native_terms(self.settings))
            except BundleRefused as refusal:
                raise BundleRefused(f"bundle {bundle[:12]} is refused: {refusal}") from refusal
        return self._models[bundle]

    @cached_property
    def _models(self) -> dict[str, Model]:
        return {}
