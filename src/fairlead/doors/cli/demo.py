"""The packaged story: a bank's credit model meets a changed world. Real processes, real HTTP, event time sped up."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import FairleadError, UsageError
from fairlead.doors.cli.output import console, escape, finite, number
from fairlead.doors.cli.traffic import Caller, Sent

MARK = ".fairlead-demo"
WEEK = 7 * 86_400
ROWS_A_WEEK = 500
SEED = 7
REGAINED_WEEKS = 3
MORE_WEEKS = 8
"""Which requests a canary answers is drawn by a key of the home's own, so a verdict may come weeks sooner or later: the
story goes on, by so many weeks at most, until the new champion has answered for `REGAINED_WEEKS` judged ones."""

PROJECT = """\
# Written by `fairlead demo`: a bank that approves or declines applications for credit.
[model]
name = "credit"
task = "classification"
target = "approved"
positive = "yes"
id = "application"
time = "at"

[data]
train = "history.csv"

[train]
learners = ["logistic", "hist_gradient_boosting"]
trials = 4
folds = 4
seconds = 300

[serve]
port = 0

[capture]
redact = ["application"]

[monitor]
window = "7d"
label_delay = "1d"          # the bank knows a day later whether it was right

[rollout]
start = 0.1
max_loss = 0.01

[retrain]
when = ["performance"]
"""


class Story:
    """What was told and what was measured."""

    def __init__(self, folder: Path, weeks: tuple[int, int, int], quiet: bool) -> None:
        self.folder, self.quiet = folder, quiet
        self.past, self.calm, self.after = weeks
        self.started = time.monotonic()
        self.lines: list[dict[str, Any]] = []
        self.seen_findings: set[str] = set()
        self.seen_decisions: set[str] = set()
        self.false_alarms = 0
        self.detected: int | None = None
        self.promoted: int | None = None
        self.sent = Sent()

    def tell(self, act: str, text: str) -> None:
        """One line of the story, on the screen as it happens and in demo.json."""
        seconds = time.monotonic() - self.started
        self.lines.append({"at_s": round(seconds, 1), "act": act, "text": text})
        if not self.quiet:
            console().print(f"[dim]{seconds:5.1f} s[/]  [bold]{act:<9}[/] {escape(text)}")


def run_demo(folder: Path, *, quick: bool, as_json: bool) -> None:
    """Play the story in `folder` and leave demo.json there. Raises UsageError when the folder is not ours to use."""
    folder = folder.resolve()
    prepare_folder(folder)
    story = Story(folder, (16, 3, 9) if quick else (16, 6, 10), as_json)
    frame, weeks = write_history(story)
    with running(story) as project:
        live(story, project, frame, weeks)
        summary = conclude(story, project)
    (folder / "demo.json").write_bytes(msgspec.json.format(msgspec.json.encode(finite(summary)), indent=2))
    if as_json:
        sys.stdout.write(msgspec.json.encode(finite(summary)).decode() + "\n")
    else:
        farewell(folder, summary)


def prepare_folder(folder: Path) -> None:
    """An empty folder, or one that an earlier demo left."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise UsageError(f"{folder.name} is not empty and no earlier demo: choose another with --folder.")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("left by `fairlead demo`; may be deleted\n")
    (folder / "fairlead.toml").write_text(PROJECT)


def write_history(story: Story) -> tuple[Any, Any]:
    """The bank's past as a table, and the weeks that will be lived through; the rule changes after the calm ones."""
    import pandas as pd

    from fairlead.ops.rehearse import agrawal

    total = story.past + story.calm + story.after
    change = (story.past + story.calm) * ROWS_A_WEEK
    frame = agrawal(total * ROWS_A_WEEK, functions=(5, 2), change_at=change, seed=SEED, rows_per_week=ROWS_A_WEEK)
    more = agrawal(MORE_WEEKS * ROWS_A_WEEK, functions=(2,), seed=SEED + 1, rows_per_week=ROWS_A_WEEK)
    more["at"] += pd.Timedelta(weeks=total)
    frame, total = pd.concat([frame, more], ignore_index=True), total + MORE_WEEKS
    frame["approved"] = frame["approved"].map({0: "no", 1: "yes"})
    frame["at"] = frame["at"].dt.strftime("%Y-%m-%dT%H:%M:%S")
    frame.insert(0, "application", [f"A{i:06d}" for i in range(len(frame))])
    frame.iloc[: story.past * ROWS_A_WEEK].to_csv(story.folder / "history.csv", index=False)
    story.tell("history", f"{story.past} weeks of decided applications, {ROWS_A_WEEK} a week, in history.csv")
    weeks = [frame.iloc[i * ROWS_A_WEEK : (i + 1) * ROWS_A_WEEK] for i in range(story.past, total)]
    return frame, weeks


