"""Transactions: every write is in one, nested ones join the outer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table, and_, exc, func, insert, select, update

from fairlead.contract.ports import Clock
from fairlead.ops.state.backends.port import Backend

Epoch = Callable[[], int | None]


class Store:
    """A database and, per thread, the transaction it is in. Safe to share between threads and processes.

    epoch: asked before each write where one control plane of several leads: the number of its term, which the database
    compares; it raises NotLeader where that is over. None, or None from it: writes of people, which no term ends.
    """

    def __init__(self, backend: Backend, clock: Clock = time.time, epoch: Epoch | None = None) -> None:
        self.backend = backend
        self._clock = clock
        self._epoch = epoch
        self._local = threading.local()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes of this thread inside commit together or not at all.

        Inside another one it is a savepoint: when it raises, its own writes are undone, the outer may go on.
        """
        with self._writing():
            yield

    def after_commit(self, act: Callable[[], None]) -> None:
        """Run `act` once the transaction that this thread is in has committed; now, if it is in none."""
        if self._current() is None:
            act()
        else:
            self._local.acts.append(act)

    def close(self) -> None:
        """Let go of all connections."""
        self.backend.close()

    def _current(self) -> Connection | None:
        return getattr(self._local, "connection", None)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        outer = self._current()
        acts: list[Callable[[], None]]
        try:
            if outer is not None:
                acts = self._local.acts
                known = len(acts)
                try:
                    with outer.begin_nested():
                        yield outer
                except BaseException:
                    del acts[known:]
                    raise
                return
            epoch = self._epoch() if self._epoch is not None else None
            with self.backend.connect(writing=True, epoch=epoch) as connection:
                acts = self._local.acts = []
                self._local.connection = connection
                try:
                    yield connection
                finally:
                    self._local.connection = None
        except exc.DBAPIError as error:
            raise self.backend.translated(error) from error
        for act in acts:
            act()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """The transaction of this thread, or a snapshot of its own."""
        outer = self._current()
        try:
            if outer is not None:
                yield outer
                return
            with self.backend.connect(writing=False) as connection:
                yield connection
        except exc.DBAPIError as error:
            raise self.backend.translated(error) from error


def put(connection: Connection, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Update the row of that key, or insert it. In SQL that every database knows; the write lock makes it safe."""
    where = and_(*(table.c[name] == value for name, value in key.items()))
    if not connection.execute(update(table).where(where).values(**values)).rowcount:
        connection.execute(insert(table).values(**key, **values))


def next_position(connection: Connection, table: Table) -> int:
    """One more than the largest `position` of the table: the order in which rows came."""
    return int(connection.execute(select(func.coalesce(func.max(table.c.position), 0))).scalar_one()) + 1
