"""Addresses of streams: what is understood, what is refused, and that no secret is shown."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import UnknownPlugin, UsageError
from fairlead.contract.plugins import variant
from fairlead.contract.streams import Reading, address_of
from fairlead.reach.score.streams import StreamOptions, stream
from fairlead.reach.score.streams.opening import _ends_of
from fairlead.reach.score.streams.tls import context_of

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,30}", fullmatch=True)
SECRET = "s3cret-of-nobody"


@settings(max_examples=30)
@given(
    st.sampled_from(["redis", "nats", "amqp", "kafka"]),
    st.lists(
        st.tuples(st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True), st.integers(1, 65535)),
        min_size=1,
        max_size=3,
    ),
    NAMES,
    st.dictionaries(st.from_regex(r"[a-z._]{1,10}", fullmatch=True), st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)),
)
def test_an_address_is_what_it_was_written_from(
    scheme: str, hosts: list[tuple[str, int]], name: str, options: dict[str, str]
) -> None:
    servers = ",".join(f"{host}:{port}" for host, port in hosts)
    query = "&".join(f"{key}={value}" for key, value in options.items())
    found = address_of(f"{scheme}://u:${{OURS}}@{servers}/{name}?{query}", {"OURS": SECRET})
    assert (found.scheme, found.hosts, found.name, found.options) == (scheme, tuple(hosts), name, options)
    assert (found.user, found.password) == ("u", SECRET)
    assert str(found) == f"{scheme}://{servers}/{name}"


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_is_refused(text: str) -> None:
    try:
        found = address_of(text, {})
    except UsageError:
        return
    assert found.hosts
    assert found.name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rows", "is no address of a stream"),
        ("redis://host", "needs a name"),
        (f"redis://u:{SECRET}@/rows", "is no address"),
        (f"redis://u:{SECRET}@host:99999/rows", "name:port"),
        (f"redis://u:{SECRET}@host/rows?x", "option=value"),
        (f"redis://u:{SECRET}@host/ro ws", "needs a name"),
        ("redis://u:${NOBODY}@host/rows", "the environment has no NOBODY"),
        (f"redis://u:{SECRET}@host/rows", "no place in an address"),
        (f"redis://host/rows?password={SECRET}", "no place in an address"),
        (f"nats://host/rows?token={SECRET}", "token=env:NAME"),
        (f"kafka://host/rows?sasl.password={SECRET}", "no place in an address"),
        ("redis://host/rows?password=env:NOBODY", "the environment has no NOBODY"),
        ("redis://host/rows?password=file:/nowhere/at/all", "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_without_the_secret(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        address_of(text, {})
    assert SECRET not in str(refused.value)


def test_a_secret_comes_from_the_environment() -> None:
    found = address_of("amqp://app:${QUEUE_PASSWORD}@host/rows", {"QUEUE_PASSWORD": SECRET})
    assert found.password == SECRET
    assert SECRET not in str(found)


def test_secrets_are_references_and_no_part_of_what_is_shown(tmp_path: Path) -> None:
    (tmp_path / "word").write_text(f"{SECRET}\n")
    ours = {"OURS": SECRET}
    for text in (
        f"redis://host/rows?user=app&password=file:{tmp_path}/word",
        "nats://host/rows?token=env:OURS",
        "kafka://host/rows?security.protocol=SASL_SSL&ssl.key.password=env:OURS",
    ):
        found = address_of(text, ours)
        assert SECRET in (found.password, found.token, *found.secrets.values())
        assert SECRET not in f"{found} {found!r} {found.options}"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("rediss://h/rows?ca=/nowhere", "cannot be used for TLS"),
        ("rediss://h/rows?cert=/nowhere", "belong together"),
        ("redis://h/rows?ca=/nowhere", "is for TLS"),
    ],
)
def test_what_tls_cannot_be_is_said(options: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        context_of(address_of(options, {}), options.startswith("rediss"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"source": "pigeon://h/rows"}, "unknown broker"),
        ({"source": "redis://h/rows?claim=1"}, "unknown option 'claim'"),
        ({"source": "redis://h/rows?claim_s=soon"}, "is no number"),
        ({"answers": "redis://h/rows"}, "three streams"),
        ({"answers": "redis://H:6379/rows?db=0"}, "three streams"),
        ({"answers": "rediss://h/rows"}, "three streams"),
        (
            {"source": "amqp://h/rows", "answers": "amqps://h/answers?vhost=%2F", "dead": "amqp://h/rows?vhost=/"},
            "three",
        ),
        ({"dead": "redis://h/answers"}, "three streams"),
        ({"batch": 0}, "between 1 and"),
        ({"source": "/nowhere/at/all", "answers": "here"}, "must be a folder"),
        ({"source": "/tmp", "answers": "redis://h/answers"}, "answered into a folder"),
    ],
)
def test_what_cannot_be_is_said_before_anything_begins(changed: dict[str, object], said: str, tmp_path: object) -> None:
    if "option" in said or "number" in said:
        pytest.importorskip("redis", reason="redis (extra streams) is not installed: make test-deps")
    usual: dict[str, object] = {"source": "redis://h/rows", "answers": "redis://h/answers", "home": tmp_path}
    with pytest.raises((UsageError, UnknownPlugin), match=said):
        stream(StreamOptions(**(usual | changed)))  # type: ignore[arg-type]


def test_streams_of_one_name_in_two_brokers_are_two() -> None:
    for library in ("redis", "nats"):
        pytest.importorskip(library, reason=f"{library} (extra streams) is not installed: make test-deps")
    found = _ends_of(StreamOptions(source="redis://h/rows", answers="nats://h/rows"))
    assert [str(one) for one in (found.source, found.answers, found.dead)] == [
        "redis://h/rows", "nats://h/rows", "nats://h/rows.dead"
    ]  # fmt: skip
    assert _ends_of(StreamOptions(source="redis://h/rows", answers="redis://h/rows?db=1")).dead.name == "rows.dead"


@pytest.mark.parametrize("option", ["sesion.timeout.ms=1", "session.timeout.ms=soon"])
def test_an_option_that_kafka_does_not_know_is_no_broker_that_is_gone(option: str) -> None:
    pytest.importorskip("confluent_kafka", reason="confluent-kafka (extra streams) is not installed: make test-deps")
    address = address_of(f"kafka://127.0.0.1:1/rows?{option}", {})
    source = variant("broker", "kafka")().source(address, Reading("group", "one", 1))

    async def opened() -> None:
        try:
            await source.open()
        finally:
            await source.close()

    with pytest.raises(UsageError, match=r"kafka://127\.0\.0\.1:1/rows: .*ses+ion\.timeout\.ms"):
        asyncio.run(opened())
