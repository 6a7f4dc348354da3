"""Where a candidate comes from: code, configuration, versions, data."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import typing
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.evidence import Lineage
from fairlead.contract.settings import Settings
from fairlead.lab.train.material import Material
from fairlead.lab.train.preparing import prepared_as

LIBRARIES = (
    *("fairlead", "numpy", "pandas", "scikit-learn", "scipy", "optuna"),
    *("xgboost", "xgboost-cpu", "lightgbm", "torch"),
)
GIT_TIMEOUT_S = 10.0
_WHERE = ("query", "train", "engine")  # where rows lie, which their hash says better, and who fits them
_DECIDING: dict[str, tuple[str, ...] | None] = {
    **dict.fromkeys(("model", "data", "train", "preparation")),
    "monitor": ("window",),  # windows cut the reference into blocks
}


def config_hash(settings: Settings) -> str:
    """sha256 of the settings that a model depends on; where its table lies is not among them.

    Settings at their defaults are left out, so that a new setting changes no hash.
    """
    relevant = configuration_of(settings)
    relevant.pop("monitor", None)
    return hashlib.sha256(msgspec.json.encode(relevant, order="deterministic")).hexdigest()


def configuration_of(settings: Settings) -> dict[str, Any]:
    """By section the settings that a candidate depends on and that are not the defaults; see `with_configuration`."""
    found: dict[str, Any] = {}
    for section, keys in _DECIDING.items():
        table = getattr(settings, section)
        for field in msgspec.structs.fields(table):
            value = getattr(table, field.name)
            chosen = field.name not in _WHERE if keys is None else field.name in keys
            if chosen and value != _default_of(field):
                found.setdefault(section, {})[field.name] = value
    # As it will be read back from a manifest: lists, not tuples.
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(found))
    return plain


def with_configuration(settings: Settings, configuration: Mapping[str, Any]) -> Settings:
    """These settings with the deciding ones as they were recorded. Raises ConfigInvalid for what is unknown here."""
    kinds = typing.get_type_hints(Settings)
    changed: dict[str, Any] = {}
    for section, keys in _DECIDING.items():
        table, recorded = getattr(settings, section), dict(configuration.get(section, {}))
        kept = {
            field.name: msgspec.to_builtins(getattr(table, field.name))
            for field in msgspec.structs.fields(table)
            if (field.name in _WHERE if keys is None else field.name not in keys)
        }
        try:
            changed[section] = msgspec.convert({**kept, **recorded}, kinds[section])
        except msgspec.ValidationError as error:
            raise ConfigInvalid(f"recorded settings that this version does not know: {error}", key=section) from None
    return msgspec.structs.replace(settings, **changed)


def _default_of(field: msgspec.structs.FieldInfo) -> Any:
    return field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default


def own_files(settings: Settings, root: Path | None) -> dict[str, str]:
    """sha256 of the project's own files that make rows or models: those of `[data] prepare`, `[train] entrypoint`."""
    found = {}
    rules = settings.train
    said = (rules.augment.synonyms if rules.augment else "", rules.transfer.begin if rules.transfer else "")
    for text in (settings.data.prepare, rules.entrypoint, *said):
        name = (text or "").partition(":")[0]
        path = (root or Path()) / name
        if name and path.is_file():
            found[Path(name).name if Path(name).is_absolute() else name] = sha256_of(path)
    return found


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
        preparation=preparation or prepared_as(material.signature, material.preparing, material.columns, learner),
        trained_from=0.0 if times is None else float(times[0]),
        trained_to=0.0 if times is None else float(times[-1]),
        parent=parent,
        configuration=configuration_of(settings),
        files=own_files(settings, root),
        begun_with=begun.said if (begun := material.terms.transferred) is not None and begun.learner == learner else "",
    )
