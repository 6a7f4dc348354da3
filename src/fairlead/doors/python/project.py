"""`fairlead.open(folder)`: a project, one method a verb. Each returns what `--json` prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.doors.python.verbs.looking import Looking
from fairlead.doors.python.verbs.making import Making
from fairlead.doors.python.verbs.releasing import Releasing
from fairlead.doors.python.verbs.watching import Watching

if TYPE_CHECKING:
    from fairlead.runtime.bundle import Model


def open(folder: str | Path = ".") -> Project:
    """The project in `folder` or the nearest folder above it. Raises NotAProject, ConfigInvalid."""
    return Project(folder)


def init(data: str | Path, target: str | None = None, folder: str | Path = ".", **chosen: Any) -> Project:
    """Look at a table, write a commented fairlead.toml beside it in `folder`, and open it.

    target: None for `task="clustering"` and `task="anomaly"`.
    chosen: name, task, positive, id, time, force. Raises UsageError when there is one already.
    """
    from fairlead.ops.project import init_project

    init_project(Path(folder), str(data), target, **chosen)
    return Project(folder)


def load(folder: str | Path, trusted: tuple[str, ...] | None = None, *, trust_native: bool = False) -> Model:
    """A sealed bundle as a running model, without a server: `.predict(rows)`.

    trusted: hex public keys whose seals are accepted. None takes the seal's own key: intact, but
    not vouched for by anyone you named. trust_native: let a model that was not compiled run its code, in a process
    of its own. Raises BundleRefused.
    """
    from fairlead.runtime.bundle import load as load_bundle
    from fairlead.runtime.bundle import signer_of
    from fairlead.runtime.native import NativeTerms

    where = Path(folder)
    terms = NativeTerms() if trust_native else None
    return load_bundle(where, trusted if trusted is not None else (signer_of(where),), native=terms)


class Project(Making, Releasing, Watching, Looking):
    """One model and all its rules: a folder with fairlead.toml. Its methods are in `verbs/`, by topic."""
