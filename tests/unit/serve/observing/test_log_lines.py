"""Logs: one JSON object a line or text, with what helps and nothing that must not be there; bounded."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import ROW, ask, plane

from fairlead.runtime.serve.observing import logs
from fairlead.runtime.serve.observing.logs import LINES_A_SECOND, JsonLines, Lines, Plain


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What a server with JSON logs would write."""
    said, ours = io.StringIO(), logging.getLogger("fairlead")
    before = ours.handlers[:], ours.level, ours.propagate
    logs.configure("json")
    ours.handlers[0].setStream(said)  # type: ignore[attr-defined]
    yield said
    ours.handlers[:], ours.level, ours.propagate = before[0], before[1], before[2]


def test_a_failed_request_is_one_json_line_without_its_values(home: Path, lines: io.StringIO) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    with plane(home) as app:
        ask(app, {**ROW, "tenure": "Ada Lovelace"}, x_request_id="r-7", traceparent=f"00-{trace}-b7ad6b7169203331-01")
    (said,) = map(json.loads, lines.getvalue().splitlines())
    assert said.pop("seconds") < 5
    assert said.pop("time").endswith("+00:00")
    assert said == {
        "level": "info", "logger": "fairlead.serve", "message": "request failed", "request_id": "r-7",
        "trace_id": trace, "model": "churn", "protocol": "native", "code": 400, "error": "CellInvalid",
        "instance": "test", "worker": 0,
    }  # fmt: skip
    assert "Lovelace" not in lines.getvalue()


def test_lines_about_requests_are_bounded_and_say_how_many_were_left_out(lines: io.StringIO) -> None:
    said = Lines({"worker": 1})
    for _ in range(500):
        said.say(logging.WARNING, "slow request")
    first = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert LINES_A_SECOND <= len(first) <= 3 * LINES_A_SECOND
    said._second = -1  # another second
    said.say(logging.WARNING, "slow request")
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert sum(line.get("suppressed", 0) for line in told) + len(told) == 501


@pytest.mark.parametrize("form", [JsonLines(), Plain()])
def test_an_exception_is_told_by_its_class_and_place_alone(form: logging.Formatter) -> None:
    logger, said = logging.getLogger("fairlead.test-form"), io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(form)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        int("Ada Lovelace")
    except ValueError:
        logger.exception("could not")
    assert "Lovelace" not in said.getvalue()
    assert "ValueError" in said.getvalue()
    assert "test_log_lines.py" in said.getvalue()


def test_what_libraries_say_is_json_too() -> None:
    program = (
        "import logging; from fairlead.runtime.serve.observing import logs; logs.configure('json')\n"
        "logging.getLogger('asyncio').error('a task was lost'); logging.getLogger('fairlead.serve').error('once')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    said = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["logger"], line["message"]) for line in said] == [
        ("asyncio", "a task was lost"), ("fairlead.serve", "once"),
    ]  # fmt: skip


def test_text_is_for_people(home: Path, lines: io.StringIO) -> None:
    logging.getLogger("fairlead").handlers[0].setFormatter(Plain())
    Lines({"instance": "here", "worker": 2}).say(logging.WARNING, "slow request", model="churn", seconds=1.5)
    assert lines.getvalue().rstrip().endswith(" warning slow request model=churn seconds=1.5 instance=here worker=2")
