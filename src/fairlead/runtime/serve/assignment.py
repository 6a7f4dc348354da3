"""Which variant answers: a keyed hash, so that the same key always meets the same variant."""

from __future__ import annotations

from hashlib import blake2b

from fairlead.contract.routes import Route, Variant


def share(salt: str, key: str) -> float:
    """Where `key` falls in [0, 1): the same everywhere, uniform over keys, independent between salts."""
    digest = blake2b(key.encode(), digest_size=8, key=salt.encode()[:64]).digest()
    return int.from_bytes(digest, "big") / 2**64


def assign(route: Route, key: str) -> Variant:
    """The variant of `route` that answers `key`. Growing a later variant's weight moves keys only towards it.

    The first variant that answers takes the shares from 0 up, so a canary, which comes after it, takes the top.
    """
    answering = [variant for variant in route.variants if not variant.shadow]
    if len(answering) == 1:
        return answering[0]
    if route.cohort:
        return answering[-1] if key in route.cohort else answering[0]
    at, top = share(route.salt, key), 0.0
    for variant in answering:
        top += variant.weight
        if at < top:
            return variant
    return next(variant for variant in reversed(answering) if variant.weight > 0)
