"""The bike-sharing table through `rehearse`: what retraining by the promise is worth, said with its doubt."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Program


def test_rehearsal_of_two_years_of_bike_sharing(program: Program, bike_csv: Path) -> None:
    program.run("init", "--data", str(bike_csv), "--target", "cnt", "--name", "bikes")
    told = program.json(
        "rehearse", "--policy", "never", "--policy", "always", "--policy", "scheduled", "--policy", "performance"
    )
    by_name = {policy["name"]: policy for policy in told["policies"]}
    never, always, trigger = by_name["never"], by_name["always"], by_name["performance"]
    assert {"persistence", "scheduled"} <= by_name.keys()
    gap = (never["quality"]["value"] - trigger["quality"]["value"]) / (
        never["quality"]["value"] - always["quality"]["value"]
    )
    # The target: at least 80 % of the gap with at most 15 % of the retrainings.
    assert gap >= 0.8
    assert trigger["retrains"] <= 0.15 * always["retrains"]
    assert by_name["scheduled"]["retrains"] == trigger["retrains"]
    assert all(p["quality"]["low"] <= p["quality"]["value"] <= p["quality"]["high"] for p in told["policies"])
    page = Path(told["report"])
    text = (page if page.is_absolute() else program.folder / page).read_text()
    assert "<svg" in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    shuffled = told["shuffled"]
    assert shuffled["performance_per_30"] <= 1
