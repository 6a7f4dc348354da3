"""What an image installs: the lock that comes with Fairlead, read for one Python, and a folder of its wheels."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Iterable, Sequence
from email.parser import HeaderParser
from importlib.resources import files
from pathlib import Path

import msgspec
from packaging.markers import InvalidMarker, Marker
from packaging.utils import canonicalize_name, parse_wheel_filename

from fairlead.contract.errors import UsageError
from fairlead.reach.export.licences import licence_of

PYTHONS = ("3.11", "3.12", "3.13")
EXTRAS = {
    "grpc": ("grpcio",),
    "telemetry": ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"),
}
"""Extras that a data plane may need, and what they begin with; each has a lock of what it takes beside the base."""
_LINE = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;\\]+)\s*(?:;\s*(?P<marker>[^\\]+))?")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_MOST_METADATA = 4 * 1024 * 1024
_MOST_WHEELS = 500


class Part(msgspec.Struct, frozen=True):
    """One distribution: hashes are hex sha256 of the files that may be installed as it; file: of its wheel, if here."""

    name: str
    version: str
    hashes: tuple[str, ...]
    licence: str = "NOASSERTION"
    file: str = ""

    @property
    def line(self) -> str:
        """As in a requirements file with hashes."""
        return " \\\n".join([f"{self.name}=={self.version}", *(f"    --hash=sha256:{one}" for one in self.hashes)])


def base(python: str, extras: Sequence[str] = ()) -> list[Part]:
    """The locked install for a Linux container of this Python ("3.11"), by name, with licences.

    extras: those of EXTRAS that it is to have besides the base.
    """
    folder = files("fairlead.reach.export") / "locks"
    licences: dict[str, str] = json.loads((folder / "licences.json").read_text(encoding="utf-8"))
    parts = [
        msgspec.structs.replace(part, licence=licences.get(f"{part.name}=={part.version}", part.licence))
        for name in ("base", *extras)
        for part in read_lock((folder / f"{name}.txt").read_text(encoding="utf-8"), python)
    ]
    return sorted(parts, key=lambda part: part.name)


def read_lock(text: str, python: str) -> list[Part]:
    """The parts of a requirements file with hashes that apply to CPython `python` on Linux. Raises UsageError."""
    joined = re.sub(r"\\\n\s*", " ", text)
    parts = []
    for line in joined.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _LINE.match(line.partition(" --hash")[0])
        hashes = tuple(sorted(_HASH.findall(line)))
        if found is None or not hashes:
            raise UsageError(f"a lock says name==version with hashes on each line, not {line[:80]!r}")
        if applies(found["marker"] or "", python):
            parts.append(Part(canonicalize_name(found["name"]), found["version"], hashes))
    return sorted(parts, key=lambda part: part.name)


def applies(marker: str, python: str) -> bool:
    """Whether an environment marker holds for CPython of this version on Linux. Raises UsageError for no marker."""
    if not marker.strip():
        return True
    try:
        return Marker(marker.strip()).evaluate({
            "implementation_name": "cpython",
            "implementation_version": f"{python}.0",
            "os_name": "posix",
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{python}.0",
            "python_version": python,
            "sys_platform": "linux",
        })  # fmt: skip
    except InvalidMarker as why:
        raise UsageError(f"{marker.strip()!r} is no environment marker: {why}") from why


def wheels_in(folder: Path) -> dict[str, Part]:
    """Every wheel of a folder by its distribution's name, with hash and licence. Raises UsageError for two of one."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder: `pip download` makes one of wheels.")
    found: dict[str, Part] = {}
    paths = sorted(folder.glob("*.whl"))
    if len(paths) > _MOST_WHEELS:
        raise UsageError(f"{folder} holds {len(paths)} wheels, an image takes up to {_MOST_WHEELS}.")
    for path in paths:
        try:
            name, version, _, _ = parse_wheel_filename(path.name)
        except ValueError as why:
            raise UsageError(f"{path.name} is no wheel's name: {why}") from why
        if name in found:
            raise UsageError(f"{folder} holds two wheels of {name}: {found[name].file} and {path.name}.")
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found[name] = Part(str(name), str(version), (digest,), _licence_in(path), path.name)
    return found


def _licence_in(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as wheel:
            entry = next(e for e in wheel.infolist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", e.filename))
            with wheel.open(entry) as file:
                text = file.read(_MOST_METADATA).decode("utf-8", "replace")
    except (OSError, zipfile.BadZipFile, StopIteration) as why:
        raise UsageError(f"{path.name} cannot be read as a wheel.") from why
    return licence_of(HeaderParser().parsestr(text))


def from_wheels(wanted: Iterable[Part], found: dict[str, Part]) -> list[Part]:
    """The parts of a lock as the wheels at hand have them. Raises UsageError where one is missing or not as locked."""
    parts, wrong = [], []
    for part in wanted:
        wheel = found.get(part.name)
        if wheel is None:
            wrong.append(f"{part.name} {part.version} is missing")
        elif wheel.hashes[0] not in part.hashes:
            wrong.append(f"{wheel.file} is not a file that the lock knows as {part.name} {part.version}")
        else:
            parts.append(wheel)
    if wrong:
        raise UsageError("wheels that do not fit the lock: " + "; ".join(wrong[:5]) + ".")
    return parts
