"""The verb `test`: the project's own expectations of its model's behaviour."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.ops.flow import Workspace


def test(ws: Workspace, reference: str | None, data: Any) -> dict[str, Any]:
    """See `Project.test`."""
    from fairlead.ops.flow import making
    from fairlead.ops.flow.behaving import try_expectations

    chosen = making.resolve_bundle(ws, reference)
    frame = None if data is None else making.training_frame(ws, data)
    tried = try_expectations(ws, chosen, frame)
    told = [msgspec.to_builtins(result) for result in tried.results]
    return {
        "bundle": chosen,
        "verdict": tried.check.verdict,
        "why": tried.check.why,
        "passed": sum(result["verdict"] == "pass" for result in told),
        "failed": [result for result in told if result["verdict"] == "fail"],
        "inconclusive": [result for result in told if result["verdict"] == "inconclusive"],
        "results": told,
    }


test.__test__ = False  # type: ignore[attr-defined]  # a verb, no test of pytest's
