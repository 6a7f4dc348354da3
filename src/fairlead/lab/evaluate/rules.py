"""The gate: evidence and the project's rules to a verdict. Pure.

A check that demands (rows, parity, min, beats, max_calibration_error) passes only where its whole interval lies on
the right side of the limit, fails where it lies on the wrong side, and in between is inconclusive, which refuses: a
person may waive it, or more rows decide. A check that looks for harm (no_worse_than, groups, slices) fails only on
evidence of harm; too little evidence passes, marked inconclusive (`Check.refuses` is false).

rows: `min_rows` or more pass; fewer are inconclusive, whatever else holds.
parity: passes if no decision of the compiled model differs and its scores are within the form's tolerance;
    without a certificate inconclusive.
min.<metric>: the interval at or above the limit; of losses and errors at or below. A metric that these rows cannot
    give is inconclusive.
beats.baseline: the mean loss is below the best constant's with its whole interval; fails if it is not below at all.
    Of a ranking the loss is that of a group, 1 - NDCG, and the baseline what is popular, without items an order by
    chance; `beats.popularity` and `beats.random` name one of them.
max_calibration_error: the interval of `reliability.calibration_error` at or below the limit.
no_worse_than.champion: fails if the mean loss is more than `margin` above the champion's on the same rows and its
    interval excludes 0; passes if the interval ends below `margin`.
max_group_gap.<column>, groups.<measure>.<columns>: fails if the gap between two groups surely exceeds the limit;
    passes if it surely does not and no group was too small to be compared.
robustness.<check>: fails if the harm surely exceeds the limit, see `robustness.rules`.
card: the card says what the model is for, what it must not be used for and what its limits are.
behaviour: every expectation that the project states holds, see `behaviour`; without one there is no such check.
max_slice_loss: fails if the mean loss of a sub-population (named, or any that was looked at) surely exceeds it.
"""

from __future__ import annotations

import difflib

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.evidence import Check, Interval, Outcome, Verdict
from fairlead.contract.settings import GateSettings, Settings
from fairlead.contract.signature import UNSUPERVISED
from fairlead.lab.evaluate.behaviour.results import behaviour_check
from fairlead.lab.evaluate.carded import card_check
from fairlead.lab.evaluate.evidence import Comparison, Report
from fairlead.lab.evaluate.fairness import MEANING, Disparity, measures_of
from fairlead.lab.evaluate.robustness.rules import robustness_checks
from fairlead.lab.stats.further import LOWER_IS_BETTER, known_metrics
from fairlead.lab.stats.ranking import RANKING, k_of


def gate(report: Report, settings: Settings) -> Verdict:
    """pass, fail or inconclusive with a reason per check. Raises ConfigInvalid for a metric that does not exist."""
    rules = settings.gate
    checks = [_rows(report, rules.min_rows)]
    if rules.parity:
        checks.append(_parity(report))
    if rules.card:
        checks.append(card_check(settings.card))
    if rules.min is not False:
        checks += [_minimum(report, name, limit) for name, limit in rules.min.items()]
    if rules.beats is not False:
        checks += [_beats(report, name) for name in rules.beats]
    if rules.max_calibration_error is not False:
        checks.append(_calibration(report, rules.max_calibration_error))
    if rules.no_worse_than is not False and report.champion is not None:
        checks.append(_no_worse(report, report.champion, rules))
    if rules.max_group_gap is not False:
        checks += _group_gap(report, settings, rules.max_group_gap)
    if rules.groups is not False:
        for measure, limit in rules.groups.items():
            checks += _groups(report, settings, measure, limit)
    if rules.max_slice_loss is not False:
        checks.append(_slices(report, rules.max_slice_loss))
    checks += robustness_checks(report.robustness, rules.robustness)
    if rules.behaviour and report.behaviour:
        checks.append(behaviour_check(report.behaviour))
    return Verdict.of(tuple(checks))


