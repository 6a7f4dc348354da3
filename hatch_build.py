"""Compiles the kernel of trees when the package is built or installed for editing.

Without a compiler or Python's headers the package is built without it: onnxruntime then runs the trees, slower and
with the same answers. FAIRLEAD_PURE=1 leaves it out on purpose; FAIRLEAD_KERNEL=1 makes its absence an error.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path("src/fairlead/runtime/bundle/_trees.c")
TARGET = SOURCE.with_name("_trees.abi3.so")


class KernelHook(BuildHookInterface):  # type: ignore[type-arg]
    """Hatchling's `custom` hook."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and name the wheel after the platform it was compiled for."""
        if self.target_name != "wheel" or os.environ.get("FAIRLEAD_PURE"):
            return
        if not self._compiled():
            if os.environ.get("FAIRLEAD_KERNEL"):
                raise RuntimeError("the kernel of trees could not be compiled: is there a C compiler?")
            self.app.display_warning(
                "no C compiler: trees will be run by onnxruntime, slower and with the same answers"
            )
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        build_data["artifacts"].append(str(TARGET))

    def _compiled(self) -> bool:
        root = Path(self.root)
        compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
        made = root / TARGET.with_suffix(".new")
        command = [
            *compiler, "-O3", "-fPIC", "-shared", "-fno-math-errno", "-ffp-contract=off",
            f"-I{sysconfig.get_paths()['include']}", str(root / SOURCE), "-o", str(made),
        ]  # fmt: skip
        if sysconfig.get_platform().startswith("macosx"):
            command += ["-undefined", "dynamic_lookup"]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=120)  # noqa: S603
        except (OSError, subprocess.SubprocessError):
            made.unlink(missing_ok=True)
            return False
        made.replace(root / TARGET)
        return True
