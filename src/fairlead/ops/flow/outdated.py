"""Whether what runs for a project has read its settings as they are now."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from fairlead.contract.evidence import Check
from fairlead.ops.flow.supervise import read_up
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.project.locate import FILE


def settings_of(folder: Path) -> str:
    """sha256 of a project's file; "" where it cannot be read."""
    try:
        return hashlib.sha256((folder / FILE).read_bytes()).hexdigest()
    except OSError:
        return ""


def outdated(ws: Workspace) -> str:
    """What to do where `fairlead up` goes on with settings that were changed since it began; "" where it does not.

    Whoever looks reads the file as it is now, so that without this the two would tell different things.
    """
    up = read_up(ws.home.run)
    folder = ws.project.root
    # One home may be shared: the `up` of another project read another file.
    if up is None or not up.settings or up.folder != str(folder) or up.settings == settings_of(folder):
        return ""
    began = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(up.since))
    return f"{FILE} was changed since `fairlead up` began ({began}), which goes on with what it read: start it again"


def settings_read(ws: Workspace) -> Check:
    """A running `up` works by the settings that are in the file."""
    why = outdated(ws)
    return Check("settings", "older" if why else "", None, "fail" if why else "pass", why or "as what runs read them")