@contextlib.contextmanager
def running(story: Story) -> Iterator[Any]:
    """`fairlead up` in its own process: trains, judges, deploys, serves, collects, watches; stopped at the end."""
    from fairlead.doors.python import open

    log = (story.folder / "up.log").open("wb")
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "fairlead", "-C", str(story.folder), "up", "--port", "0", "--every", "0.3"],
        stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    project = open(story.folder)
    try:
        story.tell("up", "`fairlead up`: trains, judges and deploys, as there is nothing yet; then serves and watches")
        wait_until_served(story, project, process)
        yield project
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        log.close()


def wait_until_served(story: Story, project: Any, process: subprocess.Popen[bytes], within_s: float = 180.0) -> None:
    """Until a worker answers; each event on the way is told."""
    from fairlead.runtime.serve import live_workers

    ws = project.workspace
    told = 0
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise FairleadError(f"`fairlead up` ended early: see {story.folder.name}/up.log")
        for event in ws.audit.events(last=20):
            if event.sequence > told:
                told = event.sequence
                tell_event(story, project, event)
        if any(w.generation for w in live_workers(ws.home.root)) and ws.state.intent(ws.model):
            return
        time.sleep(0.2)
    raise FairleadError(f"no server after {within_s:.0f} s: see {story.folder.name}/up.log")


def tell_event(story: Story, project: Any, event: Any) -> None:
    """The first release, as the audit log has it."""
    if event.action == "seal":
        kept = msgspec.json.decode(project.workspace.state.get(f"candidate:{event.subject}"))
        rows = kept["leaderboard"]
        ranking = ", ".join(f"{r['name']} {number(r['score'])}" for r in rows[:4])
        story.tell("train", f"{rows[0].get('metric', 'score')}: {ranking}")
        parity = kept["parity"]
        story.tell(
            "seal",
            f"{kept['learner']} sealed as {event.subject[:12]}; compiled, {parity['flipped']} of {parity['rows']:,} "
            f"decisions differ (at most {parity['max_difference']:.0e})",
        )
    elif event.action == "judge":
        story.tell("judge", f"verdict on the sealed bundle: {event.why}, attested")
    elif event.action == "register":
        story.tell("register", f"{event.subject} in the registry")
    elif event.action == "deploy":
        story.tell("deploy", "champion, answering all requests")


def live(story: Story, project: Any, frame: Any, weeks: list[Any]) -> None:
    """Week after week: requests, a day later their labels; the story waits for the watcher to keep up."""
    ws = project.workspace
    caller = Caller(address(project), ws.model)
    story.sent = caller.sent
    story.tell("live", f"requests go to {address(project)}/predict/credit, one row each, labels follow a day later")
    for number_, week in enumerate(weeks):
        if number_ >= story.calm + story.after and regained(story, number_):
            break
        if number_ == story.calm:
            quiet = f"{story.calm} quiet weeks, {caller.sent.requests:,} requests, {story.false_alarms} false alarms"
            story.tell("calm", quiet)
            story.tell("change", f"(week {number_ + 1}: the bank's rule changes; nobody tells Fairlead)")
        rows = week.drop(columns=["approved"]).to_dict("records")
        labels = []
        for row, truth in zip(rows, week["approved"], strict=True):
            caller.ask(row, row["application"])
            labels.append((row["application"], truth))
        caller.tell(labels)
        settle(story, ws, number_, float(week_end(week)))
    caller.close()


def regained(story: Story, week: int) -> bool:
    """Whether enough weeks before this one were answered by the new champion alone, and judged: all but the last."""
    return story.promoted is not None and week - story.promoted > REGAINED_WEEKS + 1


def week_end(week: Any) -> float:
    """Event time of a week's last row, seconds."""
    from fairlead.lab.tables import event_times

    return float(event_times(week, ("at",), "UTC").max())


def address(project: Any) -> str:
    """Where the server answers."""
    from fairlead.doors.python.serving import address as found

    return found(project.workspace)


def settle(story: Story, ws: Any, week: int, until: float, within_s: float = 90.0) -> None:
    """Wait until the watcher has judged every window that is due by this week's rows (none after the first)."""
    if week == 0:
        return
    from fairlead.ops.flow.loop import judged_until

    due = until - WEEK - 60.0
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        listen(story, ws, week)
        if judged_until(ws) >= due and not ws.state.unfinished(ws.model):
            listen(story, ws, week)
            return
        time.sleep(0.1)
    raise FairleadError(f"the watcher did not keep up within {within_s:.0f} s: see {story.folder.name}/up.log")


