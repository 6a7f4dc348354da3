"""The alert rules: sound by promtool, silent when all is well, each firing on the one thing it is about."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_metrics_page import promtool

from fairlead.runtime.serve.observing.families import FAMILIES

RULES = files("fairlead.runtime.serve.observing").joinpath("files", "fairlead-alerts.yml")
AT = 'job="fairlead",instance="a:1"'
REQUESTS = f'fairlead_requests_total{{{AT},model_name="churn",model_version="1",variant="champion",protocol="v2"'
WELL = {
    f"up{{{AT}}}": "1+0x120",
    f'{REQUESTS},code="200"}}': "0+600x120",
    f'{REQUESTS},code="400"}}': "0+6x120",
    f'{REQUESTS},code="500"}}': "0+1x120",
    f'{REQUESTS},code="503"}}': "0+1x120",
    f'request_predict_seconds_bucket{{{AT},model_name="churn",le="0.01"}}': "0+600x120",
    f'request_predict_seconds_bucket{{{AT},model_name="churn",le="+Inf"}}': "0+600x120",
    f'fairlead_capture_rows_total{{{AT},outcome="captured",reason=""}}': "0+600x120",
    f'fairlead_capture_rows_total{{{AT},outcome="dropped",reason="spool_full"}}': "0+0x120",
    f'fairlead_spool_bytes{{{AT},worker="0"}}': "10+0x120",
    f"fairlead_spool_limit_bytes{{{AT}}}": "100+0x120",
    f'fairlead_worker_starts_total{{{AT},worker="0"}}': "1+0x60 2+0x60",
    f'fairlead_routes_refused{{{AT},worker="0"}}': "0+0x120",
    f'fairlead_routes_generation{{{AT},worker="0"}}': "3+0x120",
    f'fairlead_routes_generation{{{AT},worker="1"}}': "3+0x120",
    f"fairlead_routes_source_reachable{{{AT}}}": "1+0x120",
    f"fairlead_routes_source_refused{{{AT}}}": "0+0x120",
    f'fairlead_events_total{{{AT},outcome="sent",reason=""}}': "0+600x120",
    f'fairlead_events_total{{{AT},outcome="dropped",reason="queue_full"}}': "0+0x120",
    f'fairlead_spans_total{{{AT},outcome="dropped",reason="not_taken"}}': "0+0x120",
    f"fairlead_series_refused_total{{{AT}}}": "0+0x120",
    f'fairlead_watch_pass_timestamp_seconds{{{AT},model_name="churn"}}': "0+60x120",
    f'fairlead_incidents_open{{{AT},model_name="churn",severity="critical"}}': "0+0x120",
}
"""Two hours, a sample a minute."""

ILL: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "FairleadDown": (
        {f"up{{{AT}}}": "1+0x60 0+0x60"},
        {"instance": "a:1", "severity": "critical"},
        "a:1 does not answer its scrapes",
    ),
    "FairleadErrors": (
        {f'{REQUESTS},code="500"}}': "0+50x120"},
        {"model_name": "churn", "severity": "critical"},
        "7.61% of the requests to churn fail",
    ),
    "FairleadSheds": (
        {f'{REQUESTS},code="503"}}': "0+393x120"},
        {"severity": "warning"},
        "39.3% of all requests are turned away, as more come than can be answered",
    ),
    "FairleadRefuses": (
        {f'{REQUESTS},code="400"}}': "0+398x120"},
        {"model_name": "churn", "severity": "warning"},
        "39.8% of the requests to churn are refused",
    ),
    "FairleadSlow": (
        {
            f'request_predict_seconds_bucket{{{AT},model_name="churn",le="1.0"}}': "0+600x120",
            f'request_predict_seconds_bucket{{{AT},model_name="churn",le="0.01"}}': "0+0x120",
        },
        {"model_name": "churn", "severity": "warning"},
        "One request in a hundred to churn takes 990.1ms or more",
    ),
    "FairleadNoTraffic": (
        {f'{REQUESTS},code="{code}"}}': "0+600x60 36000+0x60" for code in ("200", "400", "500", "503")},
        {"model_name": "churn", "severity": "warning"},
        "Nobody asks churn any more, an hour after it was asked",
    ),
    "FairleadCaptureDrops": (
        {f'fairlead_capture_rows_total{{{AT},outcome="dropped",reason="spool_full"}}': "0+5x120"},
        {"instance": "a:1", "reason": "spool_full", "severity": "critical"},
        "a:1 answers rows without recording them (spool_full)",
    ),
    "FairleadSpoolNearlyFull": (
        {f'fairlead_spool_bytes{{{AT},worker="0"}}': "85+0x120"},
        {"instance": "a:1", "worker": "0", "severity": "warning"},
        "The spool of worker 0 of a:1 is 85% full",
    ),
    "FairleadWorkersDie": (
        {f'fairlead_worker_starts_total{{{AT},worker="0"}}': "1+1x120"},
        {"instance": "a:1", "severity": "critical"},
        "Workers of a:1 died and were replaced 15 times in a quarter of an hour",
    ),
    "FairleadWatcherStopped": (
        {f'fairlead_watch_pass_timestamp_seconds{{{AT},model_name="churn"}}': "0+60x60 3600+0x60"},
        {"model_name": "churn", "severity": "critical"},
        "Nobody has looked at churn for 1h 0m 0s",
    ),
    "FairleadIncident": (
        {f'fairlead_incidents_open{{{AT},model_name="churn",severity="critical"}}': "2+0x120"},
        {"model_name": "churn", "severity": "critical"},
        "churn has 2 critical incidents",
    ),
    "FairleadRoutesRefused": (
        {f'fairlead_routes_refused{{{AT},worker="0"}}': "1+0x120"},
        {"instance": "a:1", "severity": "critical"},
        "a:1 refuses the published routes and goes on with those before",
    ),
    "FairleadGenerationsDiffer": (
        {f'fairlead_routes_generation{{{AT},worker="1"}}': "4+0x120"},
        {"instance": "a:1", "severity": "warning"},
        "Workers of a:1 answer with different generations of routes since ten minutes",
    ),
    "FairleadRoutesSourceLost": (
        {f"fairlead_routes_source_reachable{{{AT}}}": "0+0x120"},
        {"instance": "a:1", "severity": "warning"},
        "a:1 cannot reach its control plane and obeys the last good routes",
    ),
    "FairleadRoutesSourceRefused": (
        {f"fairlead_routes_source_refused{{{AT}}}": "1+0x120"},
        {"instance": "a:1", "severity": "critical"},
        "a:1 refuses what its control plane sends and obeys the last good routes",
    ),
    "FairleadEventsDropped": (
        {f'fairlead_events_total{{{AT},outcome="dropped",reason="queue_full"}}': "0+5x120"},
        {"instance": "a:1", "reason": "queue_full", "severity": "warning"},
        "a:1 drops events for the sink (queue_full)",
    ),
    "FairleadSpansDropped": (
        {f'fairlead_spans_total{{{AT},outcome="dropped",reason="not_taken"}}': "0+5x120"},
        {"instance": "a:1", "reason": "not_taken", "severity": "info"},
        "a:1 drops traces (not_taken)",
    ),
    "FairleadSeriesRefused": (
        {f"fairlead_series_refused_total{{{AT}}}": "0+1x120"},
        {"instance": "a:1", "severity": "info"},
        "The counters of a:1 are full: new series are not shown",
    ),
}
"""What is otherwise than when all is well, the labels of the alert, its summary."""


def rules() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    return found


def examined(folder: Path, series: dict[str, str], expected: dict[str, tuple[dict[str, str], str]]) -> None:
    """`promtool test rules`: the alerts that fire after two hours are `expected`, alert by alert."""
    kept = [{**rule, "annotations": {"summary": rule["annotations"]["summary"]}} for rule in rules()]
    (folder / "rules.yml").write_text(json.dumps({"groups": [{"name": "fairlead", "rules": kept}]}))
    checks = [
        {
            "eval_time": "2h",
            "alertname": rule["alert"],
            "exp_alerts": [
                {"exp_labels": {"job": "fairlead", **labels}, "exp_annotations": {"summary": summary}}
                for name, (labels, summary) in expected.items()
                if name == rule["alert"]
            ],
        }
        for rule in kept
    ]
    given = [{"series": name, "values": values} for name, values in series.items()]
    test = {"interval": "1m", "input_series": given, "alert_rule_test": checks}
    whole = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.yml").write_text(json.dumps(whole))
    done = promtool("test", "rules", str(folder / "test.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_rules() -> None:
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0, done.stderr
    assert f"{len(ILL)} rules found" in done.stdout


def test_all_is_silent_when_all_is_well(tmp_path: Path) -> None:
    examined(tmp_path, WELL, {})


@pytest.mark.parametrize("alert", ILL)
def test_each_alert_fires_on_what_it_is_about_and_alone(tmp_path: Path, alert: str) -> None:
    changed, labels, summary = ILL[alert]
    examined(tmp_path, WELL | changed, {alert: (labels, summary)})


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert len(rule["annotations"]["summary"]) > 20
        assert len(rule["annotations"]["runbook"]) > 60
    assert {rule["alert"] for rule in rules()} == ILL.keys()


def test_every_name_in_a_rule_is_on_the_page() -> None:
    for rule in rules():
        for name in re.findall(r"\b(?:fairlead|request|http|process|model|rpc)_\w+", rule["expr"]):
            if name in {"model_name"}:
                continue
            assert re.sub(r"_(bucket|sum|count)$", "", name) in FAMILIES, name
