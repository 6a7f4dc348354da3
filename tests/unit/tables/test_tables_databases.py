"""Rows of databases: what a query answers, in types of its own, read once; and what is never told."""

from __future__ import annotations

import datetime
import os
import sqlite3
import time
from pathlib import Path

import pytest
from tests.unit.tables import postgres_server

from fairlead.contract.errors import SourceUnreadable, UsageError
from fairlead.lab.tables import open_table


@pytest.fixture
def shop(tmp_path: Path) -> str:
    """A small SQLite database, as a URL."""
    with sqlite3.connect(tmp_path / "shop.db") as base:
        base.execute("create table orders (id integer, amount real, city text, at text, odd)")
        rows = [
            (i, i / 4, f"city {i % 3}", f"2026-01-{i % 28 + 1:02d}", i if i % 2 else f"x{i}") for i in range(25_000)
        ]
        base.executemany("insert into orders values (?, ?, ?, ?, ?)", rows)
    base.close()
    return f"sqlite:///{tmp_path / 'shop.db'}"


def test_a_query_is_a_table_in_batches_of_one_schema(shop: str) -> None:
    table = open_table(shop, query="select id, amount, city, at, odd from orders order by id;")
    assert table.columns == ("id", "amount", "city", "at", "odd")
    assert table.rows == 25_000
    schemas = {batch.schema for batch in table.batches()}
    assert [str(field.type) for field in schemas.pop()] == ["int64", "double", "string", "string", "string"]
    assert not schemas
    assert sum(batch.num_rows for batch in table.batches(999)) == 25_000
    assert table.notes == ("columns that hold values of several kinds are taken as text: odd",)
    assert {c.name: c.kind for c in table.schema.columns}["at"] == "time"
    assert table.frame()["amount"].tolist()[:3] == [0.0, 0.25, 0.5]


def test_the_rows_are_those_of_one_moment_and_the_hash_is_theirs(shop: str) -> None:
    query = "select id, amount from orders order by id"
    table = open_table(shop, query=query)
    with sqlite3.connect(shop.removeprefix("sqlite:///")) as base:
        base.execute("update orders set amount = -1 where id = 7")
    base.close()
    assert table.frame()["amount"].min() == 0.0
    assert open_table(shop, query=query).hash != table.hash
    assert open_table(shop, query=query).hash == open_table(shop, query=query).hash


def test_a_query_without_order_is_told_to_be_one(shop: str) -> None:
    assert "no order by" in open_table(shop, query="select id from orders").notes[0]


def test_an_answer_without_rows_has_its_columns(shop: str) -> None:
    table = open_table(shop, query="select id, city from orders where id < 0 order by id")
    assert (table.columns, table.rows, table.frame().shape) == (("id", "city"), 0, (0, 2))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("select absent from orders", "no such column: absent"),
        ("delete from orders", "readonly"),
        ("drop table orders", "readonly"),
        ("select id, id from orders", "column names twice: id"),
        ("selec", "syntax error"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_nothing_is_changed(shop: str, query: str, words: str) -> None:
    with pytest.raises((SourceUnreadable, UsageError)) as caught:
        open_table(shop, query=query)
    assert words in str(caught.value)
    assert str(Path(shop).parent) not in str(caught.value)
    assert open_table(shop, query="select count(*) as n from orders order by 1").frame()["n"].tolist() == [25_000]


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreadable, match=r"none\.db: no such file"):
        open_table(f"sqlite:///{tmp_path}/none.db", query="select 1")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match=r"needs \[data\] query"):
        open_table("postgresql://me@localhost/x")


def test_colons_and_per_cent_signs_mean_themselves(shop: str) -> None:
    odd = "id % 2 = 1 and city like 'c%' and city <> ':x' and at > '2026-01-01 12:30'"
    query = f"select id from orders where {odd} order by id"
    assert open_table(shop, query=query).rows > 0


