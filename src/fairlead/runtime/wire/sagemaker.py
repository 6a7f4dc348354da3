"""Amazon SageMaker's `/invocations`: MLflow's forms, CSV and JSON lines, with the freedoms that its clients take."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.runtime.wire.mlflow import MLflow


class SageMaker(MLflow):
    """Spoken at `/invocations` where the platform is SageMaker; elsewhere that address is MLflow's, which differs in
    being strict about parameters of the content type."""

    name = "sagemaker"
    parameters = frozenset({"charset", "header", "label_size"})

    def paths(self) -> Sequence[str]:
        return ()

    def default_paths(self) -> Sequence[str]:
        return ()
