"""The evidence in plain words, for people who decide and do not compute."""

from __future__ import annotations

from datetime import UTC, datetime

from fairlead.contract.evidence import Check, Interval, Verdict
from fairlead.contract.signature import UNSUPERVISED
from fairlead.lab.evaluate.evidence import Report
from fairlead.lab.evaluate.fairness import MEANING as MEASURES
from fairlead.lab.evaluate.words_forecasts import MEANING_FORECASTS, against_forecasts, quality_forecasts
from fairlead.lab.evaluate.words_ranking import MEANING_RANKING, against_ranking, quality_ranking
from fairlead.lab.evaluate.words_untaught import MEANING_UNTAUGHT, quality_untaught

MEANING = {
    "accuracy": "share of rows decided right",
    "precision": "of those flagged, share that were right",
    "recall": "of those there were, share that it found",
    "f1": "precision and recall in one number",
    "roc_auc": "chance that it ranks a true case above another",
    "pr_auc": "precision averaged over all recalls",
    "log_loss": "how surprised it was by what happened; lower is better",
    "brier": "squared distance of its probabilities from what happened; lower is better",
    "mse": "mean squared error; lower is better",
    "rmse": "typical error, large ones weighing more; lower is better",
    "mae": "mean size of the error; lower is better",
    "r2": "share of the variation that it explains",
    "balanced_accuracy": "share decided right, each class counting the same",
    "specificity": "of the others, share that it leaves alone",
    "mcc": "agreement of decision and truth: 1 perfect, 0 chance",
    "lift_at_10": "how many times as frequent the event is in the tenth with the highest scores",
    "gain_at_10": "share of all events found in that tenth",
    "top_2": "share of rows whose truth is among the 2 likeliest",
    "top_3": "share of rows whose truth is among the 3 likeliest",
    "top_5": "share of rows whose truth is among the 5 likeliest",
    "median_ae": "half of the answers are off by less; lower is better",
    "mape": "mean error as a share of the truth; lower is better",
    "bias": "mean of predicted less true; 0 is right",
    "pinball": "what answers of a quantile are off by, each side weighing by it; lower is better",
    "coverage": "share of truths at or below the answer; the quantile that was asked for is right",
    "coverage_error": "how far that share is from the quantile; lower is better",
}

MEANING |= MEANING_FORECASTS | MEANING_UNTAUGHT | MEANING_RANKING

HEADLINE = {
    "pass": "This model passed every check.",
    "fail": "This model failed: it should not be released as it is.",
    "inconclusive": "There is not enough evidence to release this model yet.",
}


ANSWERED_FOR = "Not every check passed; a person answers for what did not."
SHOWN_CHECKS = 3
CONSTANTS = ("most_frequent", "mean", "constant_quantile")


def headline(report: Report, verdict: Verdict) -> str:
    """The verdict in a sentence; waivers that count are heard, and the verdict stays what it was."""
    held, waived = {c.name for c in verdict.checks if c.holds_back}, _waived(report)
    return ANSWERED_FOR if held and held <= set(waived) else HEADLINE[verdict.outcome]


def _waived(report: Report) -> dict[str, str]:
    given = report.record.waivers if report.record else ()
    return {one.what: f"waived by {one.by} until {one.until}" for one in given if not one.lapsed}


def summary(report: Report, verdict: Verdict) -> list[str]:
    """Half a page that stands on its own, the most important first."""
    told = [*_held_back(report, verdict), _on_what(report), *_quality(report), _against(report)]
    if report.champion is not None:
        told.append(_champion(report.champion.difference))
    told += _word_kept(report)
    if report.importance and report.importance[0].rise.low > 0:
        first = [i.column for i in report.importance[:3] if i.rise.low > 0]
        told.append(f"It relies most on {_listed(first)}.")
    told += _about_groups(report)
    if report.slices is not None and report.slices.found:
        worst = report.slices.found[0]
        told.append(f"It is surely worse than elsewhere where {worst.rule} ({worst.rows:,} rows).")
    if report.scale is not None:
        told.append(_sentence(report.scale.says))
    if report.warm is not None:
        told.append(_sentence(report.warm.says))
    if report.learning is not None:
        told.append(_sentence(report.learning.why))
    undecided = [c for c in verdict.checks if c.verdict == "inconclusive" and not c.refuses]
    if undecided:
        of = "One check that looks" if len(undecided) == 1 else f"{len(undecided)} checks that look"
        told.append(f"{of} for harm found none, on too few rows to exclude it.")
    return told


def _held_back(report: Report, verdict: Verdict) -> list[str]:
    held, waived = [c for c in verdict.checks if c.holds_back], _waived(report)
    told = []
    for c in held[:SHOWN_CHECKS]:
        answered = f" ({waived[c.name]})" if c.name in waived else ""
        told.append(_sentence(f"the check {c.name} {_came_out(c)}: {c.why}{answered}"))
    if len(held) > SHOWN_CHECKS:
        told.append(f"{len(held) - SHOWN_CHECKS} more checks hold it back; all are listed below.")
    return told


