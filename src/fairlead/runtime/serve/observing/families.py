"""Every metric of /metrics: type, meaning, labels. The table in docs/how-to/observe.md is this one."""

from __future__ import annotations

from fairlead.runtime.serve.observing.layers import EVERY
from fairlead.runtime.serve.observing.page import Family
from fairlead.runtime.serve.observing.watchers import FAMILIES as OF_WATCHERS
from fairlead.runtime.serve.remote.standing import FAMILIES as OF_SOURCES

_MODEL = ("model_name", "model_version", "variant")
_SAMPLED = f"Measured in one tick of {EVERY} of each worker, so counts here are a sample."

FAMILIES: dict[str, Family] = {
    "fairlead_build_info": Family("gauge", "Always 1; says which version runs.", ("version", "python")),
    "fairlead_requests_total": Family(
        "counter",
        "Requests answered, by the HTTP code they were answered with; no model: an address that is no prediction.",
        (*_MODEL, "protocol", "code"),
    ),
    "fairlead_rows_total": Family("counter", "Rows answered.", _MODEL),
    "fairlead_rows_anomalous_total": Family(
        "counter", "Rows answered that are unlike those of training, as one of a thousand of them is.", _MODEL
    ),
    "fairlead_busiest_caller_rows": Family(
        "gauge", "Rows in the last five seconds of the known caller that sent most.", ("worker",)
    ),
    "fairlead_rows_outside_population_total": Family(
        "counter", "Rows answered that the model is not meant for, where its project lets them be.", _MODEL
    ),
    "fairlead_rows_breaking_contract_total": Family(
        "counter",
        "Rows that break a rule of the data contract; action says what becomes of them: count or refuse.",
        (*_MODEL, "rule", "action"),
    ),
    "http_server_request_duration_seconds": Family(
        "histogram",
        "Time from arrival to reply; OpenTelemetry's http.server.request.duration with four finer buckets.",
        ("http_request_method", "http_route", "http_response_status_code", "url_scheme"),
    ),
    "rpc_server_call_duration_seconds": Family(
        "histogram",
        "Time from arrival to reply of gRPC calls; OpenTelemetry's rpc.server.call.duration.",
        ("rpc_system_name", "rpc_method", "rpc_response_status_code"),
    ),
    "request_predict_seconds": Family("histogram", "Time from arrival to reply of answered predictions.", _MODEL),
    "model_infer_request_success_total": Family(
        "counter", "Predictions answered, by the name that MLServer gives it.", ("model", "version")
    ),
    "model_infer_request_failure_total": Family(
        "counter", "Predictions refused or failed, by the name that MLServer gives it.", ("model", "version")
    ),
    "model_infer_request_duration": Family(
        "summary", "Seconds from arrival to reply, by the name that MLServer gives it.", ("model", "version")
    ),
    "fairlead_request_bytes_total": Family(
        "counter", "Bytes of the bodies of answered predictions, as they came in.", ("model_name", "protocol")
    ),
    "fairlead_response_bytes_total": Family(
        "counter", "Bytes of the bodies that answered them.", ("model_name", "protocol")
    ),
    "fairlead_errors_total": Family(
        "counter", "Requests answered with an error, by its cause.", ("model_name", "cause", "code")
    ),
    "fairlead_requests_in_flight": Family("gauge", "Requests that a worker is answering right now.", ("worker",)),
    "fairlead_tick_requests": Family("histogram", f"Requests answered together in one tick. {_SAMPLED}"),
    "fairlead_layer_seconds": Family(
        "histogram",
        f"Time that a layer took for a whole tick; divide by fairlead_tick_requests for a request's share. {_SAMPLED}",
        ("layer",),
    ),
    "fairlead_capture_rows_total": Family(
        "counter", "Rows by what became of their capture, since the spool began.", ("outcome", "reason")
    ),
    "fairlead_spool_bytes": Family("gauge", "Bytes that wait in a worker's spool to be collected.", ("worker",)),
    "fairlead_spool_limit_bytes": Family("gauge", "Bytes beyond which a worker's spool takes nothing more."),
    "fairlead_events_total": Family(
        "counter", "CloudEvents by what became of them: sent, or dropped and why.", ("outcome", "reason")
    ),
    "fairlead_events_waiting": Family("gauge", "CloudEvents that wait to be sent.", ("worker",)),
    "fairlead_spans_total": Family(
        "counter", "Trace spans by what became of them: sent, or dropped and why.", ("outcome", "reason")
    ),
    "fairlead_routes_generation": Family("gauge", "Generation of routes that a worker answers with.", ("worker",)),
    "fairlead_routes_refused": Family(
        "gauge", "1 while a worker refuses the published routes and goes on with those before.", ("worker",)
    ),
    **OF_SOURCES,
    "fairlead_variant_weight": Family(
        "gauge", "Share of requests that a variant is assigned; 0 for a shadow.", (*_MODEL, "shadow")
    ),
    "fairlead_workers": Family("gauge", "Workers that live."),
    "fairlead_worker_starts_total": Family(
        "counter", "Times that a worker was started in a slot: the first, and its replacements.", ("worker",)
    ),
    "fairlead_series_refused_total": Family(
        "counter", "Times that a new series found no room among the counters and was not counted by itself."
    ),
    "process_cpu_seconds_total": Family("counter", "User and system CPU time of a worker.", ("worker",)),
    "process_resident_memory_bytes": Family("gauge", "Resident memory of a worker, shared included.", ("worker",)),
    "process_open_fds": Family("gauge", "Open file descriptors of a worker.", ("worker",)),
    "process_start_time_seconds": Family("gauge", "When a worker started, since the epoch.", ("worker",)),
    **OF_WATCHERS,
}

TRITON: dict[str, Family] = {
    "nv_inference_request_success": Family("counter", "Predictions answered.", ("model", "version")),
    "nv_inference_request_failure": Family("counter", "Predictions refused or failed.", ("model", "version")),
    "nv_inference_count": Family("counter", "Rows answered.", ("model", "version")),
    "nv_inference_request_duration_us": Family(
        "counter", "Cumulative time from arrival to reply, in microseconds.", ("model", "version")
    ),
}
"""On the page only when it is asked for as /metrics?names=triton: these names break the conventions that
`promtool check metrics` holds a page to."""
