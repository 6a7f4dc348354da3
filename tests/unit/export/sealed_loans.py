"""A small project with a version that answers, made once for all tests of exports."""

from __future__ import annotations

from pathlib import Path

from tests.journeys.cli import fairlead, make_project


def loans(folder: Path) -> Path:
    """The project's folder: trained, judged, registered, deployed."""
    project = make_project(folder)
    for verb in ("train", "evaluate", "register", "deploy"):
        ended = fairlead(project, verb)
        assert ended.code == 0, ended.err
    return project
