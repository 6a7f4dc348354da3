"""Compiles the kernels when the package is built or installed for editing: every `_*.c` beside the modules.

Without a compiler or Python's headers the package is built without them: other code then does the same, slower and
with the same answers. FAIRLEAD_PURE=1 leaves them out on purpose; FAIRLEAD_KERNEL=1 makes their absence an error.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class KernelHook(BuildHookInterface):  # type: ignore[type-arg]
    """Hatchling's `custom` hook."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and name the wheel after the platform it was compiled for."""
        if self.target_name != "wheel" or os.environ.get("FAIRLEAD_PURE"):
            return
        root = Path(self.root)
        made = [found for source in sources(root) if (found := compiled(source)) is not None]
        if len(made) < len(sources(root)):
            if os.environ.get("FAIRLEAD_KERNEL"):
                raise RuntimeError("a kernel could not be compiled: is there a C compiler?")
            self.app.display_warning("no C compiler: Python and onnxruntime do the work, slower and with equal answers")
        if made:
            build_data["pure_python"] = False
            build_data["tag"] = f"cp311-abi3-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
            build_data["artifacts"] += [str(one.relative_to(root)) for one in made]


def sources(root: Path) -> list[Path]:
    """The kernels' C files."""
    return sorted((root / "src" / "fairlead").rglob("_*.c"))


def compiled(source: Path) -> Path | None:
    """Compile one kernel beside its source; None where that cannot be done, and then none is left behind."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    target, made = source.with_suffix(".abi3.so"), source.with_suffix(".new")
    command = [
        *compiler, "-O3", "-fPIC", "-shared", "-fno-math-errno", "-ffp-contract=off",
        f"-I{sysconfig.get_paths()['include']}", str(source), "-o", str(made),
    ]  # fmt: skip
    if sysconfig.get_platform().startswith("macosx"):
        command += ["-undefined", "dynamic_lookup"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=120)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        made.unlink(missing_ok=True)
        target.unlink(missing_ok=True)
        return None
    made.replace(target)
    return target
