"""Exports: a version of a model as files that other systems run. One module a target, by the port `export_target`."""

from __future__ import annotations

from fairlead.reach.export.exported import Exported, Option, Sealed, dns_name
from fairlead.reach.export.exporting import Done, export, exported_of, targets

__all__ = ["Done", "Exported", "Option", "Sealed", "dns_name", "export", "exported_of", "targets"]
