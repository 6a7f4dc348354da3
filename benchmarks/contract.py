"""What a data contract costs at the door: scenario `contract`, CPU µs a request of the logistic churn model.

The contract is the one that `fairlead contract init` begins: a rule or two for each of its columns. `plain` is a route
without one, before and after in turns, so that the machine's moods meet both; `rules` is the contract alone, in ns a
row. `python -m benchmarks contract` measures.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import models
from fairlead.contract.ports import Request
from fairlead.contract.routes import Limits, Route, Routes, Variant
from fairlead.ops.monitor.contracts.door import expected_at_door
from fairlead.ops.monitor.contracts.reading import parse_contract
from fairlead.ops.monitor.contracts.writing import written
from fairlead.runtime.bundle import load, signer_of
from fairlead.runtime.serve.counters import Counters
from fairlead.runtime.serve.expecting import expecting
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.serve.worker import open_plane
from layers import FORMS, requests_of

ROUNDS, REPEATS = 25, 200


def opened(folder: Path, bundle: Path, route: Route) -> DataPlane:
    """A worker's data plane that serves one route and captures."""
    routes = Routes(1, (route,), default="churn", trusted=(signer_of(bundle),), limits=Limits())
    return open_plane(0, {
        "run": str(folder / ".fairlead" / "run"), "instance": "contract", "home": str(folder / ".fairlead"),
        "fixed": routes, "bundle": str(bundle),
    })  # fmt: skip


def cpu(work: Any, times: int) -> float:
    """CPU µs a call."""
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times * 1e6


def tick(plane: DataPlane, requests: Sequence[Request]) -> None:
    """Requests that came at one time, answered."""
    now = time.time()
    for request in requests:
        request.arrived = now
    plane.answer(requests)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        bundle = models.seal("logistic", folder)
        model: Any = load(bundle, (signer_of(bundle),))
        contract = parse_contract(written("churn", model.signature, model.reference).encode())
        expected = expected_at_door(contract.terms, model.signature)
        assert expected is not None
        variant = Variant("champion", bundle.name)
        plain = opened(Path(scratch) / "plain", bundle, Route("churn", (variant,)))
        held = opened(Path(scratch) / "held", bundle, Route("churn", (variant,), expected=expected))
        answer: dict[str, Any] = {"scenario": "contract", "rules": len(expected.rules)}
        path = FORMS["native"][0]
        for count in (1, 25):
            requests = requests_of("native", count)
            found: dict[str, list[float]] = {"plain": [], "held": []}
            for _ in range(ROUNDS):
                for name, plane in (("plain", plain), ("held", held)):
                    found[name].append(cpu(partial(tick, plane, requests), REPEATS) / count)
            for name, figures in found.items():
                answer[f"{name}_{count}_us"] = round(statistics.median(figures), 2)
            endpoint, route = held._serving.endpoints[path], held._serving.routes.routes[0]
            rows = [endpoint.parse(r.body, r.headers).rows[0] for r in requests]
            guard = expecting(None, route, variant, model.signature, Counters(Path(scratch) / f"c-{count}"))
            assert guard is not None
            alone = [cpu(partial(guard, rows), REPEATS * 5) / count * 1e3 for _ in range(ROUNDS)]
            answer[f"rules_{count}_ns_a_row"] = round(statistics.median(alone))
        plain.close()
        held.close()
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
