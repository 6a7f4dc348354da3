"""The tables of docs/explanation/rehearsal.md: what a rehearsal is asked to show, and policies, choices of rows, faults
and budgets on two histories.

    python benchmarks/rehearsal_page.py [--data ../shared/data] [--keep FOLDER] [--copies 12] [--runs 60] [--check]

--keep: a folder that keeps what models answered, so that a run that was stopped goes on. --copies: shuffled copies of
the bike table. --runs: histories with a change of known size. --check prints the tables and leaves the page as it is.
About eight minutes of one core; figures other than CPU seconds are the same on every run. Wants the machine for itself.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import pandas as pd

from fairlead.ops.rehearse import Rehearsal, agrawal, rehearse
from fairlead.ops.rehearse.summary import calm_words
from rehearsal import bike_settings, credit_settings
from rehearsal_targets import RUNS, targets

PAGE = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "rehearsal.md"
MARK = "<!-- below: made by benchmarks/rehearsal_page.py -->"
CHANGE = 12_000

ABOUT = (
    "The change: from one window on a sixth of the applicants are decided the other way, told by a column that the\n"
    "rule does not use; a fifth of all decisions follow no rule. Every run is another history of 22 windows of 500\n"
    "rows, learnt from by logistic regression. Broken challengers learnt truths in random order. The settings were\n"
    "chosen on the bike table, so its gain is what is possible, not what to expect."
)


def say(what: str, **_more: object) -> None:
    """Progress, with the CPU seconds so far."""
    print(f"{time.process_time():6.0f} s  {what}", file=sys.stderr, flush=True)


def bike(data: Path, keep: Path, copies: int) -> tuple[Rehearsal, float]:
    """Two years of bike sharing, weekly windows; and the share of the CPU time of the five policies a user gets that
    was neither fitting nor scoring."""
    frame = pd.read_csv(data / "bike-sharing-hour.csv")
    five = rehearse(frame, bike_settings(), shuffled=False, folder=keep / "bike", progress=say)
    whole = rehearse(
        frame, bike_settings(), windows=True, faults=True, folder=keep / "bike", shuffled=copies, progress=say
    )  # fmt: skip
    return whole, five.cpu_outside


def credit(keep: Path) -> Rehearsal:
    """Agrawal's generator, whose rule changes at once in mid-life; 52 weeks of 500 rows."""
    frame = agrawal(52 * 500, functions=(2, 5), change_at=CHANGE, seed=1, noise=0.02)
    policies = ("never", "always", "recent", "scheduled", "performance", "project")
    truth = [frame["at"].iloc[CHANGE].timestamp()]
    return rehearse(
        frame, credit_settings(), policies=policies, windows=True, faults=True, folder=keep / "credit", learnt=12,
        truth=truth, progress=say,
    )  # fmt: skip


def tables(title: str, found: Rehearsal) -> list[str]:
    """A section of the page."""
    return [
        f"## {title}", "",
        f"{found.rows:,} rows, {found.windows} windows, the first {found.learnt} learnt from by {found.learner}; "
        f"{found.unit}, lower is better.", "", *policies(found), "", *faults(found), "", *budgets(found), "",
        *told(found), "",
    ]  # fmt: skip