def _rows(report: Report, fewest: int) -> Check:
    enough = report.rows >= fewest
    what = "rows" if report.task in UNSUPERVISED else "rows with a truth"
    why = f"{report.rows:,} {what}" + ("" if enough else f"; fewer than {fewest:,} say too little")
    return Check("rows", float(report.rows), float(fewest), "pass" if enough else "inconclusive", why)


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


def at_most(found: Interval, limit: float) -> Outcome:
    """pass if the whole interval is at or below the limit, fail if it is above, else inconclusive."""
    return "pass" if found.high <= limit else "fail" if found.low > limit else "inconclusive"


def at_least(found: Interval, limit: float) -> Outcome:
    """pass if the whole interval is at or above the limit, fail if it is below, else inconclusive."""
    return "pass" if found.low >= limit else "fail" if found.high < limit else "inconclusive"


def _minimum(report: Report, name: str, limit: float) -> Check:
    known = known_metrics(report.task) if report.ranking is None else (*RANKING, *known_metrics(report.task))
    if name not in known and (report.ranking is None or k_of(name) is None):
        near = difflib.get_close_matches(name, known, n=1)
        raise ConfigInvalid(
            f"{name!r} is no metric of a {report.task}.", file="fairlead.toml", key=f"gate.min.{name}",
            cure=f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}.",
        )  # fmt: skip
    found = report.metrics.get(name)
    if found is None:
        return Check(f"min.{name}", None, limit, "inconclusive", f"{name} is not defined on these rows")
    lower = name in LOWER_IS_BETTER
    outcome = at_most(found, limit) if lower else at_least(found, limit)
    good, bad = ("at or below", "above") if lower else ("at or above", "below")
    words = {
        "pass": f"surely {good} the limit {limit:g}",
        "fail": f"surely {bad} the limit {limit:g}",
        "inconclusive": f"too few rows to tell which side of the limit {limit:g} it is on",
    }
    return Check(f"min.{name}", found.value, limit, outcome, f"{name} is {spread(found)}: {words[outcome]}")


def _beats(report: Report, name: str) -> Check:
    if name == "baseline":
        other: Comparison | None = report.baselines[0] if report.baselines else None
    else:
        other = next((b for b in report.baselines if b.name == name), None)
    if other is None and report.task == "anomaly":
        why = "an anomaly detection that no labels judge has nothing to be better than"
        return Check(f"beats.{name}", None, None, "inconclusive", why, refuses=False)
    if other is None:
        return Check(f"beats.{name}", None, 0.0, "inconclusive", f"there is no {name} to compare with on these rows")
    difference = other.difference
    outcome: Outcome = "pass" if difference.high < 0 else "fail" if difference.value >= 0 else "inconclusive"
    words = {
        "pass": "the model is surely better",
        "fail": "the model is no better",
        "inconclusive": "better, but it may be chance",
    }
    why = f"{_lost(report)} differs by {spread(difference)} from {other.name}: {words[outcome]}"
    return Check(f"beats.{name}", difference.value, 0.0, outcome, why)


def _calibration(report: Report, limit: float) -> Check:
    name, found = "max_calibration_error", report.reliability
    if found is None or found.error is None:
        why = "only probabilities of a classification, on 60 rows or more, have a calibration error"
        return Check(name, None, limit, "inconclusive", why)
    outcome = at_most(found.error, limit)
    words = {
        "pass": f"surely at most {limit:g}",
        "fail": f"surely more than {limit:g}",
        "inconclusive": f"too few rows to tell whether it exceeds {limit:g}",
    }
    why = f"probabilities of {found.of} are off by {spread(found.error)} (root mean square): {words[outcome]}"
    return Check(name, found.error.value, limit, outcome, why)


def _no_worse(report: Report, champion: Comparison, rules: GateSettings) -> Check:
    difference, margin = champion.difference, rules.margin
    harm = difference.value > margin and difference.low > 0
    outcome: Outcome = "fail" if harm else "pass" if difference.high <= margin else "inconclusive"
    words = {
        "pass": f"surely at most {margin:g} above",
        "fail": f"worse by more than {margin:g}",
        "inconclusive": f"no evidence of harm, though too few rows to exclude more than {margin:g}",
    }
    why = f"{_lost(report)} differs by {spread(difference)} from the champion's {champion.loss:.4f}: {words[outcome]}"
    return Check("no_worse_than.champion", difference.value, margin, outcome, why, refuses=False)


