"""Open Inference Protocol V2 over REST: one tensor a column in, one tensor an output out.

Outputs: a classification answers `label` (BYTES, [n]) and `probabilities` (FP64, [n, classes], in the order of
the signature's classes), a regression `value` (FP64, [n]). Triton's binary tensors are taken and given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from fairlead.contract.signature import Signature
from fairlead.runtime.wire import v2_careful
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Parsed
from fairlead.runtime.wire.reading import encode
from fairlead.runtime.wire.tensors import metadata_of
from fairlead.runtime.wire.v2_answers import Answers
from fairlead.runtime.wire.v2_quick import SingleRow


class V2:
    """`POST /v2/models/{model}[/versions/{version}]/infer`."""

    name = "v2"

    def __init__(self, model: str, signature: Signature, checks: Checks) -> None:
        self.model, self._checks, self._signature = model, checks, signature
        self.render = Answers(model, signature)
        self.render_each = self.render.each

    @cached_property
    def _single(self) -> Any:
        # Made with the first request: a server of many models is asked for few of them.
        return SingleRow(self._checks).read

    def paths(self) -> Sequence[str]:
        return (f"/v2/models/{self.model}/infer", f"/v2/models/{self.model}/versions/{{version}}/infer")

    def default_paths(self) -> Sequence[str]:
        return ()

    def metadata(self, versions: Sequence[str]) -> bytes:
        """The body of `GET /v2/models/{model}`."""
        described = metadata_of(self._signature)
        optional = described.pop("optional_inputs", None)
        said = {"name": self.model, "versions": list(versions), "platform": "fairlead", **described}
        if optional:
            said["parameters"] = {"optional_inputs": optional}
        return encode(said)

    def parse(self, body: bytes, headers: Mapping[str, str]) -> Parsed:
        """Raises InputInvalid and below."""
        parsed: Parsed | None = self._single(body)
        return v2_careful.read(body, headers, self._checks) if parsed is None else parsed

    def error(self, message: str, code: int) -> bytes:
        return encode({"error": message})
