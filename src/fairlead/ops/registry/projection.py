"""Bundles as MLflow runs, registered versions and aliases. Every step looks first whether it is done already."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import RemoteError, VersionNotFound
from fairlead.contract.evidence import Lineage, Manifest
from fairlead.ops.registry.database import prepare, quiet_mlflow
from fairlead.ops.registry.mlmodel import write_mlmodel
from fairlead.ops.registry.trials import write_trials

BUNDLE = "fairlead.bundle"
ARTIFACTS = "mlflow-artifacts"
PARAMETER_CHARACTERS = 6000
PAGE = 200
THEIRS = {"mlflow", "sqlalchemy", "requests", "urllib3", "botocore", "boto3", "azure", "google"}
"""Whose errors are MLflow's: its own, and those of the stores that it keeps artifacts in."""


class Projected(msgspec.Struct, frozen=True):
    """A registered version as MLflow has it. number is MLflow's own; bundle is "" for one that is not ours."""

    model: str
    number: int
    bundle: str
    run: str


class Registry:
    """The projection in an MLflow server or, without `uri`, in an SQLite file and a folder of the home.

    fence: called before each write, raises what is to end it. Methods raise RemoteError when MLflow cannot be reached
    or refuses, MissingExtra when it is not installed.
    """

    def __init__(self, home: Path | str, uri: str | None = None, fence: Callable[[], None] | None = None) -> None:
        self.home = Path(home).absolute()
        self._given, self._fence = uri or None, fence

    @property
    def uri(self) -> str:
        """The tracking and registry URI; the one to give to MLflow's tools."""
        return self._given or f"sqlite:///{self.home / 'mlflow.db'}"

    def prepare(self) -> None:
        """Make the local database if it is ours to make and missing; takes seconds once."""
        if self._given is None:
            prepare(self.home)

    @cached_property
    def _client(self) -> Any:
        client = quiet_mlflow()
        self.prepare()
        made = client(tracking_uri=self.uri, registry_uri=self.uri)
        return made if self._fence is None else _Fenced(made, self._fence)

    def register(
        self,
        model: str,
        folder: Path | str,
        *,
        bundle: str,
        signer: str,
        metrics: Mapping[str, Any] | None = None,
        report: Path | str | None = None,
        version: int | None = None,
        trials: Sequence[Mapping[str, Any]] = (),
        metric: str = "score",
    ) -> int:
        """MLflow's version number of a bundle; made with its run, lineage and artifacts if it is not there yet.

        folder: the sealed bundle. signer: hex public key that its seal verifies with. metrics: numbers to show
        (others are left out). report: folder whose files are kept beside it. version: our own number, as a tag.
        trials: of the search, to be child runs of its run (at most `trials.MOST`), their scores under `metric`.
        A crash at any point leaves what the next call completes: nothing is made twice.
        """
        with _spoken():
            known = self._find(model, bundle)
            if known is not None:
                return known.number
            lineage = _lineage(Path(folder))
            run = self._run(model, bundle, lineage, dict(metrics or {}))
            if trials:
                write_trials(self._client, self._experiment(model), run, trials, metric)
            self._artifacts(run, Path(folder), signer, None if report is None else Path(report))
            return self._version(model, bundle, run, lineage, version)

    def versions(self, model: str) -> list[Projected]:
        """All versions of a model, oldest first; empty when MLflow does not know it."""
        with _spoken():
            return sorted((_projected(v) for v in self._search(f"name = {_quoted(model)}")), key=lambda v: v.number)

    def aliases(self, model: str) -> dict[str, str]:
        """Alias -> bundle id it points at now ("" for a version that is not ours); empty for an unknown model.

        Compare with the state database: a difference is an alias that somebody moved by hand.
        """
        with _spoken():
            found = self._model(model)
            if found is None:
                return {}
            numbers = {v.number: v.bundle for v in self.versions(model)}
            return {str(name): numbers.get(int(number), "") for name, number in sorted(found.aliases.items())}

    def set_alias(self, model: str, alias: str, bundle: str) -> None:
        """Point an alias at a bundle's version. Raises VersionNotFound if it was not registered here."""
        with _spoken():
            known = self._find(model, bundle)
            if known is None:
                raise VersionNotFound(f"bundle {bundle[:12]} is not among MLflow's versions of {model!r}.")
            self._client.set_registered_model_alias(model, alias, str(known.number))

    def drop_alias(self, model: str, alias: str) -> None:
        """Remove an alias; nothing happens if it is not there."""
        with _spoken():
            found = self._model(model)
            if found is not None and alias in found.aliases:
                self._client.delete_registered_model_alias(model, alias)

    def sync_aliases(self, model: str, wanted: Mapping[str, str]) -> None:
        """Make the aliases of ours (those in `wanted`: alias -> bundle) true; other names are left alone."""
        now = self.aliases(model)
        for alias, bundle in wanted.items():
            if now.get(alias) != bundle:
                self.set_alias(model, alias, bundle)

    def _find(self, model: str, bundle: str) -> Projected | None:
        wanted = f"name = {_quoted(model)} and tags.`{BUNDLE}` = {_quoted(bundle)}"
        return next(iter(sorted((_projected(v) for v in self._search(wanted)), key=lambda v: v.number)), None)

    def _search(self, wanted: str) -> list[Any]:
        found, token = [], None
        while True:
            page = self._client.search_model_versions(wanted, max_results=PAGE, page_token=token)
            found += list(page)
            token = page.token
            if not token:
                return found

    def _model(self, model: str) -> Any:
        found = self._client.search_registered_models(f"name = {_quoted(model)}", max_results=1)
        return found[0] if found else None

    def _experiment(self, model: str) -> str:
        from mlflow.exceptions import MlflowException

        known = self._client.get_experiment_by_name(model)
        if known is None:
            place = None if self._given else (self.home / ARTIFACTS / model).as_uri()
            try:
                return str(self._client.create_experiment(model, artifact_location=place))
            except MlflowException:
                # Another process made it between the two calls.
                known = self._client.get_experiment_by_name(model)
                if known is None:
                    raise
        if known.lifecycle_stage == "deleted":
            self._client.restore_experiment(known.experiment_id)
        return str(known.experiment_id)

    def _run(self, model: str, bundle: str, lineage: Lineage, metrics: dict[str, Any]) -> str:
        from mlflow.entities import Metric, Param, RunTag

        experiment = self._experiment(model)
        begun = self._client.search_runs([experiment], f"tags.`{BUNDLE}` = {_quoted(bundle)}", max_results=1)
        run = begun[0].info.run_id if begun else self._begin(experiment, bundle, lineage)
        numbers = {k: float(v) for k, v in metrics.items() if isinstance(v, int | float) and not isinstance(v, bool)}
        parameters = {"learner": lineage.learner, "seed": lineage.seed, "rows": lineage.rows, **lineage.parameters}
        self._client.log_batch(
            run,
            metrics=[Metric(k, v, 0, 0) for k, v in numbers.items()],
            params=[Param(k, str(v)[:PARAMETER_CHARACTERS]) for k, v in parameters.items()],
            tags=[RunTag(k, v) for k, v in _tags(lineage).items()],
        )
        return str(run)

    def _begin(self, experiment: str, bundle: str, lineage: Lineage) -> str:
        name = f"{lineage.learner} {bundle[:12]}"
        return str(self._client.create_run(experiment, tags={BUNDLE: bundle}, run_name=name).info.run_id)

    def _artifacts(self, run: str, folder: Path, signer: str, report: Path | None) -> None:
        with tempfile.TemporaryDirectory(prefix="fairlead-") as temporary:
            model = Path(temporary) / "model"
            shutil.copytree(folder, model / "bundle")
            write_mlmodel(model, signer, run)
            self._client.log_artifacts(run, str(model), "model")
        if report is not None and report.is_dir():
            self._client.log_artifacts(run, str(report), "report")
        self._client.set_terminated(run, "FINISHED")

    def _version(self, model: str, bundle: str, run: str, lineage: Lineage, number: int | None) -> int:
        from mlflow.exceptions import MlflowException

        if self._model(model) is None:
            try:
                self._client.create_registered_model(model)
            except MlflowException:
                if self._model(model) is None:
                    raise
        tags = {BUNDLE: bundle, **_tags(lineage), **({} if number is None else {"fairlead.version": str(number)})}
        source = f"{self._client.get_run(run).info.artifact_uri}/model"
        made = self._client.create_model_version(model, source, run, tags=tags)
        return int(made.version)


