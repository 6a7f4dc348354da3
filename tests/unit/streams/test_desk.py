"""The desk asks the real data plane: what becomes of messages that can, cannot and cannot yet be answered."""

from __future__ import annotations

import json

import asking
import pytest

from fairlead.contract.errors import UsageError
from fairlead.contract.streams import Message
from fairlead.reach.score.streams.desk import Desk, NotNow, Outcome, request_id
from fairlead.reach.score.streams.running import LARGEST_DEAD, dead_letter, fitting
from fairlead.runtime.serve.worker import Worker


def messages(*bodies: bytes) -> list[Message]:
    return [Message(f"m{n}", body) for n, body in enumerate(bodies)]


def test_each_message_has_its_own_outcome(worker: Worker) -> None:
    good = json.dumps(asking.ROW).encode()
    given = [*messages(good, b"{", b"{}", good), Message("m4", b"raw", lost="the entry has no field `body`")]
    found = Desk(worker.plane, "churn").answer(given)
    assert [one.kind for one in found] == ["answered", "refused", "refused", "answered", "refused"]
    assert json.loads(found[0].body)["predictions"] == json.loads(found[3].body)["predictions"]
    assert "not valid JSON" in found[1].reason
    assert "columns missing" in found[2].reason
    assert (found[4].reason, found[4].code) == ("the entry has no field `body`", 400)


def test_a_model_that_is_not_there_is_waited_for(worker: Worker) -> None:
    with pytest.raises(NotNow):
        Desk(worker.plane, "unheard-of").answer(messages(b"{}", b"{}"))


def test_a_protocol_that_is_unknown_is_named(worker: Worker) -> None:
    with pytest.raises(UsageError, match="native, v2"):
        Desk(worker.plane, "churn", "morse")


def test_ids_that_can_be_request_ids_are() -> None:
    assert request_id("m-1") == "m-1"
    odd = request_id("Gr\xfc\xdfe, mit Leerzeichen")
    assert odd == request_id("Gr\xfc\xdfe, mit Leerzeichen") != request_id("Gr\xfc\xdfe")
    assert odd.startswith("sha256-")


def test_dead_letters_are_bounded_and_keep_what_came() -> None:
    why = Outcome("refused", b"", "too large", 413)
    small = dead_letter(Message("a", b"\xff\x00", key=b"k"), why, "redis://h/rows")
    assert (small.id, small.body, small.key) == ("a", b"\xff\x00", b"k")
    assert small.headers == {"reason": "too large", "code": "413", "source": "redis://h/rows"}
    large = dead_letter(Message("b", b"x" * (LARGEST_DEAD + 1)), why, "redis://h/rows")
    assert len(large.body) == LARGEST_DEAD
    assert large.headers["bytes"] == str(LARGEST_DEAD + 1)
    assert len(large.headers["sha256"]) == 64


def test_an_answer_that_the_broker_does_not_take_is_a_dead_letter() -> None:
    answered = Outcome("answered", b"x" * 101)
    assert fitting(answered, 0) is answered
    assert fitting(answered, 101) is answered
    found = fitting(answered, 100)
    assert (found.kind, found.code, found.body) == ("refused", 413, b"")
    assert "101 bytes, the broker takes 100" in found.reason
