"""fairlead.toml as frozen structs: the one description of every setting, its type, default and meaning.

`ops/project` reads files and the environment into these; the configuration
reference in `docs/reference` is generated from the `DOC` tables here.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fairlead.contract.engines import EngineSettings
from fairlead.contract.preparing import PreparationSettings
from fairlead.contract.settings_said import DOC as DOC
from fairlead.contract.signature import Task
from fairlead.contract.stores import BackupSettings, StoresSettings

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
    backup: BackupSettings = BackupSettings()
    engine: EngineSettings = EngineSettings()

    @property
    def sticky(self) -> str | None:
        """The column that assigns rows to variants; a group of a ranking is put in order by one of them."""
        return self.rollout.sticky_by or self.model.group or self.model.id
