"""What a load test found, as a file: steps of rates at several numbers of workers, and what they cost the server."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fairlead.contract.errors import ConfigInvalid, SourceUnreadable

FORMAT = 1
MOST_ERRORS = 0.001
"""Share of requests that may fail in a step that counts as carried."""
_MOST_BYTES = 64 * 1024 * 1024
_Count = Annotated[int, Meta(ge=0)]
_Size = Annotated[float, Meta(ge=0.0)]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One rate, held for some seconds. Times are milliseconds from when a request was due.

    rate: asked, requests a second; answered: with 200, a second. p99_low_ms, p99_high_ms: 95 % interval of p99, None
    upwards where too few were asked to say. late_p99_ms: how late the generator itself was. cpu_cores: of all of the
    server's processes; memory_mb: their private and shared memory; 0 where they could not be looked at.
    """

    rate: _Size
    answered: _Size
    requests: _Count
    errors: dict[str, int]
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    max_ms: float | None
    p99_low_ms: float | None
    p99_high_ms: float | None
    late_p99_ms: float | None
    cpu_cores: _Size = 0.0
    memory_mb: _Size = 0.0
    client_cores: _Size = 0.0

    def carried(self, p99_ms: float) -> bool:
        """Whether the server carried it: p99 surely within the limit, and nearly every request answered."""
        high = self.p99_high_ms
        failed = sum(self.errors.values())
        return high is not None and high <= p99_ms and failed <= MOST_ERRORS * max(1, self.requests)

    @property
    def unsound(self) -> str:
        """Why the step says less than it seems to, in words; empty where it is sound."""
        if self.late_p99_ms is not None and self.p99_ms is not None and self.late_p99_ms > max(1.0, 0.2 * self.p99_ms):
            return "the generator was late itself"
        return ""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Steps at one number of worker processes, rates rising."""

    workers: Annotated[int, Meta(ge=1)]
    steps: tuple[Step, ...]

    def bracket(self, p99_ms: float) -> tuple[float, float]:
        """(highest rate carried with all lower ones, lowest that was not); 0 and infinity where there is none."""
        good, bad = 0.0, math.inf
        for step in sorted(self.steps, key=lambda step: step.rate):
            if not step.carried(p99_ms):
                bad = step.rate
                break
            good = step.rate
        return good, bad

    def best(self, p99_ms: float) -> Step | None:
        """The step at the highest rate carried."""
        good, _ = self.bracket(p99_ms)
        return next((step for step in self.steps if step.rate == good), None)

    def p99_at(self, rate: float) -> tuple[float, float] | None:
        """Between what p99 lies at a rate that need not be one that was asked, milliseconds; None beyond those.

        More load never answers sooner, so it lies between what lower and higher rates had, each with its 95 % interval:
        of the steps up to the next one the highest, of those from the one before on the lowest. That holds also where
        moments of the machine made a low rate slower than a higher one.
        """
        rates = [step.rate for step in self.steps]
        if not rates or not 0 < rate <= max(rates):
            return None
        above = min(one for one in rates if one >= rate)
        below = max((one for one in rates if one <= rate), default=0.0)
        high = [math.inf if s.p99_high_ms is None else s.p99_high_ms for s in self.steps if s.rate <= above]
        low = [s.p99_low_ms or 0.0 for s in self.steps if s.rate >= below]
        return (min(low) if below else 0.0), max(high)


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured. cores: that the server and, where `shared`, the generator had together."""

    cores: int
    processor: str
    memory_mb: float
    shared: bool


class PerReplica(msgspec.Struct, frozen=True, kw_only=True):
    """What one server carried within the limit of the test, in base units; what exports take sizes from."""

    requests_per_s: float
    cpu_cores: float
    memory_bytes: int
    p99_s: float
    workers: int


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The whole test. at: seconds since the epoch. p99_ms: the limit that its rates were chosen by.

    server: "own" where the test started it at each number of workers, else "running".
    """

    model: str
    bundle: str
    version: int | None
    fairlead: str
    at: float
    machine: Machine
    server: Literal["own", "running"]
    p99_ms: float
    seconds: float
    connections: int
    rows: int
    runs: tuple[Run, ...]
    per_replica: PerReplica | None = None
    format: int = FORMAT


def read_measured(path: Path) -> Measured:
    """The result in a file. Raises SourceUnreadable for none, ConfigInvalid for what is no result of this format."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigInvalid("far too large for the result of a load test.", file=str(path))
        raw = path.read_bytes()
    except OSError as why:
        raise SourceUnreadable(f"{path}: {why.strerror}. `fairlead loadtest --workers 1,2` writes a result.") from why
    try:
        found = msgspec.json.decode(raw, type=Measured)
    except (msgspec.MsgspecError, UnicodeError) as why:
        raise ConfigInvalid(f"no result of `fairlead loadtest`: {why}", file=str(path)) from why
    if found.format != FORMAT or not found.runs:
        raise ConfigInvalid(f"a result of format {FORMAT} with runs is needed.", file=str(path))
    return found
