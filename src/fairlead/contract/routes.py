"""routes.json: all that the data plane obeys besides bundles. Published atomically, mode 0600 (it holds keys)."""

from __future__ import annotations

import msgspec


class Variant(msgspec.Struct, frozen=True, omit_defaults=True):
    """A bundle that takes part in answering. weight: share of assigned requests in [0, 1]; shadows answer nobody."""

    name: str
    bundle: str
    version: int = 0
    weight: float = 1.0
    shadow: bool = False


class Route(msgspec.Struct, frozen=True, omit_defaults=True):
    """One served model. Weights of the variants that answer add up to 1.

    sticky_by: the pass-through or feature column whose value assigns; without it the request id does.
    salt: hex key of the assignment hash; a new rollout gets a new salt.
    """

    model: str
    variants: tuple[Variant, ...]
    sticky_by: str | None = None
    salt: str = ""
    sample: float = 1.0
    redact: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """Bounds of the server. max_queue: requests waiting; timeout_s: seconds until a request is given up."""

    max_body_bytes: int = 16 * 1024 * 1024
    max_queue: int = 512
    timeout_s: float = 10.0
    max_spool_bytes: int = 1024 * 1024 * 1024


class Routes(msgspec.Struct, frozen=True, omit_defaults=True):
    """generation: grows with every publication; workers report the one they answer with.

    trusted: hex Ed25519 public keys whose seals are accepted. redact_key: hex key of the redaction hash.
    """

    generation: int
    routes: tuple[Route, ...] = ()
    default: str | None = None
    trusted: tuple[str, ...] = ()
    redact_key: str = ""
    limits: Limits = Limits()
    format: int = 1
