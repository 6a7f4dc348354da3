"""Pilots: a named cohort that one version answers until an end date, and a report that closes it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from fairlead.contract.errors import UsageError
from fairlead.ops.flow.rolling import Way
from fairlead.ops.flow.situation import Trial
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.rollout.guardrails import Guardrail
from fairlead.ops.rollout.verdict import RolloutVerdict
from fairlead.runtime.wire.checks import text_of

MOST_VALUES = 10_000
SHOWN = 20


class PilotReport(msgspec.Struct, frozen=True):
    """What was asked, what was found, and what follows. Times: seconds since the epoch. rows: answered by the pilot's
    version, labelled: of these with a truth. verdict: None without any. format: of this file."""

    model: str
    pilot: str
    question: str
    column: str
    cohort: tuple[str, ...]
    values: int
    champion: int
    version: int
    started: float
    until: float
    written: float
    closed: bool
    rows: int
    verdict: RolloutVerdict | None
    guardrails: tuple[Guardrail, ...]
    found: str
    recommendation: str
    format: int = 1

    @property
    def guardrails_failed(self) -> bool:
        """Whether one of them failed."""
        return any(one.outcome == "fails" for one in self.guardrails)


def cohort_of(text: str) -> tuple[str, tuple[str, ...]]:
    """The column and its values of `column in ('a', 'b')` or `column = 'a'`. Raises UsageError for anything else."""
    from fairlead.contract.errors import ConfigInvalid
    from fairlead.lab.evaluate.expressions import Compare, read_rule

    cure = "Write it as \"region in ('north', 'west')\" or \"customerID = '7590-VHVEG'\"."
    try:
        rule = read_rule(text)
    except ConfigInvalid as wrong:
        raise UsageError(f"--cohort: {wrong} {cure}") from None
    if not isinstance(rule, Compare) or rule.sign != "=" or not rule.values:
        raise UsageError(f"--cohort: a cohort is one column and its values. {cure}")
    if len(rule.values) > MOST_VALUES:
        raise UsageError(f"--cohort: {len(rule.values)} values; at most {MOST_VALUES}.")
    return rule.column, tuple(text_of(value) or "" for value in rule.values)


def end_of(text: str, zone: str, now: float) -> float:
    """A date (its end) or a time as seconds since the epoch. Raises UsageError for what is no date, or is over."""
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--until: {text!r} is no date: write 2027-01-31 or 2027-01-31T18:00.") from None
    if "T" not in text and " " not in text and len(text) <= 10:
        told = told.replace(hour=23, minute=59, second=59)
    told = told if told.tzinfo is not None else told.replace(tzinfo=ZoneInfo(zone))
    if told.timestamp() <= now:
        raise UsageError(f"--until: {text} is over already.")
    return told.timestamp()


def known_column(ws: Workspace, column: str) -> None:
    """A cohort is named by a column that requests carry. Raises UsageError."""
    from fairlead.ops.flow import making

    bundle = making.champion_bundle(ws)
    if bundle is None:
        return
    signature = ws.load(bundle).signature
    known = (*signature.names, *signature.passthrough)
    if column in {c.name for c in signature.columns if c.kind == "tensor"}:
        raise UsageError(f"--cohort: {column} is a tensor; a cohort is named by a text, a number or a key.")
    if column not in known:
        raise UsageError(f"--cohort: requests carry no column {column!r}. They carry: {', '.join(known)}.")


def unseen(ws: Workspace, column: str, values: Sequence[str]) -> str:
    """What of a cohort no row of training held, which may be a slip of the pen; "" where all of it was seen."""
    from fairlead.ops.flow import making

    bundle = making.champion_bundle(ws)
    columns = ws.load(bundle).signature.columns if bundle is not None else ()
    seen = next((c.categories for c in columns if c.name == column), ())
    new = [value for value in values if value not in seen]
    if not seen or not new:
        return ""
    known = f"{', '.join(seen[:10])}{', ...' if len(seen) > 10 else ''}"
    return f"training saw no {column} {', '.join(map(repr, new[:5]))} (it saw {known}): nobody may be of this cohort"


def report_of(ws: Workspace, trial: Trial, *, closed: bool) -> PilotReport:
    """How a pilot stands."""
    from fairlead.ops.flow.counting import counted
    from fairlead.ops.flow.rolling import way_of

    intent = ws.state.intent(ws.model)
    if intent is None or intent.rollout is None:
        raise UsageError("no pilot is in progress.")
    way: Way = way_of(intent.rollout)
    champion = next(v.version for v in intent.variants if v.name == "champion")
    asked = counted(ws).of(trial.version)
    found = trial.verdict.why if trial.verdict is not None else "no labelled rows of the cohort yet"
    if trial.guardrails:
        found = f"it failed its guardrails: {'; '.join(trial.guardrails)}"
    return PilotReport(
        model=ws.model,
        pilot=way.name,
        question=way.question or f"Does version {trial.version} do no harm to its cohort?",
        column=way.column,
        cohort=way.cohort[:SHOWN],
        values=len(way.cohort),
        champion=champion,
        version=trial.version,
        started=intent.rollout.started_wall,
        until=way.until,
        written=ws.clock(),
        closed=closed,
        rows=asked.requests,
        verdict=trial.verdict,
        guardrails=trial.stands,
        found=found,
        recommendation=recommended(trial, closed=closed),
    )


def recommended(trial: Trial, *, closed: bool) -> str:
    """What should follow; a person decides."""
    version, verdict = trial.version, trial.verdict
    if trial.guardrails:
        return f"Do not go on with version {version}: mend what fails first."
    if verdict is None:
        again = ", and repeat the pilot with a later end date" if closed else ""
        return f"Nothing can be said yet: see that labels of the cohort arrive{again}."
    if verdict.outcome == "fail":
        return f"Do not go on with version {version}: for this cohort it is worse."
    if verdict.outcome == "pass":
        then = f"try it on all callers: `fairlead deploy {version} --canary 5%`"
        return f"Go on: {then}. What holds for a cohort that was chosen need not hold for the others."
    more = f"about {verdict.needed:,} more labelled rows" if verdict.needed > 0 else "more rows than can be waited for"
    again = "repeat it with a larger cohort or a later end date" if closed else "let it go on"
    return f"Undecided: {more} are needed; {again}."


def write_report(ws: Workspace, report: PilotReport) -> Path:
    """report.html (offline, no script) and report.json in a folder of the pilot's name; the page's path."""
    from fairlead.runtime.serve.routes import write_atomic

    folder = ws.home.reports / f"pilot-{safe(report.pilot)}"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "report.json", msgspec.json.format(msgspec.json.encode(report), indent=1), mode=0o644)
    page = folder / "report.html"
    write_atomic(page, page_of(report, ws.settings.model.timezone).encode(), mode=0o644)
    return page


def safe(name: str) -> str:
    """A pilot's name as part of a folder's."""
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in name)[:60] or "pilot"


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1c2733}"
    "h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #d8dee5;vertical-align:top}"
    ".pass{color:#0a6b3b}.fail{color:#a31515}.inconclusive{color:#7a5a00}.box{background:#f3f6f9;padding:.8rem 1rem;"
    "border-radius:.4rem}svg{width:100%;height:70px}"
)


def page_of(report: PilotReport, zone: str) -> str:
    """The page that a stakeholder reads."""

    def day(at: float) -> str:
        return datetime.fromtimestamp(at, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")

    text = html.escape
    outcome = report.verdict.outcome if report.verdict is not None and not report.guardrails_failed else "fail"
    outcome = "inconclusive" if report.verdict is None and not report.guardrails_failed else outcome
    some = ", ".join(report.cohort) + (f" and {report.values - SHOWN:,} more" if report.values > SHOWN else "")
    facts: list[tuple[str, Any]] = [
        ("Question", report.question),
        ("Cohort", f"rows whose {report.column} is one of {some}"),
        ("Tried", f"version {report.version} in the place of version {report.champion}"),
        ("From", f"{day(report.started)} to {day(report.until)} ({zone})"),
        ("Requests answered", f"{report.rows:,}"),
    ]
    table = "".join(f"<tr><th>{text(name)}</th><td>{text(str(said))}</td></tr>" for name, said in facts)
    guards = "".join(
        f"<tr><td>{text(one.name)}</td><td>{text(one.outcome)}</td><td>{text(one.why)}</td></tr>"
        for one in report.guardrails
    )
    state = "Closing report" if report.closed else "Report so far"
    written = datetime.fromtimestamp(report.written, UTC).strftime("%Y-%m-%d %H:%M UTC")
    words = {"pass": "no harm", "fail": "harm", "inconclusive": "undecided"}
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Pilot {text(report.pilot)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>Pilot {text(report.pilot)} of {text(report.model)}</h1>"
        f'<p>{state}, written {written}.</p><p class="box"><strong class="{outcome}">{words[outcome]}</strong>: '
        f"{text(report.found)}</p><h2>What was asked</h2><table>{table}</table>"
        f"<h2>What was found</h2>{_plot(report)}"
        f"<h2>Guardrails</h2><table><tr><th>of</th><th>state</th><th>why</th></tr>{guards}</table>"
        f"<h2>Recommendation</h2><p>{text(report.recommendation)}</p>"
        "<h2>How to read it</h2><p>Both versions were asked about every labelled row of the cohort. The interval holds "
        "however often it is looked at; a cohort is chosen, not drawn, so nothing is claimed about other callers.</p>"
        "</body></html>\n"
    )


def _plot(report: PilotReport) -> str:
    """The harm with its interval, beside none."""
    verdict = report.verdict
    if verdict is None:
        return "<p>No labelled rows of the cohort.</p>"
    reach = max(abs(verdict.low), abs(verdict.high), 1e-9) * 1.1

    def x(value: float) -> float:
        return 300.0 + 280.0 * min(max(value / reach, -1.0), 1.0)

    return (
        f'<svg viewBox="0 0 600 70" role="img" aria-label="harm {verdict.mean:+.4f}, between {verdict.low:+.4f} and '
        f'{verdict.high:+.4f}"><line x1="300" y1="5" x2="300" y2="45" stroke="#8896a5"/>'
        f'<line x1="{x(verdict.low):.1f}" y1="25" x2="{x(verdict.high):.1f}" y2="25" stroke="#1f5fa8" '
        f'stroke-width="4"/><circle cx="{x(verdict.mean):.1f}" cy="25" r="6" fill="#1f5fa8"/>'
        f'<text x="300" y="62" text-anchor="middle" font-size="12">no difference</text>'
        f'<text x="10" y="62" font-size="12">better</text><text x="590" y="62" text-anchor="end" font-size="12">worse'
        f"</text></svg><p>Mean loss of the challenger less that of the champion: {verdict.mean:+.4f}, "
        f"[{verdict.low:+.4f}, {verdict.high:+.4f}], on {verdict.n:,} labelled rows.</p>"
    )


def close(ws: Workspace, decision: Any) -> Path | None:
    """Write the closing report of a pilot that a decision ends; None of other rollouts.

    Called while the pilot is still in the intent. A report that cannot be written must not keep what fails in place.
    """
    from fairlead.ops.flow.rolling import way_of
    from fairlead.ops.flow.tracker import read_tracker
    from fairlead.ops.flow.trial import trials_of

    intent = ws.state.intent(ws.model)
    if intent is None or intent.rollout is None or way_of(intent.rollout).mode != "pilot":
        return None
    failed = decision.details.get("guardrail")
    # What fails requests is taken out now: nobody waits for labels to be judged once more.
    trial = None if failed is not None else next(iter(trials_of(ws, intent, read_tracker(ws))), None)
    if trial is None:
        version = next(v for v in intent.variants if v.name != "champion")
        trial = Trial(version.bundle, intent.rollout.started_event, version=version.version, mode="pilot")
    if failed is not None:
        guard = msgspec.convert(failed, Guardrail)
        stands = (guard, *(one for one in trial.stands if one.name != guard.name))
        trial = msgspec.structs.replace(trial, guardrails=(f"{guard.name} ({guard.why})",), stands=stands)
    try:
        return write_report(ws, report_of(ws, trial, closed=True))
    except OSError:
        return None
