"""Finding the project a command is about."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from fairlead.contract.errors import NotAProject
from fairlead.contract.settings import Settings
from fairlead.ops.project.home import Home
from fairlead.ops.project.reading import load_settings

FILE = "fairlead.toml"


class Project:
    """A folder with fairlead.toml, read once.

    origins: "section.key" -> "fairlead.toml:12", the name of an environment variable, or "default".
    """

    def __init__(self, root: Path, settings: Settings, origins: dict[str, str], home: Home) -> None:
        self.root, self.settings, self.origins, self.home = root, settings, origins, home

    @classmethod
    def find(cls, path: str | Path = ".", environ: Mapping[str, str] | None = None) -> Project:
        """The project in `path`, or in the nearest folder above it. Raises NotAProject, ConfigInvalid."""
        environ = os.environ if environ is None else environ
        start = Path(path).absolute()
        if start.name == FILE and start.is_file():
            start = start.parent
        for folder in (start, *start.parents):
            if (folder / FILE).is_file():
                settings, origins = load_settings(folder / FILE, environ)
                return cls(folder, settings, origins, Home.of(folder, environ))
        raise NotAProject(
            f"no {FILE} in {start} or above it. Make one with: fairlead init --data TABLE --target COLUMN"
        )

    @property
    def train_path(self) -> Path | None:
        """The training table, relative paths taken from the project's folder; None if none is set, or no file is."""
        given = self.settings.data.train
        return self.root / given if given and "://" not in given and not given.startswith("${") else None
