"""What every verb stands on: a folder, and the project in it once it is asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.ops.flow.workspace import Workspace

Progress = Callable[..., None]
Answer = dict[str, Any]


class Opened:
    """A project that is opened at first use."""

    def __init__(self, folder: str | Path = ".") -> None:
        self.folder = Path(folder)

    @cached_property
    def workspace(self) -> Workspace:
        """The opened project: settings, home, state, stores."""
        from fairlead.ops.flow import Workspace

        return Workspace.find(self.folder)
