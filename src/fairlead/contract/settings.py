"""fairlead.toml as frozen structs: the one description of every setting, its type, default and meaning.

`ops/project` reads files and the environment into these; the configuration
reference in `docs/reference` is generated from the `DOC` tables here.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fairlead.contract.engines import DOC as ENGINE
from fairlead.contract.engines import EngineSettings
from fairlead.contract.preparing import DOC as PREPARING
from fairlead.contract.preparing import PreparationSettings
from fairlead.contract.signature import Task
from fairlead.contract.stores import DOC as STORES
from fairlead.contract.stores import StoresSettings

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
OpenShare = Annotated[float, Meta(gt=0.0, lt=1.0)]
Positive = Annotated[float, Meta(gt=0.0)]
Count = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=0, le=65535)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Every table of fairlead.toml: frozen, unknown keys refused."""


class ModelSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    task: Task
    target: str = ""
    positive: str | None = None
    definition: str = "v1"
    id: str | None = None
    time: str | tuple[str, ...] | None = None
    timezone: str = "UTC"
    sensitive: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    categories: tuple[str, ...] | None = None
    trust: Literal["", "native"] = ""
    group: str | None = None
    item: str | None = None
    series: str | None = None
    horizon: Annotated[int, Meta(ge=0, le=1000)] = 0
    lags: Annotated[int, Meta(ge=0, le=10_000)] = 0
    every: str = ""
    covariates: Annotated[tuple[str, ...], Meta(max_length=100)] = ()

    @property
    def time_columns(self) -> tuple[str, ...]:
        """The time columns as a tuple, empty without time."""
        return () if self.time is None else (self.time,) if isinstance(self.time, str) else self.time


class DataSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    train: str = ""
    query: str = ""
    bad_lines: Literal["stop", "set_aside"] = "stop"
    prepare: str | None = None
    exclude_rows: str = ""
    holdout: OpenShare = 0.2
    separator: str | None = None
    encoding: str = "utf-8"
    decimal: Annotated[str, Meta(min_length=1, max_length=1)] = "."


class AugmentSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    by: Literal["smote", "borderline", "adasyn", "mixup", "noise", "images", "texts"]
    ratio: Annotated[float, Meta(gt=0.0, le=1.0)] = 1.0
    neighbours: Annotated[int, Meta(ge=1, le=100)] = 5
    copies: Annotated[int, Meta(ge=1, le=20)] = 1
    alpha: Positive = 0.2
    scale: Positive = 0.05
    shift: Annotated[float, Meta(ge=0.0, le=0.5)] = 0.1
    rotate: Annotated[float, Meta(ge=0.0, le=180.0)] = 10.0
    flip: tuple[Literal["horizontal", "vertical"], ...] = ()
    noise: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0
    cutout: Annotated[float, Meta(ge=0.0, le=0.9)] = 0.0
    mixup: Annotated[float, Meta(ge=0.0, le=10.0)] = 0.0
    drop: Annotated[float, Meta(ge=0.0, le=0.9)] = 0.1
    swap: Annotated[float, Meta(ge=0.0, le=0.5)] = 0.05
    replace: Annotated[float, Meta(ge=0.0, le=0.9)] = 0.1
    synonyms: str = ""


class MitigateSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    by: Literal["reweighing", "exponentiated_gradient", "threshold_optimiser"]
    column: str | None = None
    constraint: Literal["demographic_parity", "equal_opportunity", "equalised_odds"] = "demographic_parity"
    bound: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.02
    objective: Literal["accuracy", "balanced_accuracy"] = "accuracy"
    rounds: Annotated[int, Meta(ge=2, le=200)] = 20


class TransferSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    begin: str = msgspec.field(name="from", default="champion")
    freeze: Literal["nothing", "all_but_head"] | Annotated[int, Meta(ge=0, le=100)] = "nothing"
    new_head: bool = False
    layer: str = ""
    pixels: Literal["as_they_are", "0_to_1"] = "as_they_are"


class TrainSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    learners: tuple[str, ...] = ()
    folds: Annotated[int, Meta(ge=2, le=50)] = 5
    trials: Count = 30
    seconds: Positive = 120.0
    seed: int = 0
    prune: Literal["median", "halving", False] = False
    parallel: Annotated[int, Meta(ge=1, le=64)] = 1
    engine: Literal["local", "spark"] = "local"
    repeats: Annotated[int, Meta(ge=1, le=50)] = 1
    nested: bool = False
    choose: Literal["best", "simplest"] = "best"
    calibrate: Literal["auto", "isotonic", "sigmoid", "temperature", False] = "auto"
    costs: dict[str, float | str] = msgspec.field(default_factory=dict)
    threshold: OpenShare | Literal["f1"] | dict[str, OpenShare] | None = None
    abstain: dict[str, Share] = msgspec.field(default_factory=dict)
    entrypoint: str | None = None
    weight: str | None = None
    class_weight: Literal["balanced"] | dict[str, Positive] | None = None
    monotone: dict[str, Literal[-1, 1]] = msgspec.field(default_factory=dict)
    patience: Annotated[int, Meta(ge=0)] = 0
    mitigate: str | MitigateSettings | None = None
    augment: AugmentSettings | None = None
    transfer: TransferSettings | None = None
    contamination: Annotated[float, Meta(gt=0.0, le=0.5)] = 0.01
    out_of_core: Literal["auto"] | bool = "auto"
    memory_mb: Annotated[int, Meta(ge=0)] = 0
    warm_start: Literal["champion", False] = False
    quantile: OpenShare | None = None


class GateSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    min: dict[str, float] | Literal[False] = msgspec.field(default_factory=dict)
    beats: tuple[str, ...] | Literal[False] = ("baseline",)
    no_worse_than: Literal["champion", False] = "champion"
    margin: Share = 0.01
    max_group_gap: Share | Literal[False] = False
    groups: dict[str, Annotated[float, Meta(ge=0.0)]] | Literal[False] = msgspec.field(default_factory=dict)
    max_slice_loss: Share | Literal[False] = False
    max_calibration_error: Share | Literal[False] = False
    robustness: dict[str, Annotated[float, Meta(ge=0.0)]] = msgspec.field(default_factory=dict)
    min_rows: Count = 30
    approvals: Annotated[int, Meta(ge=0, le=20)] | tuple[str, ...] = 0
    behaviour: bool = True
    parity: bool = True
    card: bool = False


class EvaluateSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    slices: Annotated[tuple[str, ...], Meta(max_length=50)] = ()
    find_slices: bool = True
    slice_rows: Annotated[int, Meta(ge=10)] = 30
    learning_s: Annotated[float, Meta(ge=0.0)] = 0.0
    robustness: bool = True
    attacks: Annotated[tuple[str, ...], Meta(max_length=10)] = ("greedy",)
    immutable: tuple[str, ...] = ()
    explanations: Literal["overall"] | bool = True


class CardSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    intended_use: str = ""
    limits: tuple[str, ...] = ()
    misuse: tuple[str, ...] = ()
    contact: str = ""
    populations: Annotated[tuple[str, ...], Meta(max_length=20)] = ()
    outside: Literal["refuse", "count"] = "refuse"


class ServeSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    host: str = "127.0.0.1"
    port: Port = 8080
    workers: Annotated[int, Meta(ge=1, le=256)] = 1
    max_body_mb: Positive = 16.0
    max_queue: Count = 512
    timeout_s: Positive = 10.0
    transport: str = "bare"
    grpc_port: Port | None = None
    platform: Literal["", "sagemaker", "vertex", "azureml", "kserve"] = ""
    batch_kb: Annotated[int, Meta(ge=0)] = 256
    anomalies: bool = True
    explain_rows: Annotated[int, Meta(ge=0, le=10_000)] = 100
    models_mb: Annotated[int, Meta(ge=0)] = 0
    max_connections: Count = 10_000
    max_header_kb: Count = 32
    header_s: Positive = 10.0
    keep_alive_s: Positive = 75.0
    tls_certificate: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    insecure: bool = False
    purposes: tuple[str, ...] = ()
    routes: str = ""
    routes_keys: tuple[str, ...] = ()
    routes_every_s: Annotated[float, Meta(ge=0.1, le=300.0)] = 2.0
    hand_out: str = ""
    instance: str = ""
    native_python: str = ""
    native_memory_mb: Annotated[int, Meta(ge=0)] = 0
    native_start_s: Positive = 120.0


class ExplainSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    immutable: tuple[str, ...] = ()
    increase: tuple[str, ...] = ()
    decrease: tuple[str, ...] = ()
    most_changes: Annotated[int, Meta(ge=1, le=10)] = 3


class AccessSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    required: bool | None = None
    issuer: str = ""
    audience: str = ""
    jwks: str = ""
    claim: str = "scope"


class TelemetrySettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    log: Literal["text", "json"] = "text"
    otlp: str = ""
    sample: Share = 0.01
    events: str = ""
    events_form: Literal["kserve", "seldon"] = "kserve"
    events_mode: Literal["all", "request", "response"] = "all"


class CaptureSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    sample: Share = 1.0
    redact: tuple[str, ...] = ()
    tensors: bool = True
    keep_days: Count = 90
    max_spool_mb: Positive = 1024.0
    fsync: Literal["never", "interval"] = "interval"
    fsync_s: Positive = 1.0
    encrypt: str = ""


class FloorSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    drift: Share = 0.1
    share: Share = 0.02
    spread: Annotated[float, Meta(ge=0.0)] = 0.1


class MonitorSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    window: str = ""
    lateness: str = "0s"
    false_alarms_per_month: Positive = 1.0
    label_delay: str = "7d"
    contract: str = ""
    limits: dict[
        Literal["p99_ms", "errors", "queue", "held", "memory_mb", "memory_free_mb", "disk_free_mb", "spool", "sync_ms",
                "dropped"],
        Annotated[float, Meta(ge=0.0)],
    ] = {}  # fmt: skip
    seasons: Literal["auto", "none", "day", "week"] = "auto"
    slices: tuple[str, ...] = ()
    floors: FloorSettings = FloorSettings()
    detectors: Annotated[tuple[str, ...], Meta(min_length=1, max_length=10)] = ("confidence_sequence",)


class RolloutSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    start: OpenShare = 0.05
    max_loss: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.01
    max_days: Positive = 28.0
    sticky_by: str | None = None
    steps: tuple[OpenShare, ...] = (0.05, 0.2, 0.5)
    min_days: Annotated[float, Meta(ge=0.0)] = 0.0
    objective: Literal["loss", "value"] = "loss"
    better: Literal["higher", "lower"] = "higher"
    value_range: tuple[float, float] | None = None
    guardrails: dict[Literal["errors", "latency", "decision_rate"], Positive] = msgspec.field(
        default_factory=lambda: {"errors": 0.01, "latency": 1.5}
    )
    design: Literal["anytime", "fixed"] = "anytime"
    looks: Annotated[int, Meta(ge=1, le=20)] = 5
    explore: OpenShare = 0.1
    freeze: tuple[str, ...] = ()


class RetrainSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    when: tuple[str, ...] = ("performance", "max_age:90d")
    approve: Literal["auto", "manual"] = "auto"
    window: str = "auto"
    cool_down: str = "2windows"
    max_per_month: Annotated[int, Meta(ge=0)] = 0
    cpu_hours_per_month: Annotated[float, Meta(ge=0.0)] = 0.0
    price: Annotated[float, Meta(ge=0.0)] = 0.0
    worth: Annotated[float, Meta(ge=0.0)] = 0.0
    guard: bool = True
    online: str = ""
    seal: tuple[str, ...] = ("labels:1000",)


class EscalateSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    after: str = "4h"
    to: tuple[str, ...] = ()


class AlertSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    to: tuple[str, ...] = ()
    remind: str = "7d"
    quiet: str = ""
    escalate: EscalateSettings = EscalateSettings()


class RegistrySettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    mlflow: str = ""


class StateSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    url: str = ""
    password: str = ""
    lease_s: Annotated[float, Meta(ge=2.0, le=60.0)] = 6.0


class ReleaseSettings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    clean: bool = True
    signed: bool = False
    signers: str = ""


