"""The packaged story, as `make demo` plays it."""

from __future__ import annotations

import json

from tests.conftest import Program


def test_the_story_holds(program: Program) -> None:
    told = program.json("demo", "--folder", "demo", "--quick")
    assert told["requests"]["failed"] == 0
    assert told["captured"] == told["requests"]["sent"]
    assert told["reconciled"]
    assert told["audit"]
    assert told["false_alarms_before_change"] == 0
    assert told["detection_delay_weeks"] <= 2
    quality = told["quality"]
    assert quality["lost"] < quality["before"] - 0.2
    assert quality["regained"] > quality["before"] - 0.1
    assert told["champion"] > 1
    acts = [line["act"] for line in told["story"]]
    for act in ("train", "seal", "judge", "register", "deploy", "live", "calm", "change", "saw", "retrain", "promote"):
        assert act in acts
    assert json.loads((program.folder / "demo" / "demo.json").read_text())["champion"] == told["champion"]
    assert (program.folder / "demo" / ".fairlead" / "reports").is_dir()


def test_a_folder_that_is_not_the_demos_is_left_alone(program: Program) -> None:
    (program.folder / "mine").mkdir()
    (program.folder / "mine" / "thesis.txt").write_text("years of work")
    refused = program.run("demo", "--folder", "mine", expect=2)
    assert "not empty" in refused.stderr
    assert (program.folder / "mine" / "thesis.txt").read_text() == "years of work"
