"""The gate: evidence and the project's rules to a verdict. Pure.

rows: 30 or more pass; fewer are inconclusive, whatever else holds.
parity: passes if no decision of the compiled model differs and its scores are within the form's tolerance;
    without a certificate inconclusive.
min.<metric>: passes at or above the limit; for log_loss, brier, mse, rmse and mae, at or below. A metric that
    these rows cannot give is inconclusive.
beats.baseline: passes if the mean loss is below the best constant's with its whole interval, fails if it is not
    below, and is inconclusive in between.
no_worse_than.champion: passes if the mean loss is at most `margin` above the champion's on the same rows, fails if
    it is further above and its interval excludes 0, and is inconclusive in between.
max_group_gap.<column>: passes if the gap is at most the limit; inconclusive if the rows lack the column.

A limit is a limit: what is measured decides, and the reason says when chance alone could have decided otherwise.
Comparisons are differences of two models, so chance has its say in the verdict itself.
"""

from __future__ import annotations

import difflib

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.evidence import Check, Interval, Outcome, Verdict
from fairlead.contract.settings import GateSettings, Settings
from fairlead.lab.evaluate.evidence import Comparison, Report
from fairlead.lab.stats.measures import CLASSIFICATION, LOWER_IS_BETTER, REGRESSION

FEWEST_ROWS = 30


def gate(report: Report, settings: Settings) -> Verdict:
    """pass, fail or inconclusive with a reason per check. Raises ConfigInvalid for a metric that does not exist."""
    rules = settings.gate
    checks = [_rows(report)]
    if rules.parity:
        checks.append(_parity(report))
    if rules.min is not False:
        checks += [_minimum(report, name, limit) for name, limit in rules.min.items()]
    if rules.beats is not False:
        checks += [_beats(report, name) for name in rules.beats]
    if rules.no_worse_than is not False and report.champion is not None:
        checks.append(_no_worse(report.champion, rules))
    if rules.max_group_gap is not False:
        checks += _group_gaps(report, settings, rules.max_group_gap)
    return Verdict.of(tuple(checks))


def _rows(report: Report) -> Check:
    enough = report.rows >= FEWEST_ROWS
    why = f"{report.rows:,} rows with a truth" + ("" if enough else f"; fewer than {FEWEST_ROWS} say too little")
    return Check("rows", float(report.rows), float(FEWEST_ROWS), "pass" if enough else "inconclusive", why)


def _parity(report: Report) -> Check:
    found = report.parity
    if found is None:
        return Check("parity", None, None, "inconclusive", "there is no certificate for this bundle")
    flipped, far, tolerance = int(found["flipped"]), float(found["max_difference"]), float(found["tolerance"])
    good = flipped == 0 and far <= tolerance
    why = (
        f"on {int(found['rows']):,} rows {flipped} decisions of the compiled model differ from the trained one's, "
        f"scores by at most {far:.1e} (allowed {tolerance:.0e})"
    )
    return Check("parity", far, tolerance, "pass" if good else "fail", why)


def _minimum(report: Report, name: str, limit: float) -> Check:
    known = CLASSIFICATION if report.task == "classification" else REGRESSION
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise ConfigInvalid(
            f"{name!r} is no metric of a {report.task}.", file="fairlead.toml", key=f"gate.min.{name}",
            cure=f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}.",
        )  # fmt: skip
    found = report.metrics.get(name)
    if found is None:
        return Check(f"min.{name}", None, limit, "inconclusive", f"{name} is not defined on these rows")
    lower = name in LOWER_IS_BETTER
    met = found.value <= limit if lower else found.value >= limit
    side = "above" if (found.value > limit) else "below" if found.value < limit else "at"
    why = f"{name} is {_spread(found)}, {side} the limit {limit:g}"
    if met and (found.high > limit if lower else found.low < limit):
        why += "; by chance it could have missed it"
    elif not met and (found.low <= limit if lower else found.high >= limit):
        why += "; by chance it could have met it"
    return Check(f"min.{name}", found.value, limit, "pass" if met else "fail", why)


def _beats(report: Report, name: str) -> Check:
    if name == "baseline":
        other: Comparison | None = report.baselines[0]
    else:
        other = next((b for b in report.baselines if b.name == name), None)
    if other is None:
        return Check(f"beats.{name}", None, 0.0, "inconclusive", f"there is no {name} to compare with on these rows")
    difference = other.difference
    outcome: Outcome = "pass" if difference.high < 0 else "fail" if difference.value >= 0 else "inconclusive"
    words = {
        "pass": "the model is surely better",
        "fail": "the model is no better",
        "inconclusive": "better, but it may be chance",
    }
    why = f"mean loss differs by {_spread(difference)} from {other.name}: {words[outcome]}"
    return Check(f"beats.{name}", difference.value, 0.0, outcome, why)


def _no_worse(champion: Comparison, rules: GateSettings) -> Check:
    difference, margin = champion.difference, rules.margin
    outcome: Outcome = "pass" if difference.value <= margin else "fail" if difference.low > 0 else "inconclusive"
    words = {
        "pass": f"at most {margin:g} above",
        "fail": f"worse by more than {margin:g}",
        "inconclusive": f"more than {margin:g} above, but it may be chance",
    }
    why = f"mean loss differs by {_spread(difference)} from the champion's {champion.loss:.4f}: {words[outcome]}"
    return Check("no_worse_than.champion", difference.value, margin, outcome, why)


def _group_gaps(report: Report, settings: Settings, limit: float) -> list[Check]:
    measured = {gap.column: gap for gap in report.gaps}
    if not settings.model.sensitive:
        return [Check("max_group_gap", None, limit, "inconclusive", "no column is named in [model] sensitive")]
    checks = []
    for column in settings.model.sensitive:
        name, gap = f"max_group_gap.{column}", measured.get(column)
        if gap is None:
            checks.append(Check(name, None, limit, "inconclusive", f"the judged rows have no column {column!r}"))
            continue
        good = gap.gap.value <= limit
        why = f"the {gap.measure} differs by {_spread(gap.gap)} between groups of {column}, allowed {limit:g}"
        checks.append(Check(name, gap.gap.value, limit, "pass" if good else "fail", why))
    return checks


def _spread(found: Interval) -> str:
    return f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"
