"""Structs that are equal, and so written alike, whatever way they came.

msgspec leaves a field out (`omit_defaults`) where it *is* its default, not where it equals it. What went through
pickle, to a child process or to a file and back, and what was computed to be 0.5, would be written with fields that its
equal is written without, and a bundle would have another id.
"""

from __future__ import annotations

from math import copysign
from typing import Any

import msgspec

_ATOMS = (float, int, str, bytes, bool, type(None))


def by_default(thing: Any) -> Any:
    """`thing`, in which each field that equals its default is that very default; itself where nothing differs."""
    if isinstance(thing, msgspec.Struct):
        return _struct(thing)
    if type(thing) in (tuple, list):
        if all(isinstance(one, _ATOMS) for one in thing):
            return thing
        settled = [by_default(one) for one in thing]
        return thing if all(map(_is, settled, thing)) else type(thing)(settled)
    if type(thing) is dict:
        found = {key: by_default(one) for key, one in thing.items()}
        return thing if all(one is thing[key] for key, one in found.items()) else found
    return thing


def _struct(thing: msgspec.Struct) -> msgspec.Struct:
    changed, fields, defaults = {}, thing.__struct_fields__, thing.__struct_defaults__
    # Defaults are those of the last fields; of the first ones nothing is a default.
    for name, default in zip(fields, (*[msgspec.NODEFAULT] * (len(fields) - len(defaults)), *defaults), strict=True):
        value = getattr(thing, name)
        if value is default:
            continue
        settled = default if _equal(value, default) else by_default(value)
        if settled is not value:
            changed[name] = settled
    return msgspec.structs.replace(thing, **changed) if changed else thing


def _equal(value: Any, default: Any) -> bool:
    if type(value) is not type(default):
        return False
    same = bool(value == default)
    return same and (type(value) is not float or copysign(1.0, value) == copysign(1.0, default))


def _is(one: Any, other: Any) -> bool:
    return one is other