def _word_kept(report: Report) -> list[str]:
    """Whether probabilities can be taken at their word."""
    found = report.reliability
    if found is None or found.error is None:
        return []
    if found.error.low > 0:
        off = f"{100 * found.error.value:.0f} points"
        return [f"Its probabilities cannot be taken at their word: on average they are off by about {off}."]
    return [f"Its probabilities can be taken at their word, to within {100 * found.error.high:.0f} points."]


def moment(seconds: float) -> str:
    """A point in event time for people, UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def number(value: float | str | None) -> str:
    """Four significant digits, without an exponent where people would not expect one."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if value != 0 and (abs(value) < 1e-4 or abs(value) >= 1e7):
        return f"{value:.2e}"
    if abs(value) >= 1000:
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
    return f"{value:.4g}"


def _on_what(report: Report) -> str:
    when = f" from {moment(report.start)} to {moment(report.end)} (UTC)" if report.start else ""
    if report.task in UNSUPERVISED:
        return f"Judged on {report.rows:,} rows{when}, which it had not learned from."
    return f"Judged on {report.rows:,} rows with known outcome{when}, which it had not learned from."


def _quality(report: Report) -> list[str]:
    found = report.metrics
    if report.task in UNSUPERVISED:
        return quality_untaught(report)
    if report.ranking is not None:
        return quality_ranking(report, report.ranking)
    if report.forecasts is not None:
        return quality_forecasts(report, number)
    if "coverage" in found:
        covered = found["coverage"]
        return [f"{_share(covered)} of what happened was at or below its answer; {report.quantile:.0%} was asked for."]
    if report.task != "classification":
        if "mae" not in found:
            return []
        explained = f" It explains {_share(found['r2'])} of the variation." if "r2" in found else ""
        mae = found["mae"]
        return [f"Its answers are off by {number(mae.value)} on average ({_between(mae)}).{explained}"]
    if len(report.classes) != 2:
        return [f"It decides {_share(found['accuracy'])} of the rows right."]
    told = []
    if "roc_auc" in found:
        told.append(
            f"Shown one {report.positive} and one that is not, "
            f"it ranks them right {_share(found['roc_auc'])} of the time."
        )
    told.append(
        f"Of those it flags as {report.positive}, {_share(found['precision'])} are; "
        f"of all there are, it finds {_share(found['recall'])}."
    )
    return told


def _against(report: Report) -> str:
    if report.ranking is not None:
        return against_ranking(report)
    if report.forecasts is not None:
        return against_forecasts(report)
    if not report.baselines:
        return "Nothing says whether it is better than no model at all."
    base = report.baselines[0]
    better = base.difference.high < 0
    what = "always answering the same" if base.name in CONSTANTS else base.name.replace("_", " ")
    share = 1 - report.loss.value / base.loss if base.loss > 0 else 0.0
    if better:
        text = f"Compared with {what}, it takes away {share:.0%} of the loss."
    else:
        text = f"It is not surely better than {what}."
    last = next((b for b in report.baselines if b.name == "last_value"), None)
    if last is not None and last.difference.value >= 0:
        text += " Repeating the last known value does as well or better, where that is known in time."
    return text


def _about_groups(report: Report) -> list[str]:
    """One sentence for each sensitive column: what is surely unequal, or that nothing surely is."""
    told = []
    for column in dict.fromkeys(d.column for d in report.fairness if " x " not in d.column):
        mine = [d for d in report.fairness if d.column == column]
        unequal = [d for d in mine if d.gap is not None and d.gap.low > 0]
        if all(d.gap is None for d in mine):
            told.append(f"Groups of {column} are too small to compare.")
        elif not unequal:
            told.append(f"Between groups of {column} no difference can be told from chance.")
        else:
            most = max(unequal, key=lambda d: d.gap.low if d.gap else 0.0)
            assert most.gap is not None
            told.append(
                f"Groups of {column} are not treated alike: the {MEASURES[most.measure]} differs by "
                f"{number(most.gap.value)} ({_between(most.gap)}) between {_listed(list(most.between))}."
            )
    return told


def _came_out(check: Check) -> str:
    return "failed" if check.verdict == "fail" else "is undecided"


def _champion(difference: Interval) -> str:
    if difference.high < 0:
        return "On the same rows it is better than the model now in use."
    if difference.low > 0:
        return "On the same rows it is worse than the model now in use."
    return "On the same rows no difference to the model now in use can be told from chance."


def _share(found: Interval) -> str:
    return f"{found.value:.0%} ({found.low:.0%} to {found.high:.0%})"


def _between(found: Interval) -> str:
    return f"between {number(found.low)} and {number(found.high)}, allowing for chance"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