def listen(story: Story, ws: Any, week: int) -> None:
    """Tell every finding that is new, and every decision once it has been carried out."""
    for finding in ws.state.findings(ws.model, open_only=False):
        if finding.id in story.seen_findings:
            continue
        story.seen_findings.add(finding.id)
        if finding.severity != "info":
            story.tell("saw", f"week {finding.window + 1}: {finding.message}")
            story.false_alarms += finding.window < story.calm
            if story.detected is None and finding.window >= story.calm and finding.area == "performance":
                story.detected = finding.window - story.calm + 1
    for row in ws.state.decisions(ws.model, last=50):
        if row.state != "finished" or row.decision.id in story.seen_decisions:
            continue
        story.seen_decisions.add(row.decision.id)
        if row.decision.action == "promote" and row.outcome != "failed":
            story.promoted = week
        if row.decision.action not in {"hold", "alert"}:
            story.tell(row.decision.action.replace("_", " "), outcome_of(row))


def outcome_of(row: Any) -> str:
    """What came of a decision, in a line."""
    decision, details = row.decision, row.details
    if row.outcome == "failed":
        return f"not done: {details.get('why')}"
    if decision.action == "retrain":
        fate = (
            f"version {details['version']} passed the gate"
            if details["version"]
            else f"the gate said {details['verdict']}: {details['reason']}"
        )
        return f"because the promise is broken, on {details['window']}: {fate}"
    if decision.action == "canary":
        return f"version {details['version']} is tried on {decision.details['share']:.0%} of the requests"
    return str(decision.why)


def conclude(story: Story, project: Any) -> dict[str, Any]:
    """Stop nothing, count everything: quality by week, requests, capture, the audit chain."""
    ws = project.workspace
    project.collect()
    windows = [w for w in ws.state.windows(ws.model) if w.state == "scored"]
    accuracy = [w.metrics.get("accuracy", float("nan")) for w in windows]
    before = accuracy[: story.calm]
    changed = accuracy[story.calm :]
    audit, doctor = project.audit(), project.doctor()
    capture = doctor["reconciliation"]
    quality = {
        "before": mean(before),
        "lost": min(changed, default=float("nan")),
        "regained": mean(changed[-REGAINED_WEEKS:]),
        "by_week": accuracy,
    }
    story.tell(
        "quality",
        f"accuracy {quality['before']:.3f} before the change, {quality['lost']:.3f} at its worst, "
        f"{quality['regained']:.3f} at the end",
    )
    sent = story.sent
    story.tell(
        "count",
        f"{sent.requests:,} requests, {sent.failed} failed, {capture['captured']:,} rows captured, "
        f"{'reconciled' if capture['ok'] else 'NOT reconciled'}; audit chain of {audit['events']} events "
        f"{'verifies' if audit['ok'] else 'is BROKEN'}",
    )
    champion = next(v for v in ws.state.intent(ws.model).variants if v.name == "champion")
    return {
        "story": story.lines,
        "seconds": round(time.monotonic() - story.started, 1),
        "detection_delay_weeks": story.detected,
        "false_alarms_before_change": story.false_alarms,
        "quality": quality,
        "requests": {"sent": sent.requests, "failed": sent.failed, "labels": sent.labels},
        "captured": capture["captured"],
        "reconciled": capture["ok"],
        "champion": champion.version,
        "audit": audit["ok"],
    }


def mean(values: list[float]) -> float:
    """The mean, NaN of nothing."""
    return sum(values) / len(values) if values else float("nan")


def farewell(folder: Path, summary: dict[str, Any]) -> None:
    """Where to look, and the two lines for the user's own table."""
    out = console()
    where = os.path.relpath(folder)
    reports = sorted((folder / ".fairlead" / "reports").glob("*/report.html"))
    out.print(f"\n[bold]Done in {summary['seconds']:.0f} s.[/] Look around:")
    for page in reports[:3]:
        out.print(f"  {escape(os.path.relpath(page))}")
    program = "fairlead" if shutil.which("fairlead") else os.path.relpath(Path(sys.executable).parent / "fairlead")
    out.print(f"  {program} -C {where} status      what is live and why")
    out.print(f"  {program} -C {where} audit       every step, hash-chained")
    out.print(f"  {program} -C {where} up --port 8080      serve it again, then:")
    row = (
        '{"salary": 60000, "commission": 0, "age": 42, "elevel": 2, "car": 5, "zipcode": 3, '
        '"hvalue": 180000, "hyears": 9, "loan": 90000}'
    )
    out.print(escape(f"    curl -s localhost:8080/predict/credit -d '{row}'"))
    out.print("\nYour own table, two lines:")
    out.print(f"  {program} init --data YOUR.csv --target COLUMN")
    out.print(f"  {program} up")
