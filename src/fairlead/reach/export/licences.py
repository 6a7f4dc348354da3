"""Licences of what an image carries: SPDX expressions, read from a wheel's metadata, and which need a person's word."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.message import Message

UNKNOWN = "NOASSERTION"
PERMISSIVE = frozenset({
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "HPND", "ISC", "LicenseRef-BSD", "MIT",
    "MIT-0", "MIT-CMU", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib",
})  # fmt: skip
"""Licences that ask to be named and no more."""

_OLD = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "bsd": "LicenseRef-BSD",
    "bsd license": "LicenseRef-BSD",
    "3-clause bsd license": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
    "zlib license": "Zlib",
}
_TOKEN = re.compile(r"\s*(\(|\)|[A-Za-z0-9][A-Za-z0-9.+-]*)")
_DEEPEST = 20


def licence_of(metadata: Message) -> str:
    """The SPDX expression of a distribution: what it says itself, else what its older fields mean; else NOASSERTION.

    Of several classifiers any may be taken, as their authors mean "or".
    """
    said = (metadata.get("License-Expression") or "").strip()
    if said and said.upper() != "UNKNOWN":
        return said
    said = (metadata.get("License") or "").strip()
    if "\n" not in said and (found := _read_old(said)):
        return found
    classified = [
        line.rpartition("::")[2].strip()
        for line in metadata.get_all("Classifier") or []
        if line.startswith("License ::")
    ]
    known = sorted({found for one in classified if (found := _read_old(one))})
    return " OR ".join(known) if known else UNKNOWN


def _read_old(said: str) -> str:
    """SPDX for what people wrote before there was a field for it; empty where it could mean anything."""
    return said if said in PERMISSIVE else _OLD.get(said.lower(), "")


def permissive(expression: str) -> bool:
    """Whether one may pass it on by naming it alone. `A OR B`: one of them will do; `A AND B`: both; unknown: no.

    An exception (`WITH`) only permits more. What is no SPDX expression is not permissive.
    """
    tokens = _tokens(expression)
    try:
        answer, rest = _any(tokens, 0, 0)
    except (IndexError, ValueError):
        return False
    return answer and rest == len(tokens)


def asking(licences: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """(name, licence) of what asks for more than to be named."""
    return [(name, licence) for name, licence in licences if not permissive(licence)]


def _tokens(expression: str) -> list[str]:
    found, at = [], 0
    text = expression.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return []
        found.append(match[1])
        at = match.end()
    return found


def _any(tokens: list[str], at: int, deep: int) -> tuple[bool, int]:
    answer, at = _all(tokens, at, deep)
    while at < len(tokens) and tokens[at].upper() == "OR":
        one, at = _all(tokens, at + 1, deep)
        answer = answer or one
    return answer, at


def _all(tokens: list[str], at: int, deep: int) -> tuple[bool, int]:
    answer, at = _one(tokens, at, deep)
    while at < len(tokens) and tokens[at].upper() == "AND":
        one, at = _one(tokens, at + 1, deep)
        answer = answer and one
    return answer, at


def _one(tokens: list[str], at: int, deep: int) -> tuple[bool, int]:
    if deep > _DEEPEST:
        raise ValueError("too deep")
    if tokens[at] == "(":
        answer, at = _any(tokens, at + 1, deep + 1)
        if tokens[at] != ")":
            raise ValueError("a bracket is not closed")
        return answer, at + 1
    if tokens[at] == ")" or tokens[at].upper() in {"AND", "OR", "WITH"}:
        raise ValueError("a licence is missing")
    answer, at = tokens[at] in PERMISSIVE, at + 1
    if at < len(tokens) and tokens[at].upper() == "WITH":
        tokens[at + 1]  # the exception must be named
        at += 2
    return answer, at