def _group_gap(report: Report, settings: Settings, limit: float) -> list[Check]:
    """What `max_group_gap` says: the share decided positive (binary), else the mean loss."""
    measure = "demographic_parity" if report.task == "classification" and len(report.classes) == 2 else "mean_loss"
    sensitive = settings.model.sensitive
    if not sensitive:
        why = "no column is named in [model] sensitive"
        return [Check("max_group_gap", None, limit, "inconclusive", why, refuses=False)]
    return [_gap(report, f"max_group_gap.{column}", column, measure, limit) for column in sensitive]


def _groups(report: Report, settings: Settings, measure: str, limit: float) -> list[Check]:
    known = measures_of(report.task, len(report.classes))
    if measure not in known:
        near = difflib.get_close_matches(measure, known, n=1)
        raise ConfigInvalid(
            f"{measure!r} is no measure of fairness of this {report.task}.",
            file="fairlead.toml", key=f"gate.groups.{measure}",
            cure=f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}.",
        )  # fmt: skip
    compared = list(dict.fromkeys([*settings.model.sensitive, *(d.column for d in report.fairness)]))
    return [_gap(report, f"groups.{measure}.{column}", column, measure, limit) for column in compared]


def _gap(report: Report, name: str, column: str, measure: str, limit: float) -> Check:
    found = next((d for d in report.fairness if d.column == column and d.measure == measure), None)
    if found is None:
        why = f"the judged rows have no column {column!r}"
        return Check(name, None, limit, "inconclusive", why, refuses=False)
    small = f" too small to compare: {_some(found.small)}" if found.small else ""
    if found.gap is None:
        return Check(
            name, None, limit, "inconclusive", f"fewer than two groups are large enough;{small}", refuses=False
        )
    outcome = at_most(found.gap, limit)
    if outcome == "pass" and found.small:
        outcome = "inconclusive"
    why = f"{_measured(found, measure)}: {_about_gap(found, outcome, limit)}" + (f";{small}" if small else "")
    return Check(name, found.gap.value, limit, outcome, why, refuses=False)


def _measured(found: Disparity, measure: str) -> str:
    assert found.gap is not None
    between = " and ".join(found.between)
    return f"{MEANING[measure]} differs by {spread(found.gap)} between {found.column} {between}"


def _about_gap(found: Disparity, outcome: Outcome, limit: float) -> str:
    if outcome == "fail":
        return f"surely more than {limit:g}"
    if found.gap is not None and found.gap.high <= limit:
        return f"surely at most {limit:g}"
    return f"too few rows to tell whether it exceeds {limit:g}"


def _slices(report: Report, limit: float) -> Check:
    name, slices = "max_slice_loss", report.slices
    known = [(s.rule, s.loss) for s in (slices.named if slices else ()) if s.rows]
    if slices is not None and slices.worst is not None:
        known.append((slices.worst_rule, slices.worst))
    if not known:
        why = "no sub-population was large enough, or none was looked at"
        return Check(name, None, limit, "inconclusive", why, refuses=False)
    rule, worst = max(known, key=lambda k: (k[1].low > limit, k[1].high, k[1].value))
    outcome = at_most(worst, limit)
    words = {"pass": "surely at most", "fail": "surely more than", "inconclusive": "too few rows to tell if more than"}
    looked = f" of {slices.tried:,} looked at" if slices is not None and slices.tried else ""
    why = f"the worst mean loss{looked} is {spread(worst)} where {rule}: {words[outcome]} {limit:g}"
    return Check(name, worst.value, limit, outcome, why, refuses=False)


def _lost(report: Report) -> str:
    """What `loss` is of, for reasons."""
    return "mean loss" if report.ranking is None else f"1 - ndcg_at_{report.ranking.k}"


def spread(found: Interval) -> str:
    """A value with its interval, for reasons."""
    return f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
