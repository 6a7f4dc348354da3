"""Where a candidate comes from: code, configuration, versions, data."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.evidence import Lineage
from fairlead.contract.settings import Settings
from fairlead.lab.train.material import Material
from fairlead.lab.train.preparation import rules_for

LIBRARIES = (
    *("fairlead", "numpy", "pandas", "scikit-learn", "scipy", "optuna"),
    *("xgboost", "xgboost-cpu", "lightgbm"),
)
GIT_TIMEOUT_S = 10.0


def config_hash(settings: Settings) -> str:
    """sha256 of the settings that a model depends on; where its table lies is not among them."""
    data = msgspec.structs.replace(settings.data, train="")
    relevant = {"model": settings.model, "data": data, "train": settings.train}
    return hashlib.sha256(msgspec.json.encode(relevant, order="deterministic")).hexdigest()


def versions() -> dict[str, str]:
    """Python and the libraries whose versions decide what a fit gives."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit_of(root: Path | None) -> tuple[str, bool]:
    """Git commit of the folder, and whether nothing in it differs from that commit; ("", False) without Git."""
    if root is None:
        return "", False
    head = _git(root, "rev-parse", "HEAD")
    if not head:
        return "", False
    changes = _git(root, "status", "--porcelain", "--", ".")
    return head.strip(), changes is not None and not changes.strip()


def _git(root: Path, *words: str) -> str | None:
    # Fixed words and no shell; git is the one that the user's own PATH finds.
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), *words],  # noqa: S607
            capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None


def data_hash(frame: Any) -> str:
    """Hash of the rows as they came, by content."""
    from fairlead.lab.tables import open_table

    return str(open_table(frame).hash)


def lineage_of(
    material: Material,
    settings: Settings,
    learner: str,
    parameters: dict[str, Any],
    *,
    data: str,
    root: Path | None,
    parent: str = "",
    preparation: dict[str, Any] | None = None,
) -> Lineage:
    """The lineage of a model fitted on these rows. data: hash of the table they came from."""
    commit, clean = commit_of(root)
    times = material.times
    return Lineage(
        data=data,
        rows=material.rows,
        learner=learner,
        parameters=parameters,
        seed=settings.train.seed,
        config=config_hash(settings),
        commit=commit,
        clean=clean,
        versions=versions(),
        preparation=rules_for(material.signature) if preparation is None else preparation,
        trained_from=0.0 if times is None else float(times[0]),
        trained_to=0.0 if times is None else float(times[-1]),
        parent=parent,
    )
