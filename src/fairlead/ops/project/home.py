"""The home: where state lives. Every path in it, in one place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from fairlead.contract.errors import UsageError

FOLDER = ".fairlead"
FOLLOWING = "following.json"
VARIABLE = "FAIRLEAD_HOME"


class Home:
    """Paths below one folder; nothing is made before `ensure`."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def __repr__(self) -> str:
        return f"Home({str(self.root)!r})"

    @classmethod
    def of(cls, project: Path, environ: Mapping[str, str] | None = None) -> Home:
        """The home of a project: FAIRLEAD_HOME, which many projects may share, else `.fairlead` in its folder."""
        given = (os.environ if environ is None else environ).get(VARIABLE, "").strip()
        return cls(Path(given).expanduser().absolute() if given else project / FOLDER)

    @property
    def state_db(self) -> Path:
        """The state database: what is intended."""
        return self.root / "state.db"

    @property
    def mlflow_db(self) -> Path:
        """MLflow's own database."""
        return self.root / "mlflow.db"

    @property
    def keys(self) -> Path:
        """Sealing and redaction keys, and public keys of others (`*.pub`); mode 0700."""
        return self.root / "keys"

    @property
    def seal_key(self) -> Path:
        """The key this home seals and attests with."""
        return self.keys / "seal.key"

    @property
    def bundles(self) -> Path:
        """Sealed bundles by id: what exists."""
        return self.root / "bundles"

    @property
    def attestations(self) -> Path:
        """Signed statements by bundle id."""
        return self.root / "attestations"

    @property
    def routes(self) -> Path:
        """The one published file that the data plane obeys."""
        return self.root / "routes.json"

    @property
    def spool(self) -> Path:
        """Frames by instance and worker."""
        return self.root / "spool"

    @property
    def records(self) -> Path:
        """Captured rows by model, date and hour."""
        return self.root / "records"

    @property
    def labels(self) -> Path:
        """Labels by model and date."""
        return self.root / "labels"

    @property
    def reports(self) -> Path:
        """Reports for people."""
        return self.root / "reports"

    @property
    def tables(self) -> Path:
        """Training rows by content hash."""
        return self.root / "tables"

    @property
    def run(self) -> Path:
        """Status of live processes."""
        return self.root / "run"

    def ensure(self) -> Home:
        """Make the folders that are missing, `keys` with mode 0700, and keep the home out of Git.

        Raises UsageError for a home that follows another one: what it would write is written over.
        """
        if (self.root / FOLLOWING).exists():
            raise UsageError(
                "this home follows another one and is not live: `fairlead restore SOURCE --promote` makes it so."
            )
        self.root.mkdir(parents=True, exist_ok=True)
        self.keys.mkdir(mode=0o700, exist_ok=True)
        # An older folder, or a generous umask on another system, must not leave keys readable.
        if self.keys.stat().st_mode & 0o077:
            self.keys.chmod(0o700)
        for folder in (self.bundles, self.attestations, self.spool, self.records, self.labels, self.reports,
                       self.tables, self.run):  # fmt: skip
            folder.mkdir(exist_ok=True)
        ignore = self.root / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        return self