def policies(found: Rehearsal) -> list[str]:
    """Every policy, and how much better than the settings in force it is."""
    beside = {d.name: d for d in found.differences}
    lines = [
        f"| policy | {found.unit} [95 %] | better than the project by [95 %] | retrainings | fits | alarms a month | "
        "incidents a month | labels | rows per CPU s, alone | through the cache |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for p in found.policies:
        other = beside.get(p.name)
        gain = "" if other is None else f"{span(other.error)} {other.judged}"
        speed = f"{p.rows_per_cpu_s:,.0f} | {p.through_cache:,.0f}" if p.through_cache else " | "
        lines.append(
            f"| {p.name} | {span(p.quality)} | {gain} | {p.retrains} | {p.fits} | {p.alerts_per_month:.2f} | "
            f"{p.incidents_per_month:.2f} | {p.labels:,} | {speed} |"
        )
    return lines


def faults(found: Rehearsal) -> list[str]:
    """What was found of what was put in."""
    assert found.study is not None
    quiet = found.study.quiet
    lines = ["| fault | found | share [95 %] | median days | first by | missed in |", "|---|---|---|---|---|---|"]
    for f in found.study.faults:
        share = "" if f.power is None else f"{f.power.value:.0%} [{f.power.low:.0%}, {f.power.high:.0%}]"
        days = "" if f.days is None else f"{f.days:.1f}"
        by = ", ".join(f"{name} {count}" for name, count in list(f.by.items())[:3])
        missed = ", ".join(f"{name} {count}" for name, count in list(f.missed.items())[:4])
        lines.append(f"| {f.fault}: {f.said} | {f.found} of {f.trials} | {share} | {days} | {by or f.why} | {missed} |")
    by = ", ".join(f"{name} {count}" for name, count in quiet.by.items())
    return [
        *lines, "",
        f"Clean copies: {quiet.alarms} alarms in {quiet.months:.0f} months, {span(quiet.per_month)} a month at a "
        f"budget of {found.study.budget:g}" + (f" ({by})." if by else "."),
    ]  # fmt: skip


def budgets(found: Rehearsal) -> list[str]:
    """The same under other budgets."""
    lines = [
        "| false alarms a month allowed | alarms a month on clean copies [95 %] | faults found [95 %] | median days | "
        f"{found.unit}, ungated |",
        "|---|---|---|---|---|",
    ]
    for row in found.sensitivity:
        power = "" if row.power is None else f"{row.power.value:.0%} [{row.power.low:.0%}, {row.power.high:.0%}]"
        days = "" if row.days is None else f"{row.days:.1f}"
        lines.append(f"| {row.budget:g} | {span(row.alarms)} | {power} | {days} | {span(row.error)} |")
    return lines


def told(found: Rehearsal) -> list[str]:
    """What follows."""
    assert found.recommendation is not None
    lines = [f"Recommendation: **{found.recommendation.verdict}**."]
    lines += [f"- {line}" for line in found.recommendation.evidence]
    calm = found.shuffled
    if calm is not None:
        by = ", ".join(f"{name} {count}" for name, count in calm.by.items())
        lines.append(f"- {calm_words(calm).removesuffix('.')}" + (f" ({by})." if by else "."))
    lines.append(f"- CPU time outside fits and scores: {found.cpu_outside:.1%} of that of all policies together")
    return lines


def span(found: object) -> str:
    """A value with its interval."""
    if found is None:
        return ""
    # What differs by rounding alone does not differ.
    value, low, high = (v if abs(v := getattr(found, name)) > 1e-12 else 0.0 for name in ("value", "low", "high"))
    return f"{value:.3g} [{low:.3g}, {high:.3g}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="folder with bike-sharing-hour.csv")
    parser.add_argument("--keep", type=Path, default=None)
    parser.add_argument("--copies", type=int, default=12)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    with nullcontext(asked.keep) if asked.keep else tempfile.TemporaryDirectory(prefix="rehearsal-") as place:
        keep = Path(place)
        cycled, outside = bike(asked.data, keep, asked.copies)
        approved = credit(keep)
        shown = targets(cycled, approved, asked.data, keep, asked.runs, say)
    lines = [
        "## What it is asked to show", "", *shown,
        f"| bike, five policies: CPU time outside fits and scores | at most 5 % | {outside:.1%} |", "", ABOUT, "",
        *tables("Bike sharing", cycled), *tables("A credit rule that changes at once", approved),
    ]  # fmt: skip
    if asked.check:
        print("\n".join(lines))
        return
    above = PAGE.read_text().split(MARK)[0]
    PAGE.write_text(above + MARK + "\n\n" + "\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main()
