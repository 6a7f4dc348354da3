"""Profiles and references as canonical JSON: the same rows give the same bytes, so they may be hashed and sealed."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from fairlead.contract.errors import FormatUnknown
from fairlead.contract.profile import Profile, Reference

FORMAT = 1
_ENCODER = msgspec.json.Encoder(order="deterministic")
_Kept = TypeVar("_Kept", Profile, Reference)


def encode_profile(profile: Profile) -> bytes:
    """JSON of a profile."""
    return _ENCODER.encode(profile)


def decode_profile(data: bytes) -> Profile:
    """A profile from JSON. Raises FormatUnknown."""
    return _decode(data, Profile)


def encode_reference(reference: Reference) -> bytes:
    """JSON of a reference."""
    return _ENCODER.encode(reference)


def decode_reference(data: bytes) -> Reference:
    """A reference from JSON. Raises FormatUnknown."""
    return _decode(data, Reference)


def _decode(data: bytes, kind: type[_Kept]) -> _Kept:
    try:
        found = msgspec.json.decode(data, type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise FormatUnknown(f"not a {kind.__name__.lower()} this version can read: {error}") from error
    if found.format != FORMAT:
        raise FormatUnknown(f"{kind.__name__.lower()} format {found.format}; this version reads {FORMAT}")
    return found
