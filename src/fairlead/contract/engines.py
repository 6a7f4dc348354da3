"""Where tables are worked on: the table [engine] of the project file."""

from __future__ import annotations

import msgspec


class EngineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table [engine]. name: a variant of port `engine`. master: of Spark, as local[2] or spark://host:7077.

    connect: address of a Spark Connect server, sc://host:15002, in the place of a master. conf: Spark's own settings.
    """

    name: str = "local"
    master: str = "local[*]"
    connect: str = ""
    conf: dict[str, str] = msgspec.field(default_factory=dict)


DOC: dict[str, str] = {
    "engine.name": "where tables are scored, judged and compared: local, or spark (extra spark)",
    "engine.master": "of Spark: local[2] (cores of this machine), local[*], or spark://host:7077 (a cluster)",
    "engine.connect": "address of a Spark Connect server, as sc://host:15002, in the place of a master",
    "engine.conf": 'settings of Spark itself, as {"spark.executor.memory" = "4g"}',
}
