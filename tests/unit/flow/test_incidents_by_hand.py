"""What people do about incidents: recorded under their name, told in the timeline, honoured by alerts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import fairlead
from fairlead.contract.errors import NotFound, UsageError
from fairlead.contract.events import Decision, Finding
from fairlead.doors.cli.incidents import tell_incident, tell_incidents
from fairlead.ops.flow.incidents import find
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.project import Project

HOUR = 3600.0
DAY = 24 * HOUR
START = 1_700_000_000.0
CONFIG = """
[model]
name = "churn"
task = "classification"
target = "y"
positive = "yes"
[alerts]
to = ["file:{folder}/told.jsonl"]
remind = "1d"
quiet = "{quiet}"
escalate = {{after = "4h", to = ["file:{folder}/further.jsonl"]}}
"""


class Clock:
    now = START

    def __call__(self) -> float:
        return self.now


class Desk:
    """A project whose clock is ours; `told` and `further`: titles that each channel got."""

    def __init__(self, folder: Path, quiet: str = "") -> None:
        (folder / "fairlead.toml").write_text(CONFIG.format(folder=folder, quiet=quiet))
        self.folder, self.clock = folder, Clock()
        self.ws = Workspace(Project.find(folder), clock=self.clock, actor="anna")
        self.project = fairlead.open(folder)
        self.project.__dict__["workspace"] = self.ws

    def found(self, id: str = "f1", **more: Any) -> None:
        told: dict[str, Any] = {
            "model": "churn", "area": "data_drift", "check": "drift", "window": 3, "since": START - DAY, "size": 0.3,
            "low": 0.2, "high": 0.4, "unit": "distance", "message": "age moved", "columns": ("age",),
        }  # fmt: skip
        self.ws.state.put_finding(Finding(id=id, **{**told, **more}))

    def later(self, seconds: float) -> None:
        self.clock.now += seconds
        self.ws.outbox.deliver(wait_s=20)

    def titles(self, name: str) -> list[str]:
        path = self.folder / f"{name}.jsonl"
        import msgspec

        return [msgspec.json.decode(line)["title"] for line in path.read_bytes().splitlines()] if path.exists() else []

    @property
    def told(self) -> list[str]:
        return [title.rpartition(" ")[0].rpartition(": ")[2] for title in self.titles("told")]

    def actions(self) -> list[tuple[str, str]]:
        return [(e.actor, e.action) for e in self.ws.audit.events(50) if e.action.startswith("incident")]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_who_looks_after_it_hears_no_more_until_it_is_over(desk: Desk) -> None:
    desk.found()
    desk.later(0)
    answer = desk.project.ack(1, "a campaign began")
    assert (answer["state"], answer["assignee"], answer["acknowledged_by"]) == ("acknowledged", "anna", "anna")
    assert desk.project.ack(1)["state"] == "acknowledged"
    for _ in range(5):
        desk.later(DAY)
    assert len(desk.titles("told")) == 1
    assert desk.titles("further") == []
    desk.ws.state.close_finding("f1", desk.clock.now)
    desk.later(HOUR)
    assert [title.endswith("is over") for title in desk.titles("told")] == [False, True]
    assert desk.actions() == [("anna", "incident: acknowledged")]


def test_what_nobody_answers_is_told_to_others_once(desk: Desk) -> None:
    desk.found()
    desk.later(0)
    desk.later(3 * HOUR)
    assert desk.titles("further") == []
    desk.later(1.1 * HOUR)
    desk.later(1.1 * HOUR)
    assert len(desk.titles("further")) == 1
    assert "unanswered" in desk.titles("further")[0]
    assert len(desk.titles("told")) == 1, "those who were told already are not told that"


def test_what_gets_worse_speaks_again(desk: Desk) -> None:
    desk.found()
    desk.later(0)
    desk.project.ack(1)
    desk.found("f2", check="promise", area="performance", severity="critical", message="the model loses more")
    desk.later(HOUR)
    assert "got worse (critical)" in desk.titles("told")[1]
    assert desk.project.incident(1)["state"] == "open"


def test_a_snooze_is_silent_and_ends(desk: Desk) -> None:
    desk.found()
    desk.later(0)
    desk.project.snooze(1, "3d", "the year ends")
    desk.later(2.9 * DAY)
    assert len(desk.titles("told")) == 1
    desk.later(0.2 * DAY)
    assert "still warning" in desk.titles("told")[1]
    assert desk.project.snooze(1, "3d")["state"] == "snoozed"
    assert desk.project.snooze(1, "off")["state"] == "open"


def test_quiet_hours_keep_what_can_wait(tmp_path: Path) -> None:
    # 22:13 UTC is 23:13 in Berlin in November.
    desk = Desk(tmp_path, quiet="23:00-07:00 Europe/Berlin")
    desk.found()
    desk.later(0)
    assert desk.titles("told") == []
    desk.found("f2", severity="critical", columns=("income",), window=40, since=START)
    desk.later(HOUR)
    assert ["(critical)" in title for title in desk.titles("told")] == [True]
    desk.later(7 * HOUR)
    assert len(desk.titles("told")) == 2


def test_what_began_and_ended_at_night_is_one_message(tmp_path: Path) -> None:
    desk = Desk(tmp_path, quiet="23:00-07:00 Europe/Berlin")
    desk.found()
    desk.later(0)
    desk.ws.state.close_finding("f1", desk.clock.now)
    desk.later(HOUR)
    assert desk.titles("told") == []
    desk.later(8 * HOUR)
    assert [title.endswith("is over") for title in desk.titles("told")] == [True]


def test_comments_and_owners_stand_in_the_timeline_with_decisions(desk: Desk) -> None:
    desk.found()
    desk.later(0)
    desk.project.assign("1", "bob")
    desk.project.comment("#1", "asked the warehouse")
    decision = Decision("d1", "churn", "retrain", START, "age moved", ("f1",))
    desk.ws.state.plan(decision)
    desk.ws.state.start("d1", START + HOUR)
    desk.ws.state.finish("d1", "done", {})
    desk.ws.audit.record("bob", "pinned", "churn", "while we look")
    story = desk.project.incident(1)
    assert story["assignee"] == "bob"
    lines = [(line["kind"], line.get("actor", ""), line["text"]) for line in story["timeline"]]
    assert ("person", "anna", "assigned to bob") in lines
    assert ("person", "anna", "commented: asked the warehouse") in lines
    assert ("decision", "", "retrain: age moved (done)") in lines
    assert lines[0][0] == "begun"


def test_what_is_over_can_be_commented_and_nothing_else(desk: Desk) -> None:
    desk.found()
    desk.later(0)
    desk.ws.state.close_finding("f1", START)
    desk.later(HOUR)
    for act in (
        lambda: desk.project.ack(1),
        lambda: desk.project.snooze(1, "1d"),
        lambda: desk.project.expected(1, "so"),
    ):
        with pytest.raises(UsageError, match="#1 is over"):
            act()
    desk.project.comment(1, "it was the scale")
    assert desk.project.incidents()["incidents"] == []
    assert [i["state"] for i in desk.project.incidents(every=True)["incidents"]] == ["resolved"]


def test_an_incident_that_is_not_there_is_said_with_those_that_are(desk: Desk) -> None:
    with pytest.raises(NotFound, match="no incident '7': there has been none yet"):
        desk.project.incident(7)
    desk.found()
    with pytest.raises(NotFound, match="the newest are #1"):
        find(desk.ws, "7") if desk.project.incidents() else None


@pytest.mark.parametrize(("verb", "given"), [("comment", "  "), ("assign", ""), ("snooze", "soon"), ("snooze", "400d")])
def test_what_makes_no_sense_is_refused_and_leaves_no_trace(desk: Desk, verb: str, given: str) -> None:
    desk.found()
    desk.later(0)
    with pytest.raises(UsageError):
        getattr(desk.project, verb)(1, given)
    assert desk.actions() == []


def test_what_is_printed_fits_and_tells_the_story(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.found()
    desk.later(0)
    tell_incidents(desk.project.incidents())
    tell_incident(desk.project.incident(1))
    shown = capsys.readouterr().out
    for word in ("data drift: age", "warning", "open", "2023-11-13 22:13", "told: churn #1", "fairlead ack 1"):
        assert word in shown, word


def test_no_secret_of_an_address_is_shown_or_kept(tmp_path: Path) -> None:
    secret = "sw0rdf1sh"
    text = CONFIG.format(folder=tmp_path, quiet="")
    addresses = [
        f"webhook+http://127.0.0.1:9/{secret}?secret={secret}", f"smtp://me:{secret}@127.0.0.1:9?from=a@b.c&to=d@e.f",
        f"json://me:{secret}@127.0.0.1:9/{secret}", f"alertmanager+http://me:{secret}@127.0.0.1:9",
    ]  # fmt: skip
    listed = ", ".join(f'"{one}"' for one in addresses)
    text = text.replace(f'to = ["file:{tmp_path}/told.jsonl"]', f"to = [{listed}]")
    text = text.replace(f'to = ["file:{tmp_path}/further.jsonl"]', f"to = [{listed}]")
    (tmp_path / "fairlead.toml").write_text(text)
    desk = Desk.__new__(Desk)
    desk.folder, desk.clock = tmp_path, Clock()
    desk.ws = Workspace(Project.find(tmp_path), clock=desk.clock, actor="anna")
    desk.project = fairlead.open(tmp_path)
    desk.project.__dict__["workspace"] = desk.ws
    desk.found()
    # None of them is reached: every error is kept in the database.
    for _ in range(9):
        desk.later(2 * HOUR)
    assert len(desk.ws.outbox.undelivered()) >= 4
    shown = f"{desk.project.config()}{desk.project.status()}{desk.project.incidents()}{desk.ws.outbox.undelivered()}"
    assert secret not in shown
    assert "webhook+http://127.0.0.1" in shown
    kept = b"".join(path.read_bytes() for path in desk.ws.home.root.rglob("*") if path.is_file())
    assert secret.encode() not in kept
