"""The page of a certificate, and what a report says of a bundle that was made smaller."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from fairlead.contract.evidence import Interval
from fairlead.lab.compress import Certificate, Cost, Measured, Tried, write_certificate
from fairlead.lab.compress.page import render, ticks
from fairlead.lab.evaluate.compressed import Compressed, compressed_by

WAS = Measured(9000, 3.0, 2.0, 0.4, {"latency": (2.0, 2.1), "cpu": (0.4, 0.4)})
IS = Measured(3000, 3.0, 1.9, 0.2, {"latency": (1.9, 1.9), "cpu": (0.2, 0.2)})


def certificate(flipped: float | None = 0.02, unread: tuple[str, ...] = ()) -> Certificate:
    tried = (
        Tried("stored", "weights in <eight> bits", Interval(0.001, -0.001, 0.002), 3000, "small enough a loss", True),
        Tried("neurons", "half of the neurons", Interval(0.02, 0.01, 0.03), None, "surely more than 0.005 worse"),
        Tried("distilled", "a tree", None, None, "not tried: the time was over"),
    )
    cost = Cost(120, Interval(0.002, -0.001, 0.004), {"accuracy": 0.9}, {"accuracy": 0.9}, flipped)
    share = {"bytes": 0.33, "memory": 1.0, "latency": 0.95, "cpu": 0.5}
    spread = {"latency": (0.9, 0.97), "cpu": (0.5, 0.5)}
    return Certificate(
        "a" * 64, "b" * 64, "stored", "weights in eight bits", 0.005, cost, WAS, IS, share, tried, spread, unread
    )


def test_the_page_says_all_that_was_tried_and_needs_nothing_else(tmp_path: Path) -> None:
    page = write_certificate(certificate(unread=("colour",)), tmp_path / "new").read_text()
    assert "weights in &lt;eight&gt; bits" in page
    assert "half of the neurons" in page
    assert "not tried: the time was over" in page
    assert "0.005 was allowed" in page
    assert "2.0% of decisions differ" in page
    assert "no longer reads: colour" in page
    assert page.count("<svg") == 1
    assert "mathdefault" not in page
    assert "<script" not in page
    assert not re.search(r'(src|href)="https?:', page.replace("http://www.w3.org", ""))
    assert render(certificate()) == render(certificate())


def test_a_regression_has_no_decisions() -> None:
    assert "decisions" not in render(certificate(flipped=None))


def test_ticks_are_round_and_within() -> None:
    assert ticks(900, 60_000) == [1000, 2000, 5000, 10_000, 20_000, 50_000]
    assert ticks(12_000, 31_000) == [20_000, 30_000]
    assert ticks(12_100, 12_900) == [12_100, 12_900]


def test_a_report_reads_what_was_attested_and_nothing_of_another_make() -> None:
    found = compressed_by(msgspec.to_builtins(certificate(unread=("colour",))))
    assert isinstance(found, Compressed)
    assert (found.former, found.rows, found.flipped, found.unread) == ("a" * 64, 120, 0.02, ("colour",))
    assert found.share["cpu"] == 0.5
    assert compressed_by({"what": "something else"}) is None
