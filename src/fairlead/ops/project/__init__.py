"""The project file and the home: what a project says, where each value comes from, and where its state lives."""

from fairlead.ops.project.combinations import check_combinations
from fairlead.ops.project.durations import WindowSize, parse_duration, parse_window
from fairlead.ops.project.home import Home
from fairlead.ops.project.initialise import InitResult, init_project
from fairlead.ops.project.locate import FILE, Project
from fairlead.ops.project.reading import load_settings, parse_settings
from fairlead.ops.project.triggers import Trigger, parse_trigger

__all__ = [
    "FILE",
    "Home",
    "InitResult",
    "Project",
    "Trigger",
    "WindowSize",
    "check_combinations",
    "init_project",
    "load_settings",
    "parse_duration",
    "parse_settings",
    "parse_trigger",
    "parse_window",
]
