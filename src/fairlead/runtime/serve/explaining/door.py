"""A worker's side of the process that explains."""

from __future__ import annotations

import msgspec

from fairlead.contract.ports import Request
from fairlead.runtime.serve.explaining.addresses import asked
from fairlead.runtime.serve.lane import Lane
from fairlead.runtime.serve.stored import Stored


class Explaining(Lane):
    """As a `Lane`, except that nothing is explained here where that process cannot be reached: predictions go first."""

    failed = "the explanation could not be made, try again"

    def __init__(self, path: str) -> None:
        super().__init__(path, _unreached)

    def takes(self, request: Request) -> bool:
        """Whether a request asks for an explanation."""
        return request.method == "POST" and asked(request.path) is not None

    def _answer_here(self, request: Request, body: Stored | None) -> None:
        if body is not None:
            body.close()
        _unreached(request)


def _unreached(request: Request) -> None:
    again = [("content-type", "application/json"), ("retry-after", "1")]
    request.reply(503, again, msgspec.json.encode({"error": "explanations cannot be made just now, try again"}))