class Settings(Section, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole project file. Missing tables take their defaults; `model` is required."""

    model: ModelSettings
    data: DataSettings = DataSettings()
    preparation: PreparationSettings = PreparationSettings()
    train: TrainSettings = TrainSettings()
    gate: GateSettings = GateSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    card: CardSettings = CardSettings()
    explain: ExplainSettings = ExplainSettings()
    serve: ServeSettings = ServeSettings()
    access: AccessSettings = AccessSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    capture: CaptureSettings = CaptureSettings()
    monitor: MonitorSettings = MonitorSettings()
    rollout: RolloutSettings = RolloutSettings()
    retrain: RetrainSettings = RetrainSettings()
    alerts: AlertSettings = AlertSettings()
    registry: RegistrySettings = RegistrySettings()
    release: ReleaseSettings = ReleaseSettings()
    state: StateSettings = StateSettings()
    stores: StoresSettings = StoresSettings()
    engine: EngineSettings = EngineSettings()

    @property
    def sticky(self) -> str | None:
        """The column that assigns rows to variants; a group of a ranking is put in order by one of them."""
        return self.rollout.sticky_by or self.model.group or self.model.id


DOC: dict[str, str] = {
    "model.name": "name of the model, of its route and of its registered versions",
    "model.task": "what is predicted: classification | regression | clustering | anomaly | forecasting",
    "model.target": "the column to predict; clustering and anomaly need none, and one they have only judges them",
    "model.positive": "binary classification: the class that counts as an event; anomaly: the target's value of one",
    "model.definition": "version of the target's definition; change it when its meaning changes",
    "model.id": "row key: labels may come by it; passed through, never a feature",
    "model.time": "event time: one column, or a date and an hour column, whose parts stay features",
    "model.timezone": "zone of times that carry none",
    "model.sensitive": "columns for fairness checks; features only if listed in features",
    "model.features": "the features; empty: every column that is not target, id, time or excluded",
    "model.exclude": "columns that are never features",
    "model.categories": "integer columns to treat as categories; not given: those with few consecutive codes; []: none",
    "model.trust": "native: models that cannot be compiled may run their own code, in a process of their own",
    "model.group": "ranking: rows of one value of it are put in order together; passed through, never a feature",
    "model.item": "ranking: what a row stands for, to know what is popular; passed through, a feature only if listed",
    "model.series": "forecasting: the column that says which series a value belongs to; none: all are of one",
    "model.horizon": "forecasting: how many values ahead are answered, one every model.every",
    "model.lags": "forecasting: how many of the newest values an answer goes by; 0: two seasons, a week of hours",
    "model.every": "forecasting: time from one value to the next, as 15m, 1h, 1d, 7d or month; empty: as in the table",
    "model.covariates": "forecasting: columns of numbers, known up to now, whose past an answer goes by, too",
    "data.train": "the training table: a path (CSV, JSON lines, Parquet, Feather), an address as s3://…, or the "
    "URL of a database, whose secrets are written ${NAME} and taken from the environment",
    "data.query": "what is asked of the database that data.train names, as select … from … order by …",
    "data.bad_lines": "stop: a line that cannot be read ends it; set_aside: such lines are kept in a file and counted",
    "data.prepare": "your own function run before everything, as file.py:function",
    "data.exclude_rows": "table of rows not to learn from, by number or key, as `fairlead quality --out` writes it",
    "data.holdout": "share of rows kept for judging: the newest if there is a time, else stratified",
    "data.separator": "CSV separator; found by itself when not given",
    "data.encoding": "CSV encoding",
    "data.decimal": "CSV decimal mark",
    **PREPARING,
    "train.learners": "learners to try; empty: logistic or ridge, histogram gradient boosting, random forest",
    "train.folds": "folds of cross-validation, by time where there is time",
    "train.trials": "trials of the search; with a seed the search is deterministic",
    "train.seconds": "seconds after which the search is cut short, and the report says so",
    "train.seed": "seed of every random choice",
    "train.prune": "median or halving: a trial that is worse than others after some folds is ended there; false: never",
    "train.parallel": "processes that try settings side by side; the outcome is that of one",
    "train.engine": "who fits the trials: local, or spark ([engine] says where); the outcome is that of one process",
    "train.repeats": "times that cross-validation is repeated with folds dealt anew; without time alone",
    "train.nested": "true: also judges the whole search on rows it never saw, which costs as many searches as folds",
    "train.choose": "best, or simplest: the simplest learner within one standard error of the best",
    "train.calibrate": "probabilities made to mean what they say: auto (where it surely helps), a way, or false",
    "train.costs": "of false_positive, false_negative, true_positive, true_negative, as numbers or columns",
    "train.threshold": "by hand as 0.3, f1, or the most recall as {precision = 0.8}, or the reverse as {recall = 0.9}",
    "train.abstain": "answers left to people: {accuracy = 0.95} of the others, {coverage = 0.9}, {confidence = 0.8}",
    "train.entrypoint": "your own training: file.py:function with fit(table, settings) -> fitted estimator",
    "train.weight": "a column with the weight of each row in every fit, 0 or more; never a feature",
    "train.class_weight": "balanced: all classes weigh the same together; or weights as {fraud = 20}",
    "train.monotone": "columns with which the answer only rises (1) or falls (-1), as {income = 1, debt = -1}",
    "train.patience": "rounds without gain on rows held back after which boosting stops; 0: it does all its rounds",
    "train.augment": 'rows made in every fit: {by = "smote", ratio = 0.5}; also borderline, adasyn, mixup, noise; '
    '{by = "images", shift = 0.1, rotate = 10, flip = ["horizontal"]}; {by = "texts", drop = 0.1, swap = 0.05}',
    "train.out_of_core": "tables larger than memory: auto (learned in passes where they are), true (always), false",
    "train.memory_mb": "memory for the rows of a training, beside the libraries; 0: half of what is available",
    "train.warm_start": "champion: also go on from the champion's model, and keep what has the lower out-of-fold loss",
    "train.transfer": 'a network to begin with: {from = "champion", freeze = "all_but_head"}, a version, or a file for '
    'image_head {from = "trunk.onnx", layer = "name of a tensor"}; new_head = true where classes differ',
    "train.contamination": "anomaly: the share of rows taken for anomalies where no labels say which they are",
    "train.quantile": "regression: the quantile of the target to answer, as 0.9, instead of its mean",
    "train.mitigate": "reweighing, exponentiated_gradient or threshold_optimiser, so that groups are treated more "
    'alike; or with its settings, as {by = "threshold_optimiser", constraint = "equal_opportunity", bound = 0.05}',
    "gate.min": "value that metrics must surely reach (losses: keep below), as {roc_auc = 0.75}; false: not checked",
    "gate.beats": "what must be beaten: baseline; false switches the check off",
    "gate.no_worse_than": "champion: a challenger must not be worse on the same rows; false switches the check off",
    "gate.margin": "loss (0 to 1) by which a challenger may be worse before the gate closes",
    "gate.max_group_gap": "largest gap of the positive rate between groups of sensitive columns; false: not checked",
    "gate.groups": "largest gaps between groups, by measure of fairness: {equal_opportunity = 0.1}; false: not checked",
    "gate.max_slice_loss": "largest mean loss (0 to 1) of any sub-population; false: not checked",
    "gate.max_calibration_error": "largest distance of probabilities from what happened; false: not checked",
    "gate.min_rows": "rows with a truth below which nothing is decided",
    "gate.approvals": "people who must approve before a deployment: their names, or how many",
    "gate.robustness": "largest harm, as {noise = 0.02, missing = 0.1, evasion = 0.5, membership = 0.6}",
    "gate.behaviour": "the expectations in tests/behaviour.toml and .py must hold; false: not checked",
    "gate.card": "true: nothing passes whose card does not say what it is for, its misuse and its limits",
    "gate.parity": "the compiled model must decide as the trained one; false switches the check off",
    "evaluate.slices": "sub-populations to report, as \"Contract = 'Two year' and tenure < 12\"",
    "evaluate.find_slices": "look for sub-populations on which the model is surely worse",
    "evaluate.slice_rows": "rows below which a sub-population is too small to be searched",
    "evaluate.learning_s": "seconds that training spends on the learning curve (would more rows help?); 0: none",
    "evaluate.robustness": "try noise, missing and unseen cells, other units and attacks; false: not tried",
    "evaluate.attacks": "greedy (columns one by one), fgsm (where there are gradients), hop_skip_jump (extra robust)",
    "evaluate.immutable": "columns that an attacker cannot change",
    "evaluate.explanations": "how it comes to its answers, in the report; overall: without single rows; false: no",
    "card.intended_use": "what the model is for; stated in its card and report",
    "card.limits": "what it cannot do, or was not tested for",
    "card.misuse": "what it must not be used for",
    "card.contact": "who answers questions about it",
    "card.populations": "the rows it is meant for, as \"tenure >= 1 and Contract != 'Trial'\"; all must hold",
    "card.outside": "of other rows: refuse (no answer, 422), or count (answered, and counted in /metrics)",
    "explain.immutable": "columns that no counterfactual changes, besides the sensitive ones",
    "explain.increase": "columns that a counterfactual may only raise",
    "explain.decrease": "columns that a counterfactual may only lower",
    "explain.most_changes": "columns that one counterfactual changes at most",
    "serve.host": "address to listen on",
    "serve.port": "port to listen on; 0 takes a free one",
    "serve.workers": "worker processes",
    "serve.max_body_mb": "largest request body",
    "serve.max_queue": "requests that may wait before others are turned away with 503",
    "serve.timeout_s": "seconds until a request is given up with 504",
    "serve.transport": "how connections are served: bare (fastest) or granian (HTTP/2, too)",
    "serve.grpc_port": "port of gRPC; not given: no gRPC; 0 takes a free one (needs the extra grpc)",
    "serve.platform": "sagemaker, vertex, azureml or kserve: their addresses and environment variables",
    "serve.anomalies": "whether rows unlike those of training are counted as they are answered",
    "serve.batch_kb": "larger bodies are answered by a process of their own; 0: there is none",
    "serve.explain_rows": "rows of a request for explanations, made by a process of their own; 0: there is none",
    "serve.models_mb": "memory for models before the least used are let go; 0: without limit",
    "serve.max_connections": "open connections a worker keeps before further ones are closed",
    "serve.max_header_kb": "largest head of a request",
    "serve.header_s": "seconds for the head of a request to arrive",
    "serve.keep_alive_s": "seconds an idle connection is kept",
    "serve.tls_certificate": "PEM file of the certificate chain; switches TLS on; a renewed file is taken up",
    "serve.tls_key": "PEM file of the certificate's key",
    "serve.tls_client_ca": "PEM file of the authorities whose client certificates are demanded (mTLS)",
    "serve.insecure": "allow plain HTTP on an address that is not loopback; whether keys are needed is access.required",
    "serve.purposes": "intended uses of the model, which purpose-bound keys must name",
    "serve.native_python": "interpreter that native models run in; empty: this one",
    "serve.native_memory_mb": "address space of a native model's process; 0: without limit",
    "serve.native_start_s": "seconds for a native model's process to load the model",
    "serve.routes": "address that routes are asked from, for servers without a control plane; empty: the home's own",
    "serve.routes_keys": "public keys, hexadecimal, whose signature routes from an address must carry",
    "serve.routes_every_s": "seconds between two questions for routes from an address",
    "serve.hand_out": "HOST:PORT at which `up` and `routes` hand routes to servers elsewhere; empty: `up` hands out none",
    "serve.instance": "name of this server in records and leases; empty: the machine's",
    "access.required": "whether callers need a key or token; not given: on any address but loopback",
    "access.issuer": "OIDC issuer whose JWTs are accepted",
    "access.audience": "audience that a JWT must name",
    "access.jwks": "URL or file of the issuer's keys",
    "access.claim": 'claim that holds scopes, as "predict:churn admin:*"',
    "telemetry.log": "text or json lines on stderr",
    "telemetry.otlp": "OTLP/HTTP endpoint for traces and metrics (needs the extra telemetry)",
    "telemetry.sample": "share of requests traced when the caller did not decide",
    "telemetry.events": "HTTP sink for requests and answers as CloudEvents",
    "telemetry.events_form": "kserve or seldon: whose names the events carry",
    "telemetry.events_mode": "all, request or response",
    "capture.sample": "share of requests captured",
    "capture.redact": "columns stored as a keyed hash",
    "capture.tensors": "false: a tensor is stored as its keyed hash, so that no picture is ever on the disk",
    "capture.keep_days": "days that records and labels are kept",
    "capture.max_spool_mb": "bound of the spool; beyond it serving goes on and drops are counted",
    "capture.fsync": "interval: to the disk every fsync_s seconds, against loss of power; never: left to the system",
    "capture.fsync_s": "seconds between two writes to the disk",
    "capture.encrypt": "key for records at rest: file:PATH, env:NAME or command:LINE; empty: as before; off: no longer",
    "monitor.window": "length of a window as 7d, 24h or 500rows; empty: 7d with a time column, else 500rows",
    "monitor.lateness": "how late records may come and still belong to an open window",
    "monitor.false_alarms_per_month": "budget of false alarms for all checks together",
    "monitor.label_delay": "how long after the record labels are complete enough to judge",
    "monitor.detectors": "of concept drift: confidence_sequence (within the budget), and to inform beside it adwin, "
    "page_hinkley, ddm, eddm, hddm_a, hddm_w (extra drift)",
    "monitor.slices": "rows watched by themselves: [\"Contract = 'Two year' and tenure < 12\"]",
    "monitor.seasons": "compare within: auto (what the reference shows) | none | day (hour) | week (weekday, hour)",
    "monitor.floors": "what is worth an alarm, however certain: {drift = 0.1 (distance, some 10 % of rows), share = "
    "0.02 (rise of missing or new cells), spread = 0.1 (standard deviations of a mean)}",
    "monitor.contract": "file of the data contract, relative to the project, as contract.yaml; empty: none",
    "monitor.limits": "of the server in any minute, such as {p99_ms = 50, errors = 0.01}; 0 switches one off",
    "rollout.start": "share of traffic a canary starts with",
    "rollout.max_loss": "the largest harm (mean loss, 0 to 1) worth tolerating",
    "rollout.max_days": "days after which an undecided rollout ends",
    "rollout.steps": "shares that a canary grows through, each once harm above max_loss over all requests is excluded",
    "rollout.min_days": "days that a rollout lasts at least before it is promoted; 7: a whole week of traffic",
    "rollout.objective": "what is compared: loss (on labels), or value (the business number that feedback brings)",
    "rollout.better": "of values: higher or lower; max_loss is then a share of the champion's mean value",
    "rollout.value_range": "least and largest value, as [0, 100]: with it the test is exact, without it from 200 on",
    "rollout.guardrails": "what ends a rollout at once, each against the champion: {errors = 0.01 (share of requests "
    "more), latency = 1.5 (times its p99), decision_rate = 0.1 (share decided otherwise)}",
    "rollout.design": "anytime: looked at as often as one likes; fixed: at a few looks, up to a planned number of rows",
    "rollout.looks": "of design fixed: how often it is looked at, by O'Brien and Fleming's boundaries",
    "rollout.explore": "of a bandit: the share that is spread over all variants alike, whatever is best so far",
    "rollout.sticky_by": "column that assigns callers to variants; empty: the model's group or id, else the request",
    "rollout.freeze": "when nothing that answers changes, but to protect it: Fri 16:00 - Mon 08:00, or 12-20 - 01-05",
    "retrain.when": "triggers: performance, concept, estimated, drift, cost, labels:5000, max_age:90d, every:30d, "
    "at:Sun 03:00",
    "retrain.approve": "auto, or manual: a person promotes",
    "retrain.window": "rows to learn from: auto (tried on the newest window), all, last:4, weighted:30d, since_change",
    "retrain.cool_down": "time after a retraining in which none follows, as 2windows or 14d",
    "retrain.max_per_month": "retrainings in 30 days at most; 0: without limit",
    "retrain.cpu_hours_per_month": "hours of processor that retrainings may take in 30 days; 0: without limit",
    "retrain.price": "trigger cost: what a retraining costs, in money of your own",
    "retrain.worth": "trigger cost: what one unit of loss on one row costs, in the same money",
    "retrain.guard": "leave out labels that look poisoned, and learn nothing from labels that follow from the answers",
    "retrain.online": "learner that takes labels one by one as they come, as online_linear or online_tree; empty: none",
    "retrain.seal": "when what it learned becomes a version, judged as any: labels:1000, every:1d",
    "alerts.to": "where to tell: Apprise addresses, webhook+https://, alertmanager+http://, smtp://, file:PATH",
    "alerts.remind": "how often an alert that lasts is repeated",
    "alerts.quiet": "hours in which only what is critical is told, such as 22:00-07:00 Europe/Berlin",
    "alerts.escalate": "{after, to}: whom else to tell of what nobody has acknowledged for so long",
    "release.clean": "release --from-git: refuse a tree that differs from its commit",
    "release.signed": "release --from-git: refuse a tag (without one, a commit) that no allowed signer signed",
    "release.signers": "file of allowed SSH signers, outside the repository; empty: keys/release_signers in the home",
    "registry.mlflow": "MLflow tracking URI; empty: an SQLite file in the home",
    **ENGINE,
    **STORES,
    "state.url": "postgresql://USER@HOST:5432/DATABASE for several control planes; empty: a file of the home",
    "state.password": "where the password of state.url is: env:NAME or file:PATH, never itself",
    "state.lease_s": "of several control planes one leads; another takes over when it was silent for so long",
}