@pytest.fixture(scope="module")
def server():
    with postgres_server.running() as found:
        with found.connect() as connection:
            cursor = connection.cursor()
            cursor.execute(
                "create table orders (id bigint, amount numeric(10,2), paid boolean, city text, day date, "
                "at timestamptz, naive timestamp, note jsonb, who uuid, parts double precision[])"
            )
            cursor.execute(
                "insert into orders select i, i / 4.0, i % 2 = 0, case when i % 5 > 0 then 'city ' || i % 3 end, "
                "date '2026-01-01' + (i % 30), timestamptz '2026-01-01 12:00+02' + i * interval '1 minute', "
                "timestamp '2026-01-01 12:00', '{\"a\": 1}', '00000000-0000-0000-0000-000000000001', "
                "array[i, i + 0.5] from generate_series(0, 22999) i"
            )
            connection.commit()
        yield found


def address(server: postgres_server.Server) -> str:
    return f"postgresql://{server.user}:${{SHOP_PASSWORD}}@127.0.0.1:{server.port}/postgres"


def test_postgres_answers_in_its_types(server, monkeypatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", server.password)
    table = open_table(address(server), query="select * from orders where id % 1 = 0 order by id")
    assert table.rows == 23_000
    found = {field.name: str(field.type) for field in next(table.batches()).schema}
    assert found == {
        "id": "int64", "amount": "double", "paid": "bool", "city": "string", "day": "date32[day]",
        "at": "timestamp[us, tz=UTC]", "naive": "timestamp[us]", "note": "string", "who": "string",
        "parts": "list<item: double>",
    }  # fmt: skip
    frame = table.frame()
    assert frame["amount"].tolist()[:3] == [0.0, 0.25, 0.5]
    assert frame["city"].isna().sum() == 4_600
    assert frame["at"][0].to_pydatetime() == datetime.datetime(2026, 1, 1, 10, tzinfo=datetime.UTC)
    assert {c.name: c.kind for c in table.schema.columns}["parts"] == "tensor"


def test_postgres_is_read_by_a_cursor_of_the_server_and_cannot_be_written(server, monkeypatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", server.password)
    # A cursor is declared for a query alone, and it runs in a transaction that only reads.
    with pytest.raises(SourceUnreadable, match="42"):
        open_table(address(server), query="delete from orders returning id")
    with server.connect() as connection:
        cursor = connection.cursor()
        cursor.execute("create or replace function eat() returns int language sql as 'delete from orders; select 1'")
        connection.commit()
    with pytest.raises(SourceUnreadable, match=r"25006|read-only"):
        open_table(address(server), query="select eat() as n")
    held = "select name, statement from pg_cursors order by name"
    assert "DECLARE" in open_table(address(server), query=held).frame()["statement"][0]


def test_a_secret_is_never_told(server, monkeypatch, caplog) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", "wrong " + server.password)
    with pytest.raises(SourceUnreadable) as caught:
        open_table(address(server), query="select 1 as one")
    assert "28P01" in str(caught.value)
    assert "SHOP_PASSWORD" in str(caught.value)
    for said in (str(caught.value), repr(caught.value), caplog.text, repr(caught.value.__cause__)):
        assert server.password not in said
    monkeypatch.delenv("SHOP_PASSWORD")
    with pytest.raises(UsageError, match="the environment has no variable SHOP_PASSWORD"):
        open_table(address(server), query="select 1 as one")
    with pytest.raises(SourceUnreadable, match="cannot be reached") as closed:
        open_table("postgresql://me:hidden-word@127.0.0.1:1/x", query="select 1 as one")
    assert "hidden-word" not in str(closed.value)


def test_a_cell_in_a_database_s_complaint_is_not_told(server, monkeypatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", server.password)
    with pytest.raises(SourceUnreadable) as caught:
        open_table(address(server), query="select city::int as n from orders order by id")
    assert "22P02" in str(caught.value)
    assert "city 1" not in str(caught.value)


def test_memory_stays_bounded_by_batches(server, monkeypatch) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", server.password)
    table = open_table(address(server), query="select id, amount from orders order by id")
    assert max(batch.num_rows for batch in table.batches()) <= 10_000
    assert time.time() > os.path.getmtime(table._fetched._path)  # it lies in a file, not in memory
