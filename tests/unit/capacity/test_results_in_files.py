"""Results of load tests: read back as they were kept; anything else is refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import ConfigInvalid
from fairlead.reach.capacity.latencies import HIGHEST_S, LOWEST_S, Latencies
from fairlead.reach.capacity.loadtest import kept
from fairlead.reach.capacity.measured import Machine, Measured, PerReplica, Run, Step, read_measured
from fairlead.reach.export.kubernetes.sizing import read_result

RATES = st.floats(0.1, 1e6)
STEPS = st.builds(
    Step, rate=RATES, answered=RATES, requests=st.integers(0, 1 << 40),
    errors=st.dictionaries(st.text(max_size=6), st.integers(0, 9), max_size=2),
    **{name: st.one_of(st.none(), st.floats(0, 1e5)) for name in (
        "p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms", "p99_low_ms", "p99_high_ms", "late_p99_ms")},
)  # fmt: skip
MEASURED = st.builds(
    Measured, model=st.text(max_size=5), bundle=st.just("b" * 64), version=st.one_of(st.none(), st.integers(1, 9)),
    fairlead=st.just("1"), at=RATES, machine=st.builds(Machine, cores=st.integers(1, 9), processor=st.text(max_size=5),
    memory_mb=RATES, shared=st.booleans()), server=st.sampled_from(["own", "running"]), p99_ms=RATES, seconds=RATES,
    connections=st.integers(1, 9), rows=st.integers(1, 9),
    runs=st.lists(st.builds(Run, workers=st.integers(1, 9), steps=st.lists(STEPS, max_size=2).map(tuple)), min_size=1,
    max_size=2).map(tuple),
    per_replica=st.builds(PerReplica, requests_per_s=RATES, cpu_cores=st.floats(0.01, 99),
    memory_bytes=st.integers(1, 1 << 40), p99_s=st.floats(0, 9), workers=st.integers(1, 9)),
)  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results") / "loadtest.json"


@given(measured=MEASURED)
def test_a_result_is_read_back_by_who_plans_and_by_who_exports(file: Path, measured: Measured) -> None:
    assert read_measured(kept(measured, file)) == measured
    assert measured.per_replica is not None
    assert read_result(file).cpu_cores == measured.per_replica.cpu_cores


@given(raw=st.one_of(st.binary(max_size=60), st.sampled_from([b'"\xff"', b"{}", b"[" * 9000, b'{"per_replica":null}'])))
def test_what_is_no_result_is_refused_in_words(file: Path, raw: bytes) -> None:
    file.write_bytes(raw)
    for read in (read_measured, read_result):
        with pytest.raises(ConfigInvalid):
            read(file)


@given(st.lists(st.floats(LOWEST_S, HIGHEST_S), min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_latencies_travel_as_bins_and_stay_within_a_percent(seconds: list[float], share: float) -> None:
    took = Latencies()
    for one in seconds:
        took.add(one)
    again = Latencies.of(took.sparse())
    assert (again.counts == took.counts).all()
    exact = sorted(seconds)[max(0, -(-int(share * 1e9) * len(seconds) // 10**9) - 1)]
    assert again.quantile(share) == pytest.approx(exact, rel=0.011) or len(seconds) > 1
    assert again.quantile(0.0) <= again.quantile(share) <= again.quantile(1.0)
