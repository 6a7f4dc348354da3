"""The page /metrics: both formats read by other people's parsers, and by promtool; names, bounds, exactness."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from asking import FIRST, ROW, SECOND, ask, deploy, plane
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open
from prometheus_client.parser import text_string_to_metric_families as read_text
from test_watchers import FULL, left

from fairlead.contract.routes import Limits, Variant
from fairlead.runtime.serve.observing.families import FAMILIES, TRITON
from fairlead.runtime.serve.observing.page import OPEN_METRICS, PROMETHEUS, Family, Page, wants_open_metrics


def promtool(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Prometheus's own tool, or a skip that names what is missing."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool (Debian package prometheus) is missing")
    return subprocess.run([found, *arguments], input=given, capture_output=True, text=True, timeout=300, check=False)


def traffic(app: Any) -> None:
    """Something of everything: answers, refusals, pages, feedback, unknown addresses."""
    ask(app, *[ROW] * 30, {**ROW, "tenure": "x"}, {}, b"{")
    ask(app, {"inputs": []}, path="/v2/models/churn/infer")
    ask(app, ROW, path="/predict/nobody")
    ask(app, {"key": "c1", "label": "Yes"}, path="/feedback")
    for path in ("/v2/models/churn", "/health/ready", "/nothing", "/metrics"):
        ask(app, b"", path=path, method="GET")
    ask(app, b"", path="/version", method="BREW")


def page(app: Any, query: str = "", **headers: str) -> str:
    from fairlead.contract.ports import Request

    said: list[Any] = []
    request = Request("GET", "/metrics", query, headers, b"", 0.0, lambda code, head, body: said.extend((code, body)))
    app.answer([request])
    assert said[0] == 200
    text: str = said[1].decode()
    return text


def test_promtool_finds_nothing_to_complain_of(home: Path) -> None:
    deploy(home, Variant("champion", FIRST, 1, 0.5), Variant("challenger", SECOND, 2, 0.5))
    with plane(home) as app:
        traffic(app)
        text = page(app)
    done = promtool("check", "metrics", given=text)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_both_formats_say_the_same_by_other_peoples_parsers(home: Path) -> None:
    left(home / "run", "churn", msgspec.json.encode(msgspec.structs.replace(FULL, model="churn")))
    with plane(home) as app:
        traffic(app)
        texts = page(app), page(app, accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    plain = {f.name: {(s.name, *sorted(s.labels.items())) for s in f.samples} for f in read_text(texts[0])}
    opened = {f.name: {(s.name, *sorted(s.labels.items())) for s in f.samples} for f in read_open(texts[1])}
    assert plain == opened
    assert texts[1].endswith("# EOF\n")
    names = {name if name in FAMILIES else f"{name}_total" for name in plain}
    assert names <= FAMILIES.keys()
    unseen = FAMILIES.keys() - names
    assert {name.split("_")[0] for name in unseen} <= {"fairlead", "rpc"}
    assert unseen == {
        "rpc_server_call_duration_seconds", "fairlead_events_total", "fairlead_events_waiting",
        "fairlead_spans_total", "fairlead_rows_outside_population_total", "fairlead_rows_breaking_contract_total",
        "fairlead_rows_anomalous_total", "fairlead_routes_source_reachable", "fairlead_routes_source_refused",
        "fairlead_routes_source_reached_timestamp_seconds", "fairlead_routes_source_epoch",
    }  # fmt: skip


def test_durations_carry_the_route_as_a_template_and_no_name_that_a_caller_made_up(home: Path) -> None:
    with plane(home) as app:
        traffic(app)
        for number in range(50):
            ask(app, b"", path=f"/made-up-{number}", method="GET")
            ask(app, b"", path=f"/v2/models/made-up-{number}", method="GET")
            ask(app, ROW, path=f"/predict/made-up-{number}")
            ask(app, b"", path="/version", method=f"MADEUP{number}")
        text = page(app)
    assert "made-up" not in text.lower().replace("madeup", "made-up")
    counts = {
        (s.labels["http_request_method"], s.labels["http_route"], s.labels["http_response_status_code"]): s.value
        for f in read_text(text)
        for s in f.samples
        if s.name == "http_server_request_duration_seconds_count"
    }
    assert counts["POST", "/predict/{model}", "200"] == 30
    assert counts["POST", "/predict/{model}", "400"] == 3
    assert counts["GET", "/v2/models/{model}", "200"] == 1
    assert counts["GET", "/v2/models/{model}", "404"] == 50
    assert counts["_OTHER", "/version", "405"] == 51
    assert len(text.splitlines()) < 700


def test_names_that_tritons_dashboards_know_come_when_asked_for(home: Path) -> None:
    with plane(home) as app:
        ask(app, *[ROW] * 3, {})
        plain, triton = page(app), page(app, query="names=triton")
    assert "nv_inference" not in plain
    assert all(f"\n{name}{{model=" in triton for name in TRITON)
    # This parser says `_total` where a counter's name lacks it.
    samples = {s.name.removesuffix("_total"): s for f in read_text(triton) for s in f.samples}
    assert samples["nv_inference_request_success"].labels == {"model": "churn", "version": "1"}
    assert samples["nv_inference_request_success"].value == 3


def test_layers_are_measured_in_one_tick_of_many(home: Path) -> None:
    with plane(home) as app:
        for _ in range(130):
            ask(app, ROW, ROW)
        text = page(app)
    counts = {
        s.labels.get("layer", "tick"): s.value
        for f in read_text(text)
        for s in f.samples
        if s.name in {"fairlead_layer_seconds_count", "fairlead_tick_requests_count"}
    }
    assert counts == dict.fromkeys(("tick", "wait", "parse", "predict", "render", "capture", "reply", "unlike"), 3.0)


def test_bodies_spool_and_processes_are_there(home: Path) -> None:
    deploy(home, limits=Limits(max_spool_bytes=123_456))
    with plane(home) as app:
        ask(app, ROW, ROW)
        samples = {s.name: s for f in read_text(page(app)) for s in f.samples}
    assert samples["fairlead_request_bytes_total"].value == 2 * len(json.dumps(ROW))
    assert samples["fairlead_response_bytes_total"].labels == {"model_name": "churn", "protocol": "native"}
    assert samples["fairlead_spool_limit_bytes"].value == 123_456
    assert samples["fairlead_spool_bytes"].value > 100
    assert samples["process_resident_memory_bytes"].value > 10_000_000
    assert samples["fairlead_variant_weight"].value == 1.0
    assert samples["fairlead_worker_starts_total"].value == 1


ACCEPTS = [
    ("", False),
    ("*/*", False),
    ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", False),
    (
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;q=0.5",
        True,
    ),
    ("application/openmetrics-text;q=0.2,text/plain;q=0.5", False),
    ("application/openmetrics-text;q=0", False),
    ("application/openmetrics-text;q=x", False),
]


@pytest.mark.parametrize(("accept", "open_metrics"), ACCEPTS)
def test_the_format_is_the_one_that_is_accepted(accept: str, open_metrics: bool) -> None:
    assert wants_open_metrics(accept) is open_metrics
    assert "openmetrics" in OPEN_METRICS
    assert "0.0.4" in PROMETHEUS


@given(st.text(max_size=200))
def test_any_accept_header_is_read(accept: str) -> None:
    assert wants_open_metrics(accept) in (True, False)


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from('\n\\"'), max_size=30), st.floats(0, 1e12)
)
def test_any_label_and_number_is_read_back(label: str, number: float) -> None:
    families = {"a_total": Family("counter", "Said \\ so\nand so.", ("who",))}
    for open_metrics, read in ((False, read_text), (True, read_open)):
        made = Page(families, open_metrics)
        made.add("a_total", (label,), number)
        (family,) = read(made.bytes().decode())
        assert family.samples[0].labels == {"who": label}
        assert family.samples[0].value == number


def test_a_model_named_as_a_part_of_its_address_is_no_part_of_the_template(home: Path) -> None:
    from fairlead.contract.routes import Route, Routes
    from fairlead.runtime.serve import publish

    names = ("v2", "infer", "models", "predict")
    publish(home / "routes.json", Routes(2, tuple(Route(name, (Variant("only", FIRST),)) for name in names)))
    with plane(home) as app:
        for name in names:
            assert ask(app, ROW, path=f"/predict/{name}")[0].code == 200
            assert ask(app, {}, path=f"/v2/models/{name}/infer")[0].code == 400
        routes = {s.labels["http_route"] for f in read_text(page(app)) for s in f.samples if "http_route" in s.labels}
    assert routes == {"/predict/{model}", "/v2/models/{model}/infer"}
