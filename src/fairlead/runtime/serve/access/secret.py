"""API keys as text: 256 random bits with a prefix and a checksum, so that one that leaked can be searched for.

`PATTERN` finds candidates in files and logs; `well_formed` tells real ones from look-alikes without any list.
"""

from __future__ import annotations

import secrets
import zlib
from hashlib import sha256

PREFIX = "flk_"
PATTERN = r"flk_[0-9A-Za-z]{49}"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BODY, _CHECK = 43, 6  # digits of base 62 that hold 256 bits and a CRC-32
_LENGTH = len(PREFIX) + _BODY + _CHECK


def new_secret() -> str:
    """A new key. Nobody keeps it: what is stored is `hash_of` it."""
    body = PREFIX + _text(secrets.randbits(256), _BODY)
    return body + _check(body)


def well_formed(text: str) -> bool:
    """Whether `text` has the form of a key and its checksum holds; says nothing about whether it is one.

    >>> well_formed(new_secret()), well_formed("flk_" + "0" * 49)
    (True, False)
    """
    if len(text) != _LENGTH or not text.startswith(PREFIX) or not text.isascii():
        return False
    return _check(text[:-_CHECK]) == text[-_CHECK:]


def hash_of(secret: str) -> str:
    """Hex sha256. A slow hash would guard short passwords; nobody guesses 256 random bits."""
    return sha256(secret.encode()).hexdigest()


def _check(body: str) -> str:
    return _text(zlib.crc32(body.encode()), _CHECK)


def _text(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
