"""routes.json: all that the data plane obeys besides bundles. Published atomically, mode 0600 (it holds keys)."""

from __future__ import annotations

import msgspec

from fairlead.contract.expectations import Expected


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
    salt: hex key of the assignment hash; a new rollout gets a new salt. purposes: the intended uses that
    purpose-bound keys may have. expected: what of the data contract the door looks at.
    cohort: of a pilot, the values of `sticky_by` whose rows the last variant answers, whatever the weights say; all
    other rows are the first one's.
    """

    model: str
    variants: tuple[Variant, ...]
    sticky_by: str | None = None
    salt: str = ""
    sample: float = 1.0
    redact: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    expected: Expected | None = None
    cohort: tuple[str, ...] = ()


class Key(msgspec.Struct, frozen=True, omit_defaults=True):
    """An API key as the data plane knows it. hash: hex sha256 of the secret, which nobody keeps.

    models: names it may ask, ("*",) for all. verbs: of predict, explain, feedback, metrics, admin. purpose: what the
    caller uses answers for; it may then ask only models whose intended use names it. expires: seconds since the epoch,
    0 never. rate_per_s, burst, rows_per_day: 0 is without limit. digits: decimals that probabilities are rounded to,
    None as they are. label_only: instead of probabilities 1 for the label and 0 for the others, in every protocol.
    """

    id: str
    name: str
    hash: str
    models: tuple[str, ...] = ("*",)
    verbs: tuple[str, ...] = ("predict", "feedback")
    purpose: str = ""
    expires: float = 0.0
    rate_per_s: float = 0.0
    burst: int = 0
    rows_per_day: int = 0
    digits: int | None = None
    label_only: bool = False


class Issuer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whose JWTs are accepted. jwks: URL or path of its keys. claim: holds scopes as "predict:churn admin:*"."""

    issuer: str
    audience: str
    jwks: str
    claim: str = "scope"


class Limits(msgspec.Struct, frozen=True, omit_defaults=True):
    """Bounds of the server. max_queue: requests waiting; timeout_s: seconds until a request is given up.

    batch_bytes: a larger body is answered by the batch lane, so that it does not hold up small ones; 0: no lane.
    max_models_bytes: memory for models, beyond which the least used are let go; 0 is without limit.
    """

    max_body_bytes: int = 16 * 1024 * 1024
    max_queue: int = 512
    timeout_s: float = 10.0
    max_spool_bytes: int = 1024 * 1024 * 1024
    batch_bytes: int = 256 * 1024
    max_models_bytes: int = 0


class Routes(msgspec.Struct, frozen=True, omit_defaults=True):
    """generation: grows with every publication; workers report the one they answer with.

    trusted: hex Ed25519 public keys whose seals are accepted. redact_key: hex key of the redaction hash.
    keys, issuers: who may ask, where the server asks at all (`serve.access`).
    """

    generation: int
    routes: tuple[Route, ...] = ()
    default: str | None = None
    trusted: tuple[str, ...] = ()
    redact_key: str = ""
    limits: Limits = Limits()
    keys: tuple[Key, ...] = ()
    issuers: tuple[Issuer, ...] = ()
    format: int = 1
