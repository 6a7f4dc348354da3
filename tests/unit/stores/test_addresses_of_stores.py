"""Addresses of stores, databases and clusters: taken for what they say, or refused in our words and without secrets."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import ConfigInvalid, FairleadError, UsageError
from fairlead.contract.stores import StoreTerms
from fairlead.lab.tables.addresses import BLOT, address_of, shown_of
from fairlead.ops.state.backends.postgresql_address import parse, without_secret
from fairlead.ops.stores import store_of

SECRET = "s3cr3tw0rd"
SOON = StoreTerms(timeout_s=1.0, attempts=1)
ODD = st.text(st.sampled_from("ab1/:@?=&;%[]{}\u00e9 ._-"), max_size=24)


def said(what: Callable[[], object]) -> str:
    """What it is refused with, "" where it is not; nothing but our own errors comes out."""
    try:
        what()
    except FairleadError as refused:
        return str(refused)
    return ""


def address_in(text: str) -> str:
    store = store_of(text, SOON)
    store.close()
    return store.address


@settings(max_examples=60)
@given(st.sampled_from(["az", "hdfs", "webhdfs", "file", "ftp", "abfss"]), ODD)
def test_whatever_stands_in_the_place_of_an_address_is_refused_in_words(scheme: str, rest: str) -> None:
    assert "Error" not in said(lambda: address_in(f"{scheme}://{rest}"))


@pytest.mark.parametrize("scheme", ["s3", "gs", "az", "hdfs"])
@pytest.mark.parametrize("rest", ["", "/", "///", "/only/a/folder"])
def test_an_address_without_a_bucket_names_none(scheme: str, rest: str) -> None:
    needed = {"gs": "google_crc32c", "az": "azure.storage.blob"}.get(scheme)
    if needed:
        pytest.importorskip(needed, reason=f"{needed} is not installed: make test-deps")
    with pytest.raises(UsageError, match=r"says no bucket|names its NameNode"):
        store_of(f"{scheme}://{rest}", SOON)


@settings(max_examples=40)
@given(st.sampled_from(["hdfs", "webhdfs", "az"]), st.text("abc1%40", min_size=1, max_size=6), ODD)
def test_a_password_is_never_shown(scheme: str, user: str, rest: str) -> None:
    for text in (
        f"{scheme}://{user}:{SECRET}@host:9870/{rest}",
        f"{scheme}://host/{rest.replace('?', '')}?token={SECRET}",
    ):
        assert SECRET not in shown_of(text)
        assert SECRET not in address_of(text).shown
        shown: list[str] = []
        assert SECRET not in said(lambda text=text, shown=shown: shown.append(address_in(text)))  # type: ignore[misc]
        assert SECRET not in "".join(shown)


@given(st.text("ab:@/%?=$", max_size=12))
def test_a_secret_of_the_environment_is_used_and_not_shown(value: str) -> None:
    found = address_of("hdfs://me:${PASS}@host:1/x", {"PASS": value})
    assert found.shown == "hdfs://me:${PASS}@host:1/x"
    assert found.text.endswith("@host:1/x")
    assert found.text.count("@") == 1, "whatever is in it, it is no other host"
    if len(value) > 2:
        assert BLOT in found.scrubbed(f"refused: {value}")


@given(
    st.one_of(ODD, st.just("me@host/db"), ODD.map("me@host/".__add__)),
    st.sampled_from(["", "?port=", "?port=x", "?sslmode=", "?host=/run", "?port=99999", "?sslrootcert=/no"]),
)
def test_an_address_of_a_database_is_taken_or_refused_in_words(rest: str, more: str) -> None:
    assert SECRET not in said(lambda: parse(f"postgresql://{rest}{more}", SECRET))


@pytest.mark.parametrize("port", ["", "x", "99999", "-1", "0", "\u00b2"])
def test_a_port_of_a_database_that_is_none_is_refused_in_words(port: str) -> None:
    with pytest.raises(ConfigInvalid, match="port"):
        parse(f"postgresql://me@host/db?port={port}")


@given(st.text("ab%4", min_size=1, max_size=5), st.text("xy-.1", min_size=1, max_size=5))
def test_an_address_of_a_database_is_told_without_its_password(user: str, host: str) -> None:
    assert SECRET not in without_secret(f"postgresql://{user}:{SECRET}@{host}:5432/db?sslmode=require")


@pytest.mark.parametrize("place", [":9870", "host:99999/x", "[::1/x", "host:x/y", "host?colour=red"])
def test_a_place_of_hadoop_that_is_none_is_refused_in_words(place: str) -> None:
    with pytest.raises(UsageError):
        store_of(f"hdfs://{place}")
