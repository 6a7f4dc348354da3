"""Making and judging a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairlead.doors.python.verbs.opened import Answer, Opened, Progress


class Making(Opened):
    """Verbs of making and judging."""

    def quality(self, data: Any = None, **asked: Any) -> Answer:
        """What is wrong with a table (the training table without `data`), with lines for fairlead.toml.

        asked: against (another table, or "records": what was answered for), suspects (True: rows whose labels
        or neighbours look wrong), out and html (files to write), progress. Nothing is changed.
        """
        from fairlead.doors.python import quality

        return quality.quality(self.folder, data, **asked)

    def drift(self, data: Any, **asked: Any) -> Answer:
        """How far a table (or "records": what was answered) has moved from what the answering model was trained on.

        asked: against (another table, a bundle's folder, id, version or alias, or "records"), html (a file to write),
        scores (False: the model is not asked), progress. Nothing is changed.
        """
        from fairlead.doors.python import drifting

        return drifting.drift(self.folder, data, **asked)

    def train(
        self,
        data: Any = None,
        progress: Progress | None = None,
        *,
        older: str | None = None,
        engine: str | None = None,
    ) -> Answer:
        """Prepare, tune, cross-validate, choose, seal. data: path or DataFrame, else [data] train.

        older: version, alias or bundle whose model is gone on from where that is better than training anew.
        engine: local or spark, in the place of `[train] engine`.
        """
        from fairlead.doors.python import making

        return making.train(self.workspace, data, progress, older, engine)

    def bundle(self, source: Any, sample: Any, *, trust: bool = False, target: str | None = None) -> Answer:
        """Seal a model trained elsewhere: a fitted estimator, or a file, folder or MLflow URI of one.

        sample: rows it was trained on. trust: open files although that runs the code they hold. target: a column of
        the sample with the truth, for metrics; else [model] target where the sample has it.
        """
        from fairlead.doors.python import making

        return making.bundle(self.workspace, source, sample, trust=trust, target=target)

    def evaluate(
        self, bundle: str | None = None, data: Any = None, *, engine: str = "", master: str = "", connect: str = "",
        progress: Progress | None = None,
    ) -> Answer:  # fmt: skip
        """Judge the sealed bundle: report, gate, attestation.

        engine, master, connect: where the rows are read and asked about, else as [engine] says; the answer then tells
        how far each figure may be off.
        """
        from fairlead.doors.python import making
        from fairlead.doors.python.engines import engine_asked

        asked = engine_asked(self.workspace.settings, engine, master, connect)
        return making.evaluate(self.workspace, bundle, data, asked, progress)

    def test(self, bundle: str | None = None, data: Any = None) -> Answer:
        """The project's own expectations of behaviour, tried on the sealed bundle. data: rows to change."""
        from fairlead.doors.python import testing

        return testing.test(self.workspace, bundle, data)

    def reproduce(self, version: str | int | None = None, data: Any = None, progress: Progress | None = None) -> Answer:
        """Fit a version's recorded trial again (not the search) and say what is not as it was. data: rows to fit on."""
        from fairlead.doors.python import reproducing

        return reproducing.reproduce(self.workspace, version, data, progress)

    def compress(
        self,
        version: str | None = None,
        *,
        max_loss: float = 0.002,
        seconds: float = 300.0,
        only: Sequence[str] = (),
        data: Any = None,
        progress: Progress | None = None,
    ) -> Answer:
        """A smaller candidate whose mean loss is surely at most `max_loss` above the version's, and its certificate.

        only: ways to try, such as `quantise` and `prune`; all without it.
        """
        from fairlead.doors.python import compressing

        return compressing.compress(self.workspace, version, max_loss, seconds, only, data, progress)

    def diff(self, old: str | int, new: str | int) -> Answer:
        """Two versions side by side: what is different, and how both answer the same rows; `markdown` is the text."""
        from fairlead.doors.python import diffing

        return diffing.diff(self.workspace, old, new)

    def register(self, bundle: str | None = None, *, progress: Progress | None = None) -> Answer:
        """A version in the registry, with lineage."""
        from fairlead.doors.python import making

        return making.register(self.workspace, bundle, progress)

    def waive(self, bundle: str | None, check: str, *, by: str, reason: str, until: str) -> Answer:
        """Let one check of a judged bundle pass until a day (2027-01-31), by the name of who answers for it."""
        from fairlead.doors.python import gating

        return gating.waive(self.workspace, bundle, check, by=by, reason=reason, until=until)

    def approve(self, version: str | None, *, by: str, reason: str = "") -> Answer:
        """A person's yes to a judged version; `[gate] approvals` says whose yes a deployment needs."""
        from fairlead.doors.python import gating

        return gating.approve(self.workspace, version, by=by, reason=reason)

    def contract_init(self, *, bundle: str | None = None, force: bool = False) -> Answer:
        """Write a commented data contract from what a model was trained on: ranges with room, categories, gaps.

        bundle: the one to begin from, else the latest. Raises UsageError where there is a contract and not `force`.
        """
        from fairlead.doors.python import contracting

        return contracting.init(self.workspace, bundle=bundle, force=force)

    def contract_check(self, data: Any = None, *, last: int = 10_000, file: str | Path | None = None) -> Answer:
        """Whether a table keeps the data contract; without one, the newest `last` records.

        `kept`, and `breaches` with their rule, size and first row. file: a contract, else as `[monitor] contract` says.
        """
        from fairlead.doors.python import contracting

        return contracting.check(self.workspace, data, last=last, file=file)

    def sync(self) -> Answer:
        """Bring the MLflow projection of versions and aliases up to date; `up` does so by itself."""
        from fairlead.doors.python import making

        return making.sync(self.workspace)

    def score(
        self, rows: Any, out: str | Path | None = None, *, bundle: str | None = None, rank: bool = False,
        engine: str = "", master: str = "", connect: str = "",
    ) -> Answer:  # fmt: skip
        """Batch scoring, streamed: a path or DataFrame in; Parquet, CSV or (without `out`) a DataFrame out.

        rank: of a ranking, with each row's rank in its group, for which answers are held in memory.
        engine: local or spark, in the place of [engine] name; master, connect: of Spark, in the place of [engine]'s.
        """
        from fairlead.doors.python import making
        from fairlead.doors.python.engines import engine_asked

        asked = engine_asked(self.workspace.settings, engine, master, connect)
        return making.score(self.workspace, rows, out, bundle, rank, asked)

    def export(
        self,
        target: str,
        out: str | Path | None = None,
        *,
        version: str | int | None = None,
        image: str = "",
        options: Sequence[str] = (),
        force: bool = False,
    ) -> Answer:
        """Files with which another system runs a version (what answers now without one), in the folder `out`.

        target: of `fairlead export`. image: reference of the container image. options: "name=value" of the target.
        force: also over files that were edited since.
        """
        from fairlead.doors.python import exporting

        return exporting.export(self.workspace, target, out, version, image, options, force)

    def loadtest(
        self,
        version: str | int | None = None,
        *,
        data: Any = None,
        url: str = "",
        out: str | Path | None = None,
        progress: Progress | None = None,
        **asked: Any,
    ) -> Answer:
        """What a version's own server carries (or the one at `url`, which captures what is asked): open-loop load.

        asked: p99_ms (limit), workers (1, 2), rates (none: up to the limit), seconds of a step, connections, rows in a
        request, processes of the generator. data: rows to ask. out: file of the result, else loadtest.json.
        """
        from fairlead.doors.python import capacity

        return capacity.loadtest(self.workspace, version, data, url, out, progress, **asked)

    def capacity(
        self,
        rate: float,
        p99_ms: float = 50.0,
        *,
        headroom: float = 0.3,
        spare: int = 1,
        workers: int | None = None,
        files: Sequence[str | Path] = (),
    ) -> Answer:
        """Replicas for `rate` requests a second with p99 within `p99_ms`, by what load tests measured (`files`)."""
        from fairlead.doors.python import capacity

        return capacity.capacity(self.workspace, rate, p99_ms, headroom, spare, workers, files)
