"""The plugin door: every variant of a port is named in one table, ours and third parties' alike.

A third party adds a variant by the entry-point group `fairlead.<port>`:

    [project.entry-points."fairlead.learner"]
    my_forest = "my_package.forest:Forest"

The class is imported when asked for, so a library that is missing hurts nobody else.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from fairlead.contract.errors import MissingExtra, UnknownPlugin

BUILT_IN: dict[str, dict[str, str]] = {
    "transport": {
        "bare": "fairlead.runtime.serve.transports.bare:BareTransport",
        "granian": "fairlead.runtime.serve.transports.granian:GranianTransport",
    },
    "codec": {
        "native": "fairlead.runtime.wire.native:Native",
        "v2": "fairlead.runtime.wire.v2:V2",
        "v2grpc": "fairlead.runtime.wire.v2_grpc:V2Grpc",
        "v1": "fairlead.runtime.wire.v1:V1",
        "mlflow": "fairlead.runtime.wire.mlflow:MLflow",
        "sagemaker": "fairlead.runtime.wire.sagemaker:SageMaker",
        "vertex": "fairlead.runtime.wire.vertex:Vertex",
        "azureml": "fairlead.runtime.wire.azureml:AzureML",
    },
    "learner": {
        "logistic": "fairlead.lab.train.learners.logistic:Logistic",
        "ridge": "fairlead.lab.train.learners.ridge:RidgeRegression",
        "hist_gradient_boosting": "fairlead.lab.train.learners.hist_gradient_boosting:HistGradientBoosting",
        "random_forest": "fairlead.lab.train.learners.random_forest:RandomForest",
        "isolation_forest": "fairlead.lab.train.learners.isolation_forest:IsolationForest",
        "local_outlier_factor": "fairlead.lab.train.learners.local_outlier_factor:LocalOutlierFactor",
        "one_class_svm": "fairlead.lab.train.learners.one_class_svm:OneClassMachine",
        "pca_reconstruction": "fairlead.lab.train.learners.pca_reconstruction:PCAReconstruction",
        "hdbscan": "fairlead.lab.train.learners.hdbscan:Explorer",
        "k_means": "fairlead.lab.train.learners.k_means:KMeansClustering",
        "gaussian_mixture": "fairlead.lab.train.learners.gaussian_mixture:GaussianMixtures",
        "linear": "fairlead.lab.train.learners.linear:LinearRegression",
        "linear_quantile": "fairlead.lab.train.learners.linear_quantile:LinearQuantile",
        "lasso": "fairlead.lab.train.learners.lasso:Lasso",
        "elastic_net": "fairlead.lab.train.learners.elastic_net:ElasticNet",
        "naive_bayes": "fairlead.lab.train.learners.naive_bayes:NaiveBayes",
        "decision_tree": "fairlead.lab.train.learners.decision_tree:DecisionTree",
        "extra_trees": "fairlead.lab.train.learners.extra_trees:ExtraTrees",
        "xgboost": "fairlead.lab.train.learners.xgboost:XGBoost",
        "rank_xgboost": "fairlead.lab.train.learners.rank_xgboost:RankXGBoost",
        "lightgbm": "fairlead.lab.train.learners.lightgbm:LightGBM",
        "mlp": "fairlead.lab.train.learners.mlp:MLP",
        "poisson": "fairlead.lab.train.learners.poisson:Poisson",
        "explainable_boosting": "fairlead.lab.train.learners.explainable_boosting:ExplainableBoosting",
        "neural_net": "fairlead.lab.train.learners.neural_net:NeuralNet",
        "divided_net": "fairlead.lab.train.learners.divided_net:DividedNet",
        "staged_net": "fairlead.lab.train.learners.staged_net:StagedNet",
        "image_net": "fairlead.lab.train.learners.image_net:ImageNet",
        "text_net": "fairlead.lab.train.learners.text_net:TextNet",
        "image_head": "fairlead.lab.train.learners.image_head:ImageHead",
        "svm": "fairlead.lab.train.learners.svm:SVM",
        "nearest_neighbours": "fairlead.lab.train.learners.nearest_neighbours:NearestNeighbours",
        "distilled": "fairlead.lab.train.learners.distilled:Distilled",
        "shrunk": "fairlead.lab.train.learners.shrunk:Shrunk",
        "online_linear": "fairlead.lab.train.learners.online_linear:OnlineLinear",
        "online_tree": "fairlead.lab.train.learners.online_tree:OnlineTree",
        "spark_forest": "fairlead.lab.train.learners.spark_forest:SparkForest",
        "spark_logistic": "fairlead.lab.train.learners.spark_logistic:SparkLogistic",
        "spark_linear": "fairlead.lab.train.learners.spark_linear:SparkLinear",
        "spark_boosting": "fairlead.lab.train.learners.spark_boosting:SparkBoosting",
        "spark_xgboost": "fairlead.lab.train.learners.spark_xgboost:SparkXGBoost",
    },
    "streamed": {
        "logistic": "fairlead.lab.train.out_of_core.logistic:StreamedLogistic",
        "ridge": "fairlead.lab.train.out_of_core.least_squares:StreamedLeastSquares",
        "linear": "fairlead.lab.train.out_of_core.least_squares:StreamedLeastSquares",
        "naive_bayes": "fairlead.lab.train.out_of_core.naive_bayes:StreamedNaiveBayes",
        "xgboost": "fairlead.lab.train.out_of_core.xgboost:StreamedXGBoost",
        "lightgbm": "fairlead.lab.train.out_of_core.lightgbm:StreamedLightGBM",
        "spark_forest": "fairlead.lab.train.out_of_core.by_spark:StreamedBySpark",
        "spark_logistic": "fairlead.lab.train.out_of_core.by_spark:StreamedBySpark",
        "spark_linear": "fairlead.lab.train.out_of_core.by_spark:StreamedBySpark",
        "spark_boosting": "fairlead.lab.train.out_of_core.by_spark:StreamedBySpark",
        "spark_xgboost": "fairlead.lab.train.out_of_core.by_spark:StreamedBySpark",
    },
    "warm": {
        "logistic": "fairlead.lab.train.warm.linear:WarmLogistic",
        "ridge": "fairlead.lab.train.warm.linear:WarmRidge",
        "xgboost": "fairlead.lab.train.warm.boosters:WarmXGBoost",
        "lightgbm": "fairlead.lab.train.warm.boosters:WarmLightGBM",
    },
    "emitter": {
        "trees": "fairlead.lab.compile.trees:Trees",
        "linear": "fairlead.lab.compile.linear:Linear",
        "xgboost": "fairlead.lab.compile.xgboost_trees:XGBoostTrees",
        "lightgbm": "fairlead.lab.compile.lightgbm_trees:LightGBMTrees",
        "network": "fairlead.lab.compile.networks:Networks",
        "pictures": "fairlead.lab.compile.pictures:Pictures",
        "texts": "fairlead.lab.compile.texts_read:TextsRead",
        "trunk": "fairlead.lab.compile.trunks:Trunks",
        "clusters": "fairlead.lab.compile.clusters:Clusters",
        "strange": "fairlead.lab.compile.strange:Strange",
        "bayes": "fairlead.lab.compile.bayes:Bayes",
        "kernel": "fairlead.lab.compile.kernels:Kernels",
        "neighbours": "fairlead.lab.compile.neighbours:Neighbours",
        "onnx": "fairlead.lab.compile.onnx_graphs:OnnxGraphs",
        "forecast": "fairlead.lab.compile.forecasting.graph:Forecasts",
        "compact_network": "fairlead.lab.compile.compact_networks:CompactNetworks",
        "single_network": "fairlead.lab.compile.compact_networks:SingleNetworks",
        "stated_trees": "fairlead.lab.compile.stated_models:StatedTrees",
        "stated_line": "fairlead.lab.compile.stated_models:StatedLines",
    },
    "source": {
        "onnx": "fairlead.lab.compile.sources.onnx_file:OnnxFile",
        "mlflow": "fairlead.lab.compile.sources.mlflow_model:MlflowModel",
        "skops": "fairlead.lab.compile.sources.skops_file:SkopsFile",
        "joblib": "fairlead.lab.compile.sources.joblib_file:JoblibFile",
        "xgboost": "fairlead.lab.compile.sources.xgboost_file:XGBoostFile",
        "lightgbm": "fairlead.lab.compile.sources.lightgbm_text:LightGBMText",
        "torch": "fairlead.lab.compile.sources.torch_export:TorchExport",
    },
    "quality_check": {
        "missing": "fairlead.lab.tables.quality.checks.missing:Missing",
        "duplicates": "fairlead.lab.tables.quality.checks.duplicates:Duplicates",
        "constant": "fairlead.lab.tables.quality.checks.constants:Constants",
        "id_like": "fairlead.lab.tables.quality.checks.identifiers:Identifiers",
        "mixed_types": "fairlead.lab.tables.quality.checks.kinds:MixedKinds",
        "outliers": "fairlead.lab.tables.quality.checks.outliers:Outliers",
        "misspelt": "fairlead.lab.tables.quality.checks.categories:Categories",
        "impossible_dates": "fairlead.lab.tables.quality.checks.dates:Dates",
        "target": "fairlead.lab.tables.quality.checks.balance:Target",
        "identical": "fairlead.lab.tables.quality.checks.correlated:Correlated",
        "leak": "fairlead.lab.tables.quality.checks.leaks:Leaks",
        "time_travel": "fairlead.lab.tables.quality.checks.time_travel:TimeTravel",
    },
    "shrinker": {
        "fewer_trees": "fairlead.lab.compress.shrinkers.fewer_trees:FewerTrees",
        "fewer_leaves": "fairlead.lab.compress.shrinkers.fewer_leaves:FewerLeaves",
        "less_deep": "fairlead.lab.compress.shrinkers.less_deep:LessDeep",
        "pruned": "fairlead.lab.compress.shrinkers.pruned:Pruned",
        "narrower": "fairlead.lab.compress.shrinkers.narrower:Narrower",
        "single": "fairlead.lab.compress.shrinkers.single:SinglePrecision",
        "stored": "fairlead.lab.compress.shrinkers.stored:Stored",
        "whole_numbers": "fairlead.lab.compress.shrinkers.whole_numbers:WholeNumbers",
        "neurons": "fairlead.lab.compress.shrinkers.neurons:Neurons",
        "weights": "fairlead.lab.compress.shrinkers.weights:LargestWeights",
        "unused": "fairlead.lab.compress.shrinkers.unused:Unused",
        "distilled": "fairlead.lab.compress.shrinkers.distilled:Distilled",
        "unhelpful": "fairlead.lab.compress.shrinkers.unhelpful:Unhelpful",
    },
    "drift_detector": {
        "confidence_sequence": "fairlead.ops.monitor.detectors.confidence_sequence:ConfidenceSequence",
        "adwin": "fairlead.ops.monitor.detectors.of_river:Adwin",
        "page_hinkley": "fairlead.ops.monitor.detectors.of_river:PageHinkley",
        "ddm": "fairlead.ops.monitor.detectors.of_river:Ddm",
        "eddm": "fairlead.ops.monitor.detectors.of_river:Eddm",
        "hddm_a": "fairlead.ops.monitor.detectors.of_river:HddmA",
        "hddm_w": "fairlead.ops.monitor.detectors.of_river:HddmW",
    },
    "window_check": {
        "rows": "fairlead.ops.monitor.checks.rows:RowQuality",
        "columns": "fairlead.ops.monitor.checks.columns:ColumnDrift",
        "decisions": "fairlead.ops.monitor.checks.decisions:DecisionDrift",
        "shifts": "fairlead.ops.monitor.checks.shifts:ShiftKind",
        "together": "fairlead.ops.monitor.checks.together:StandsOut",
        "contract": "fairlead.ops.monitor.checks.agreed:Contracted",
        "stuck": "fairlead.ops.monitor.checks.stuck:Stuck",
        "vanished": "fairlead.ops.monitor.checks.vanished:Vanished",
        "gaps": "fairlead.ops.monitor.checks.gaps:Gaps",
        "repeats": "fairlead.ops.monitor.checks.repeats:Repeats",
        "units": "fairlead.ops.monitor.checks.units:Units",
        "rhythm": "fairlead.ops.monitor.checks.rhythm:Rhythm",
        "unusual": "fairlead.ops.monitor.checks.unusual:UnusualRows",
        "bursts": "fairlead.ops.monitor.checks.bursts:Bursts",
        "poisoned": "fairlead.ops.monitor.checks.poisoned:PoisonedLabels",
        "promised": "fairlead.ops.monitor.checks.promised:Promised",
        "estimated": "fairlead.ops.monitor.checks.estimated:Estimated",
        "concept": "fairlead.ops.monitor.checks.concept:ConceptDrift",
        "definition": "fairlead.ops.monitor.checks.definition:Definition",
        "labels_told": "fairlead.ops.monitor.checks.labels_told:LabelsTold",
        "labels_late": "fairlead.ops.monitor.checks.labels_late:LabelsLate",
    },
    "fault": {
        "missing_column": "fairlead.ops.rehearse.faults.missing_column:MissingColumn",
        "unit_change": "fairlead.ops.rehearse.faults.unit_change:UnitChange",
        "new_category": "fairlead.ops.rehearse.faults.new_category:NewCategory",
        "sudden_concept": "fairlead.ops.rehearse.faults.sudden_concept:SuddenConcept",
        "gradual_concept": "fairlead.ops.rehearse.faults.gradual_concept:GradualConcept",
        "label_delay": "fairlead.ops.rehearse.faults.label_delay:LabelDelay",
        "poisoned_labels": "fairlead.ops.rehearse.faults.poisoned_labels:PoisonedLabels",
        "definition_change": "fairlead.ops.rehearse.faults.definition_change:DefinitionChange",
    },
    "engine": {
        "local": "fairlead.lab.tables.engines.local:LocalEngine",
        "spark": "fairlead.lab.tables.engines.spark:SparkEngine",
    },
    "alert": {
        "apprise": "fairlead.ops.alerts.apprise_channel:AppriseChannel",
        "file": "fairlead.ops.alerts.file_channel:FileChannel",
        "webhook": "fairlead.ops.alerts.webhook_channel:WebhookChannel",
        "alertmanager": "fairlead.ops.alerts.alertmanager_channel:AlertmanagerChannel",
        "smtp": "fairlead.ops.alerts.mail_channel:MailChannel",
        "smtps": "fairlead.ops.alerts.mail_channel:MailChannel",
    },
    "store": {
        "file": "fairlead.ops.stores.folder:FolderStore",
        "s3": "fairlead.ops.stores.s3:S3Store",
        "az": "fairlead.ops.stores.azure:AzureStore",
        "gs": "fairlead.ops.stores.google:GoogleStore",
        "hdfs": "fairlead.ops.stores.hdfs:HdfsStore",
    },
    "state": {
        "sqlite": "fairlead.ops.state.backends.sqlite:SqliteBackend",
        "postgresql": "fairlead.ops.state.backends.postgresql:PostgresBackend",
    },
    "broker": {
        "redis": "fairlead.reach.score.streams.redis_streams:RedisStreams",
        "rediss": "fairlead.reach.score.streams.redis_streams:RedisStreams",
        "nats": "fairlead.reach.score.streams.nats_jetstream:NatsJetStream",
        "tls": "fairlead.reach.score.streams.nats_jetstream:NatsJetStream",
        "amqp": "fairlead.reach.score.streams.rabbitmq:RabbitMQ",
        "amqps": "fairlead.reach.score.streams.rabbitmq:RabbitMQ",
        "kafka": "fairlead.reach.score.streams.kafka:Kafka",
    },
    "explainer": {
        "linear": "fairlead.runtime.explain.explainers.linear:LinearExplainer",
        "trees": "fairlead.runtime.explain.explainers.trees:TreeExplainer",
        "enumeration": "fairlead.runtime.explain.explainers.enumeration:EnumerationExplainer",
        "permutation": "fairlead.runtime.explain.explainers.permutation:PermutationExplainer",
        "shap": "fairlead.lab.evaluate.explaining.shap_kernel:ShapKernelExplainer",
    },
    "export_target": {
        "docker": "fairlead.reach.export.docker:Docker",
        "kubernetes": "fairlead.reach.export.kubernetes.target:Kubernetes",
        "kserve": "fairlead.reach.export.kserve:KServe",
        "rollouts": "fairlead.reach.export.rollouts:Rollouts",
        "ci": "fairlead.reach.export.ci:Ci",
        "kubeflow": "fairlead.reach.export.kubeflow:Kubeflow",
        "terraform": "fairlead.reach.export.terraform.target:Terraform",
        "cloudformation": "fairlead.reach.export.cloudformation:CloudFormation",
    },
}


@cache
def _table(port: str) -> dict[str, str]:
    found = dict(BUILT_IN.get(port, {}))
    for point in entry_points(group=f"fairlead.{port}"):
        found.setdefault(point.name, point.value)
    return found


def names(port: str) -> tuple[str, ...]:
    """All variants behind a port, built-ins first, third parties' after them."""
    return tuple(_table(port))


def variant(port: str, name: str, *, extra: str = "studio") -> Any:
    """The class `name` behind `port`. Raises UnknownPlugin, or MissingExtra if a library it needs is absent."""
    target = _table(port).get(name)
    if target is None:
        raise UnknownPlugin(port, name, _table(port))
    module, _, attribute = target.partition(":")
    try:
        # Asked for every check of every window, so what is imported is not looked up the long way again.
        return getattr(sys.modules.get(module) or importlib.import_module(module), attribute)
    except ModuleNotFoundError as missing:
        if missing.name and missing.name.split(".")[0] != "fairlead":
            raise MissingExtra(missing.name, extra) from missing
        raise
