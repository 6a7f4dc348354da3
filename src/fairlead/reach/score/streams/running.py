"""The loop of a stream: take, answer, publish, and only then acknowledge.

A batch is in hand at a time, so an output that is slow stops the reading, and what is in flight has a bound. Whatever
fails on the way, the batch is given back and everything is opened anew: what was not acknowledged comes again, so a
process that is killed and one that lost its broker go the same way.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from time import monotonic

from fairlead.contract.errors import FairleadError, RemoteError
from fairlead.contract.streams import Message, Outgoing, Sink, Source
from fairlead.reach.score.streams.desk import Desk, NotNow, Outcome
from fairlead.reach.score.streams.telling import Tally

FIRST_S, LONGEST_S = 0.1, 10.0
"""Between two tries of a broker that is gone: doubling, with a quarter of chance so that many do not come at once."""
WAIT_S = 0.5
LAG_S = 1.0
UNKNOWN_S = 10.0
PATIENCE_S = 60.0
LARGEST_DEAD = 256 * 1024
"""Bytes of a refused message that are kept; of a larger one the first, its length and its hash."""
Say = Callable[[str], None]


class Running:
    """One stream from its source to its sink. dead: where messages go that cannot be answered.

    once: end when nothing is left to read, or nothing went for patience_s. every_s: between two lines about how it
    goes. stop: ends it after the batch in hand.
    """

    def __init__(
        self, source: Source, sink: Sink, dead: Sink, desk: Desk, tally: Tally, say: Say,
        *, once: bool = False, every_s: float = 10.0, patience_s: float = PATIENCE_S,
    ) -> None:  # fmt: skip
        self._source, self._sink, self._dead, self._desk = source, sink, dead, desk
        self._tally, self._say, self._once, self._every_s = tally, say, once, every_s
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="fairlead-desk")
        self._patience_s, self._failing = patience_s, 0.0
        self._looked = self._told = 0.0
        self._over = False
        self.stop = asyncio.Event()

    async def run(self) -> None:
        """Until `stop`, or with `once` until nothing is left.

        Raises RemoteError or NotNow with `once`, where a broker or a model did not come for patience_s.
        """
        tries = 0
        try:
            while not self.stop.is_set() and not self._over:
                batches = self._tally.batches
                try:
                    await self._open(tries)
                    await self._pump()
                except NotNow as waiting:
                    failed: FairleadError = waiting
                    self._tally.model += 1
                    self._tally.why = said = f"nothing answers for now: {waiting}"
                except RemoteError as lost:
                    failed = lost
                    self._tally.broker += 1
                    said = f"lost: {lost}"
                    self._tally.why = str(lost)
                else:
                    continue
                finally:
                    await self._close()
                tries = 1 if self._tally.batches > batches else tries + 1
                self._bear(failed, tries)
                await self._rest(said, tries)
        finally:
            self._pool.shutdown(wait=True)

    async def _open(self, tries: int) -> None:
        for one in (self._source, self._sink, self._dead):
            await one.open()
        self._tally.up, self._tally.why = True, ""
        if tries:
            self._say(f"reached again after {tries} {'tries' if tries > 1 else 'try'}: going on")

    async def _close(self) -> None:
        self._tally.up, self._tally.in_flight = False, 0
        for one in (self._source, self._sink, self._dead):
            await one.close()

    def _bear(self, failed: FairleadError, tries: int) -> None:
        """Nothing, or with `once` the end of patience."""
        self._failing = self._failing or monotonic()
        lasted = monotonic() - self._failing
        if self._once and lasted >= self._patience_s:
            kind, cure = (
                (NotNow, "Is a model deployed") if isinstance(failed, NotNow) else (RemoteError, "Is it up there")
            )
            why = str(failed).rstrip(".")
            raise kind(
                f"given up after {tries} tries in {lasted:.0f} s: {why}. {cure}? Without --once a stream waits for it."
            ) from failed

    async def _rest(self, said: str, tries: int) -> None:
        """Wait for the next try, or for the end."""
        pause = min(LONGEST_S, FIRST_S * 2 ** min(tries - 1, 16)) * random.uniform(0.75, 1.0)
        self._say(f"{said}; trying again in {pause:.1f} s")
        try:
            await asyncio.wait_for(self.stop.wait(), pause)
        except TimeoutError:
            return

    async def _pump(self) -> None:
        read = opened = monotonic()
        while not self.stop.is_set():
            messages = await self._source.take(WAIT_S)
            if messages:
                await self._batch(messages)
            await self._look(idle=not messages)
            read = monotonic() if messages else read
            if messages or monotonic() - opened >= self._patience_s:
                self._failing = 0.0
            if self._once and not messages and self._nothing_left(monotonic() - read):
                self._over = True
                return

    def _nothing_left(self, idle_s: float) -> bool:
        """Of a broker that cannot say how much is left, that nothing came for long is believed."""
        return self._tally.lag == 0 or (self._tally.lag is None and idle_s >= UNKNOWN_S)

    async def _batch(self, messages: Sequence[Message]) -> None:
        tally = self._tally
        tally.in_flight = len(messages)
        outcomes = await asyncio.get_running_loop().run_in_executor(self._pool, self._desk.answer, messages)
        answers, refused = [], []
        for message, found in zip(messages, outcomes, strict=True):
            outcome = fitting(found, self._sink.largest)
            if outcome.kind == "answered":
                answers.append(Outgoing(message.id, outcome.body, {}, message.key))
            else:
                refused.append(dead_letter(message, outcome, tally.source))
        if answers:
            await self._sink.put(answers)
        if refused:
            await self._dead.put(refused)
        await self._source.done(messages)
        tally.answered += len(answers)
        tally.refused += len(refused)
        tally.again += sum(message.again for message in messages)
        tally.moved_on()

    async def _look(self, idle: bool) -> None:
        """Ask for the lag now and then, and before an end is believed; say how it goes."""
        now, tally = monotonic(), self._tally
        if now - self._looked >= LAG_S or (idle and self._once):
            tally.lag = await self._source.lag()
            # A broker that is slow to say it is asked less often: a tenth of the time is for this at most.
            self._looked = monotonic() + 9 * (monotonic() - now)
        if now - self._told >= self._every_s:
            if self._told:
                left = "?" if tally.lag is None else f"{tally.lag:,}"
                self._say(f"{tally.answered:,} answered, {tally.refused:,} refused, {left} left")
            self._told = now


def fitting(outcome: Outcome, largest: int) -> Outcome:
    """The outcome, or why its answer cannot be published: it would be refused again and again, and stop the stream.

    largest: bytes of a message that the broker takes; 0: not known.
    """
    size = len(outcome.body)
    if outcome.kind == "refused" or not largest or size <= largest:
        return outcome
    why = f"the answer has {size:,} bytes, the broker takes {largest:,}: send fewer rows in a message"
    return Outcome("refused", b"", why, 413)


def dead_letter(message: Message, outcome: Outcome, source: str) -> Outgoing:
    """A message that could not be answered, as it came, with the reason in its headers."""
    headers = {"reason": outcome.reason, "code": str(outcome.code), "source": source}
    body = message.body
    if len(body) > LARGEST_DEAD:
        headers |= {"bytes": str(len(body)), "sha256": sha256(body).hexdigest()}
        body = body[:LARGEST_DEAD]
    return Outgoing(message.id, body, headers, message.key)
