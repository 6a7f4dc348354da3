"""Whether what runs for a project has read its settings as they are now."""

from __future__ import annotations

import hashlib
import json
import time
import tomllib
from pathlib import Path

from fairlead.contract.evidence import Check
from fairlead.ops.flow.supervise import UpStatus, read_up
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.project.locate import FILE


def settings_of(folder: Path) -> str:
    """sha256 of what a project's file says, whatever its comments and spaces; of its bytes where they are no TOML; ""
    where it cannot be read."""
    try:
        raw = (folder / FILE).read_bytes()
    except OSError:
        return ""
    try:
        said = json.dumps(tomllib.loads(raw.decode()), sort_keys=True, default=str).encode()
    except (ValueError, RecursionError):  # among the first: no UTF-8, no TOML
        said = raw
    return hashlib.sha256(said).hexdigest()


def outdated(ws: Workspace) -> str:
    """What to do where `fairlead up` goes on with settings that were changed since it began; "" where it does not.

    Whoever looks reads the file as it is now, so that without this the two would tell different things.
    """
    up = read_up(ws.home.run)
    return "" if up is None else behind(up, ws.project.root)


def behind(up: UpStatus, folder: Path) -> str:
    """The same of what a running `up` says of itself. folder: of the project that is asked about."""
    # One home may be shared: the `up` of another project read another file.
    if not up.settings or Path(up.folder).resolve() != folder.resolve() or up.settings == settings_of(folder):
        return ""
    began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(up.since))
    return f"{FILE} was changed since `fairlead up` began ({began}), which goes on with what it read: start it again"


def settings_read(ws: Workspace) -> Check:
    """A running `up` works by the settings that are in the file."""
    why = outdated(ws)
    return Check("settings", "older" if why else "", None, "fail" if why else "pass", why or "as what runs read them")
