"""Who may ask: keys, tokens and client certificates, their limits, and what they are told.

`Doorkeeper` (one a worker) makes an `Access` for each generation of routes; None means that nobody is asked who
they are. Secrets are in `secret`, headers in `credentials`, addresses in `addresses`, tokens in `tokens`.
"""

from __future__ import annotations

from fairlead.runtime.serve.access.access import UNRECORDED, Access
from fairlead.runtime.serve.access.blunting import blunt
from fairlead.runtime.serve.access.doorkeeper import Doorkeeper
from fairlead.runtime.serve.access.secret import hash_of, new_secret, well_formed
from fairlead.runtime.serve.access.starting import (
    VARIABLE,
    closed_to_all,
    is_loopback,
    is_required,
    issuers_of,
    keys_of_environment,
    require_safe,
)

__all__ = [
    "UNRECORDED",
    "VARIABLE",
    "Access",
    "Doorkeeper",
    "blunt",
    "closed_to_all",
    "hash_of",
    "is_loopback",
    "is_required",
    "issuers_of",
    "keys_of_environment",
    "new_secret",
    "require_safe",
    "well_formed",
]
