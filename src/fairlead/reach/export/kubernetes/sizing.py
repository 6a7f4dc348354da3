"""What a replica is given: as a load test measured it, else stated defaults that say that they are none."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from fairlead.contract.errors import ConfigInvalid, SourceUnreadable
from fairlead.reach.export.exported import Exported

MIB = 1 << 20
_MOST_BYTES = 16 * MIB
_ROOM = 1.5
"""Memory beyond the measured peak: two bundles are loaded at once while a new one takes over."""


class PerReplica(msgspec.Struct, frozen=True):
    """What one replica took at the highest rate that held its latency.

    requests_per_s: that rate. cpu_cores: used at it. memory_bytes: peak. p99_s: latency there, seconds.
    """

    requests_per_s: float
    cpu_cores: float
    memory_bytes: int
    p99_s: float = 0.0


class _Result(msgspec.Struct):
    per_replica: PerReplica


class Sizes(msgspec.Struct, frozen=True):
    """cpu, memory: requests and limits as Kubernetes writes them. says: where they come from, for a person."""

    cpu: str
    cpu_limit: str
    memory: str
    memory_limit: str
    says: str


def sizes_of(exported: Exported, loadtest: str) -> Sizes:
    """Sizes of the container that answers. loadtest: path of a result, from the project's folder; "" for defaults.

    Raises SourceUnreadable, ConfigInvalid.
    """
    if loadtest:
        return _measured(read_result(exported.root / loadtest))
    workers = exported.settings.serve.workers
    bundle = sum(len(data) for data in exported.files.values()) / MIB
    # 120 MB for the first worker and 40 MB for each further one are what the product promises; a bundle is held
    # twice while a new one takes over, and parsed it is larger than on disk.
    memory = _steps(160 + 48 * (workers - 1) + 4 * bundle, 32)
    return Sizes(
        cpu=f"{250 * workers}m",
        cpu_limit=f"{1000 * workers}m",
        memory=f"{memory}Mi",
        memory_limit=f"{2 * memory}Mi",
        says="Sizes are defaults, not measured: run `fairlead loadtest` and export again with --set loadtest=RESULT.",
    )


def read_result(path: Path) -> PerReplica:
    """What `fairlead loadtest` found. Raises SourceUnreadable for no file, ConfigInvalid for another one."""
    try:
        with path.open("rb") as file:
            found = msgspec.json.decode(file.read(_MOST_BYTES), type=_Result).per_replica
    except OSError as why:
        raise SourceUnreadable(
            f"the load test {path.name} cannot be read: {why.strerror}. `fairlead loadtest --out FILE` makes one."
        ) from why
    except (msgspec.MsgspecError, UnicodeError) as why:
        raise ConfigInvalid(
            f"{path.name} is no result of a load test: {why}.",
            key="--set loadtest",
            cure="Give the file that `fairlead loadtest` wrote.",
        ) from why
    if not (found.requests_per_s > 0 and 0 < found.cpu_cores < 1024 and 0 < found.memory_bytes < 1 << 44):
        raise ConfigInvalid(f"{path.name}: a rate, cores and bytes above 0 are needed.", key="--set loadtest")
    return found


def _measured(found: PerReplica) -> Sizes:
    cpu = max(100, _steps(1000 * found.cpu_cores, 50))
    memory = _steps(found.memory_bytes / MIB, 16)
    latency = f" with 99 of 100 answers within {found.p99_s * 1000:.3g} ms" if found.p99_s else ""
    return Sizes(
        cpu=f"{cpu}m",
        # A burst, the collector's turn, and a bundle that loads: a limit at what is asked for would throttle all three.
        cpu_limit=f"{2 * cpu}m",
        memory=f"{memory}Mi",
        memory_limit=f"{_steps(memory * _ROOM, 16)}Mi",
        says=f"Sizes are measured: {found.requests_per_s:,.0f} requests a second and replica{latency}, "
        f"{found.cpu_cores:.3g} cores, {found.memory_bytes / MIB:,.0f} MiB.",
    )


def _steps(value: float, step: int) -> int:
    return max(step, math.ceil(value / step) * step)
