"""The parameter `timeout` of a V2 request, as Triton has it: microseconds that the client waits, 0 is for ever.

Source: Triton's extension `schedule_policy` of the protocol.
"""

from __future__ import annotations

from typing import Any

from fairlead.contract.errors import BodyInvalid

_FAR = 1 << 63


def timeout_s(micros: Any) -> float | None:
    """Seconds; None for none. Raises BodyInvalid for what is no number of microseconds."""
    if micros is None:
        return None
    if isinstance(micros, float) and micros.is_integer():
        micros = int(micros)
    if type(micros) is not int or not 0 <= micros < _FAR:
        raise BodyInvalid("timeout must be a whole number of microseconds")
    return micros / 1e6 if micros else None
