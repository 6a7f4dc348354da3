"""Fairlead in Python: one method a verb, the same names as on the command line."""

from __future__ import annotations

from fairlead.doors.python.project import Project, init, load, open

__all__ = ["Project", "init", "load", "open"]
