"""A wheel of the data plane alone, from the very code that runs here: the floors `contract` and `runtime`."""

from __future__ import annotations

import base64
import hashlib
import platform
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import fairlead.contract
import fairlead.runtime
from fairlead.reach.export.locked import Part

LEFT_OUT = (".c", ".h", ".pyi", ".pyc", ".proto")
LICENCE = "Apache-2.0"
_EARLIEST = (1980, 1, 1, 0, 0, 0)
_ROOT = '"""Fairlead\'s data plane alone: what an image needs to answer."""\n\n__version__ = "{version}"\n'


def machine() -> str:
    """What this machine is called in names of wheels; "any" where its kernels do not run in a Linux container."""
    return f"linux_{platform.machine()}" if sys.platform == "linux" else "any"


def write_plane(to: Path) -> Part:
    """Write `fairlead-VERSION-….whl` into the folder `to`. Equal code, equal bytes.

    Compiled kernels go with it where this machine is a Linux one; else the container does without, slower and with
    equal answers.
    """
    version = metadata.version("fairlead")
    where = machine()
    tag = "py3-none-any" if where == "any" else f"cp311-abi3-{where}"
    info = f"fairlead-{version}.dist-info"
    content = {f"fairlead/{name}": data for name, data in _sources(kernels=where != "any").items()}
    content["fairlead/__init__.py"] = _ROOT.format(version=version).encode()
    content[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.4\nName: fairlead\nVersion: {version}\nSummary: Fairlead's data plane\n"
        f"License-Expression: {LICENCE}\nRequires-Python: >=3.11\n"
    ).encode()
    pure = "true" if where == "any" else "false"
    content[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: fairlead\nRoot-Is-Purelib: {pure}\nTag: {tag}\n".encode()
    )
    lines = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in sorted(content.items())]
    content[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    path = to / f"fairlead-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as wheel:
        for name, data in sorted(content.items()):
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.external_attr = (0o755 if name.endswith(".so") else 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, data)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Part("fairlead", version, (digest,), LICENCE, path.name)


def _sources(kernels: bool) -> dict[str, bytes]:
    """Files of the two floors, by their path below the package."""
    found = {}
    for floor in (fairlead.contract, fairlead.runtime):
        root = Path(next(iter(floor.__path__)))
        for path in sorted(root.rglob("*")):
            wanted = path.is_file() and "__pycache__" not in path.parts and not path.name.endswith(LEFT_OUT)
            if wanted and (kernels or path.suffix != ".so"):
                found[path.relative_to(root.parent).as_posix()] = path.read_bytes()
    return found


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
