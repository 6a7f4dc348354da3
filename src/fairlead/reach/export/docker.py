"""Target `docker`: a build context for an image of the data plane with one bundle in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from fairlead.reach.export.exported import Exported, Option


class Docker:
    """A context folder that any builder of images takes."""

    name = "docker"
    options: ClassVar[Mapping[str, Option]] = {}

    def write(self, exported: Exported, to: Path) -> tuple[Path, ...]:
        """The bundle, so far."""
        written = []
        for path, data in exported.files.items():
            file = to / "bundle" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            written.append(file)
        return tuple(written)
