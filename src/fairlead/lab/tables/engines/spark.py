"""Engine `spark`: rows are worked on by Spark, through `mapInArrow`, by the same code as here."""

from __future__ import annotations

from fairlead.lab.tables.engines.session import session as session
