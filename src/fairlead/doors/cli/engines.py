"""Options of verbs whose work an engine may do."""

from __future__ import annotations

from typing import Annotated

import typer

EngineName = Annotated[str, typer.Option("--engine", help="local or spark; else as the project says")]
Master = Annotated[str, typer.Option("--master", help="of Spark: local[2], or spark://host:7077")]
Connect = Annotated[str, typer.Option("--connect", help="of Spark Connect: sc://host:15002")]
