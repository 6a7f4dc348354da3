"""GET /analysis as Argo Rollouts asks it: from a published file, never a verdict that nobody stands by."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import asking
import msgspec
import pytest

from fairlead.contract.analysis import FILE, Analysis
from fairlead.contract.ports import Request
from fairlead.contract.routes import Route, Variant
from fairlead.runtime.serve.access.addresses import wanted
from fairlead.runtime.serve.analysis import STALE_S, read_analysis
from fairlead.runtime.serve.assignment import assign


def published(home: Path, **changes: Any) -> None:
    found = Analysis("churn", "pass", 120, "running", "harm above 0.01 is excluded", time.time(), version=2)
    (home / "run").mkdir(exist_ok=True)
    found = msgspec.structs.replace(found, **changes)
    (home / "run" / FILE.format(model="churn")).write_bytes(msgspec.json.encode(found))


def get(home: Path, query: str = "model=churn", method: str = "GET") -> tuple[int, dict[str, Any]]:
    replies: list[tuple[int, dict[str, Any]]] = []
    with asking.plane(home) as plane:
        take = lambda code, head, body: replies.append((code, json.loads(body)))  # noqa: E731
        plane.answer([Request(method, "/analysis", query, {}, b"", time.time(), take)])
    return replies[0]


def test_the_answer_has_the_shape_that_argo_reads(home: Path) -> None:
    published(home)
    code, said = get(home)
    assert code == 200
    # jsonPath: "{$.data}", then result.verdict and result.n
    assert (said["data"]["verdict"], said["data"]["n"]) == ("pass", 120)
    assert get(home, "")[1]["data"]["model"] == "churn"


def test_without_a_rollout_nothing_is_claimed(home: Path) -> None:
    code, said = get(home)
    assert (code, said["data"]["verdict"], said["data"]["n"], said["data"]["state"]) == (200, "inconclusive", 0, "none")


def test_a_verdict_that_nobody_looks_after_any_more_is_inconclusive_but_an_end_stays(home: Path) -> None:
    published(home, at=time.time() - STALE_S - 10)
    assert get(home)[1]["data"]["verdict"] == "inconclusive"
    assert "nobody has looked" in get(home)[1]["data"]["why"]
    published(home, at=time.time() - 1e6, state="ended")
    assert get(home)[1]["data"]["verdict"] == "pass"


@pytest.mark.parametrize("state", ["ended", "running"])
@pytest.mark.parametrize("version", [2, 3], ids=["tried again", "of another version"])
def test_the_verdict_of_a_rollout_before_is_not_told_of_the_one_that_has_begun(
    home: Path, state: str, version: int
) -> None:
    asking.deploy(home, Variant("champion", asking.FIRST, 1), Variant("challenger", asking.SECOND, version, 0.05))
    published(home, state=state, bundle=asking.SECOND)
    said = get(home)[1]["data"]
    if (state, version) == ("running", 2):
        assert said["verdict"] == "pass"
        return
    assert (said["verdict"], said["n"], said["state"], said["version"]) == ("inconclusive", 0, "running", version)
    assert said["why"] == f"nobody has looked yet at the rollout of version {version}, which has begun"


def test_who_asks_about_a_bundle_is_told_of_no_other(home: Path) -> None:
    published(home, state="ended", bundle=asking.SECOND)
    for known in (asking.SECOND, asking.SECOND[:12]):
        assert get(home, f"model=churn&bundle={known}")[1]["data"]["verdict"] == "pass"
    said = get(home, "model=churn&bundle=" + "e" * 64)[1]["data"]
    assert (said["verdict"], said["n"]) == ("inconclusive", 0)
    assert said["why"] == "no verdict on bundle eeeeeeeeeeee: what was told last is of version 2"


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"model": 3}', b"\xff" * 100])
def test_a_file_that_cannot_be_read_claims_nothing(home: Path, damage: bytes) -> None:
    published(home)
    (home / "run" / FILE.format(model="churn")).write_bytes(damage)
    found = read_analysis(home / "run", "churn")
    assert (found.verdict, found.n) == ("inconclusive", 0)


def test_unknown_models_and_other_methods_are_refused(home: Path) -> None:
    assert get(home, "model=../../etc/passwd")[0] == 404
    assert get(home, "model=other")[0] == 404
    assert get(home, method="POST")[0] == 405


def test_it_takes_the_key_that_metrics_take() -> None:
    assert wanted("/analysis") == wanted("/metrics") == ("metrics", None)
    assert wanted("//analysis/") == ("metrics", None)


PILOT = Route(
    "churn", (Variant("champion", asking.FIRST, 1), Variant("challenger", asking.SECOND, 2, weight=0.0)),
    sticky_by="contract", cohort=("yearly", "weekly"),
)  # fmt: skip


def test_a_cohort_is_answered_by_its_version_and_nobody_else(home: Path) -> None:
    asking.deploy(home, *PILOT.variants, sticky_by=PILOT.sticky_by, cohort=PILOT.cohort)
    champion, challenger = 0.5, -5.0
    with asking.plane(home) as plane:
        rows = [{**asking.ROW, "contract": one} for one in ("monthly", "yearly", None)]
        alone = [reply.json["predictions"][0] for reply in asking.ask(plane, *rows, x_request_id="yearly")]
        together = asking.ask(plane, rows)[0].json["predictions"]
    assert champion != challenger
    assert alone == together
    high = [one["probabilities"]["Yes"] for one in together]
    # Whose request is named as a value of the cohort is no member of it.
    assert high[1] < 0.1 < min(high[0], high[2])
    assert [assign(PILOT, key).version for key in ("monthly", "yearly", "")] == [1, 2, 1]
