"""Bodies as JSON values, and JSON values as bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from fairlead.contract.errors import BodyInvalid

encode = msgspec.json.Encoder().encode
_any = msgspec.json.Decoder().decode

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a typed decoder raises for a body that is not what it takes; the careful path then says what is wrong."""


def read_json(body: bytes) -> Any:
    """The JSON value of a body. A bare NaN, which JSON does not have and pandas' users send, is null.

    Raises BodyInvalid; infinities are no numbers that anything here takes.
    """
    try:
        return _any(body)
    except RecursionError:
        raise BodyInvalid("body is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as bad:
        if b"NaN" in body:
            return _with_nan(body)
        raise BodyInvalid(f"body is not valid JSON: {bad}") from None


def _with_nan(body: bytes) -> Any:
    try:
        got = json.loads(body.decode(), parse_constant=_constant)
    except RecursionError:
        raise BodyInvalid("body is nested too deeply") from None
    except ValueError:
        raise BodyInvalid("body is not valid JSON") from None
    if got is None:
        raise BodyInvalid("body is NaN alone")
    return got


def _constant(said: str) -> None:
    if said != "NaN":
        raise ValueError(said)


def media_type(headers: Mapping[str, str], name: str = "content-type") -> str:
    """A media type in lower case without its parameters; "" when none is given."""
    return (headers.get(name) or "").split(";", 1)[0].strip().lower()


def must_be_plain(headers: Mapping[str, str]) -> None:
    """Before a body is read as anything but JSON: compressed bytes could pass for something that they are not.

    Raises BodyInvalid, upon which the server decodes the body and asks again.
    """
    if (headers.get("content-encoding") or "").strip().lower() not in {"", "identity"}:
        raise BodyInvalid("body is compressed")