class _Fenced:
    """MLflow's client, whose every call that is not known to read asks first whether it may."""

    _READS = ("get_", "search_", "list_", "download_")

    def __init__(self, client: Any, fence: Callable[[], None]) -> None:
        self._client, self._fence = client, fence

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        if name.startswith(self._READS) or not callable(call):
            return call

        def fenced(*words: Any, **named: Any) -> Any:
            self._fence()
            return call(*words, **named)

        return fenced


def _projected(version: Any) -> Projected:
    return Projected(version.name, int(version.version), version.tags.get(BUNDLE, ""), version.run_id or "")


def _lineage(folder: Path) -> Lineage:
    return msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest).lineage


def _tags(lineage: Lineage) -> dict[str, str]:
    tags = {
        "fairlead.data": lineage.data,
        "fairlead.config": lineage.config,
        "fairlead.parent": lineage.parent,
        "fairlead.trained_from": f"{lineage.trained_from:.3f}",
        "fairlead.trained_to": f"{lineage.trained_to:.3f}",
        "fairlead.versions": json.dumps(lineage.versions, sort_keys=True),
        "fairlead.git.clean": str(lineage.clean).lower(),
        "mlflow.source.git.commit": lineage.commit,
    }
    return {k: v for k, v in tags.items() if v}


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class _spoken:
    """MLflow's own errors become ours, without its address or paths."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, at: Any) -> None:
        if error is not None and type(error).__module__.partition(".")[0] in THEIRS:
            code = getattr(error, "error_code", "") or type(error).__name__
            raise RemoteError(f"MLflow did not do its part: {code}") from error
