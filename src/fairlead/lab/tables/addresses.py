"""Where a table lies, as text: paths, addresses of stores, URLs of databases; with the secrets kept out of sight.

A secret is written ${NAME} and taken from the environment when the table is opened. What is shown, logged, sealed or
raised is the text as it was written, and a secret that stands in it all the same is blotted out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from fairlead.contract.errors import UsageError

BLOT = "***"
_NAMED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.\-]*)://")
_TOKEN = re.compile(r"(;token=)([^;]*)", re.IGNORECASE)
"""As Spark Connect writes one."""
DATABASES = (
    "sqlite", "postgresql", "postgres", "mysql", "mariadb", "oracle", "mssql", "cockroachdb", "redshift", "snowflake",
    "bigquery", "duckdb", "db2", "hana", "trino", "clickhouse", "databricks", "firebird",
)  # fmt: skip


class Address(NamedTuple):
    """A place as it is used and as it may be shown. secrets: texts that must not appear in any message."""

    text: str
    shown: str
    secrets: tuple[str, ...] = ()

    @property
    def scheme(self) -> str:
        """`s3` of s3://bucket/x, "" for a path."""
        found = SCHEME.match(self.text)
        return found[1].lower() if found else ""

    @property
    def is_database(self) -> bool:
        """Whether SQLAlchemy is to open it."""
        return self.scheme.partition("+")[0] in DATABASES

    @property
    def name(self) -> str:
        """For messages: as shown, but of a file of this machine its name alone."""
        return short_name(self.shown) if self.scheme.startswith(("sqlite", "duckdb", "file")) else self.shown

    def scrubbed(self, said: str) -> str:
        """A message of somebody else's without our secrets."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            said = said.replace(secret, BLOT)
        return said


def address_of(text: str, environ: Mapping[str, str] | None = None) -> Address:
    """The place that a text names, ${NAME} taken from the environment. Raises UsageError for a name that has no value.

    In the part before an address' host (user:password@), and in one of Spark Connect, values are quoted, so that any
    password or token can be one.
    """
    known = os.environ if environ is None else environ
    secrets: list[str] = []

    def value(name: re.Match[str], *, quoted: bool) -> str:
        found = known.get(name[1])
        if found is None:
            raise UsageError(f"{shown_of(text)}: the environment has no variable {name[1]}.")
        return quote(found, safe="") if quoted else found

    scheme = SCHEME.match(text)
    rest = text[scheme.end() :] if scheme else text
    user, at, place = _split_user(rest) if scheme else ("", "", rest)
    user = _NAMED.sub(lambda name: value(name, quoted=True), user)
    connect = bool(scheme) and text.startswith("sc://")
    place = _NAMED.sub(lambda name: value(name, quoted=connect), place)
    whole = f"{scheme[0] if scheme else ''}{user}{at}{place}"
    secrets.extend(known[name] for name in _NAMED.findall(text))
    secrets.extend(_passwords(whole))
    return Address(whole, shown_of(text), tuple({s for s in secrets if len(s) > 2}))


def shown_of(text: str) -> str:
    """An address as it may be shown: as written, but for passwords and what stands behind a question mark.

    >>> shown_of("postgresql://me:pw@db/shop"), shown_of("postgresql://me:${DB_PASSWORD}@db/shop")
    ('postgresql://me:***@db/shop', 'postgresql://me:${DB_PASSWORD}@db/shop')
    >>> shown_of("https://store/t.csv?sv=2&sig=abc"), shown_of("data/churn.csv")
    ('https://store/t.csv?sv=***&sig=***', 'data/churn.csv')
    >>> shown_of("sc://spark:15002/;token=abc;use_ssl=true")
    'sc://spark:15002/;token=***;use_ssl=true'
    """
    scheme = SCHEME.match(text)
    if not scheme:
        return text
    user, at, place = _split_user(text[scheme.end() :])
    name, colon, password = user.partition(":")
    if password and not _only_named(password):
        password = BLOT
    place, mark, query = place.partition("?")
    place = _TOKEN.sub(lambda found: found[0] if _only_named(found[2]) else f"{found[1]}{BLOT}", place)
    if query:
        parts = (part.partition("=") for part in query.split("&"))
        query = "&".join(f"{key}={said if not said or _only_named(said) else BLOT}" for key, _, said in parts)
    return f"{scheme[0]}{name}{colon}{password}{at}{place}{mark}{query}"


def holds_secret(text: str) -> bool:
    """Whether a secret stands in the text itself, instead of as ${NAME}."""
    return shown_of(text) != text


def short_name(text: str) -> str:
    """The last part of a place, for messages: a file's name, or an address without its folders."""
    address = shown_of(text)
    scheme = SCHEME.match(address)
    if not scheme:
        return Path(address).name or address
    return scheme[0] + "…/" + address.partition("?")[0].rstrip("/").rpartition("/")[2]


def _split_user(rest: str) -> tuple[str, str, str]:
    head, slash, tail = rest.partition("/")
    user, at, host = head.rpartition("@")
    return user, at, host + slash + tail


def _only_named(text: str) -> bool:
    return bool(_NAMED.fullmatch(text))


def _passwords(whole: str) -> list[str]:
    from urllib.parse import unquote

    scheme = SCHEME.match(whole)
    if not scheme:
        return []
    user, _, place = _split_user(whole[scheme.end() :])
    password = user.partition(":")[2]
    parts = [part.partition("=")[2] for part in place.partition("?")[2].split("&")]
    tokens = [found[2] for found in _TOKEN.finditer(place.partition("?")[0])]
    return [word for word in (password, unquote(password), *parts, *tokens) if word]
