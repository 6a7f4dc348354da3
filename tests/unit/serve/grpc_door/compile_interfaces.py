"""`make proto`: compiles the interfaces to descriptors. What is committed must be what this makes."""

from __future__ import annotations

import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

SOURCES = Path(__file__).resolve().parents[4] / "src" / "fairlead" / "runtime" / "wire" / "proto"
INTERFACES = ("open_inference", "health")


def compile_to(folder: Path) -> None:
    """Writes one `.binpb` an interface."""
    for name in INTERFACES:
        asked = ["protoc", f"-I{SOURCES}", f"-I{files('grpc_tools') / '_proto'}"]
        asked += [f"--descriptor_set_out={folder / name}.binpb", f"{name}.proto"]
        if protoc.main(asked):
            sys.exit(f"{name}.proto does not compile")


if __name__ == "__main__":
    compile_to(SOURCES)
