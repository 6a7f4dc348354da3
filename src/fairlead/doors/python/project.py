"""`fairlead.open(folder)`: a project, one method a verb. Each returns what `--json` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fairlead.doors.python.keys import Keys
    from fairlead.ops.flow.workspace import Workspace
    from fairlead.runtime.bundle import Model

Progress = Callable[..., None]
Answer = dict[str, Any]


def open(folder: str | Path = ".") -> Project:
    """The project in `folder` or the nearest folder above it. Raises NotAProject, ConfigInvalid."""
    return Project(folder)


def init(data: str | Path, target: str | None = None, folder: str | Path = ".", **chosen: Any) -> Project:
    """Look at a table, write a commented fairlead.toml beside it in `folder`, and open it.

    target: None for `task="clustering"` and `task="anomaly"`.
    chosen: name, task, positive, id, time, force. Raises UsageError when there is one already.
    """
    from fairlead.ops.project import init_project

    init_project(Path(folder), str(data), target, **chosen)
    return Project(folder)


def load(folder: str | Path, trusted: tuple[str, ...] | None = None, *, trust_native: bool = False) -> Model:
    """A sealed bundle as a running model, without a server: `.predict(rows)`.

    trusted: hex public keys whose seals are accepted. None takes the seal's own key: intact, but
    not vouched for by anyone you named. trust_native: let a model that was not compiled run its code, in a process
    of its own. Raises BundleRefused.
    """
    from fairlead.runtime.bundle import load as load_bundle
    from fairlead.runtime.bundle import signer_of
    from fairlead.runtime.native import NativeTerms

    where = Path(folder)
    terms = NativeTerms() if trust_native else None
    return load_bundle(where, trusted if trusted is not None else (signer_of(where),), native=terms)


class Project:
    """One model and all its rules: a folder with fairlead.toml."""

    def __init__(self, folder: str | Path = ".") -> None:
        self.folder = Path(folder)

    @cached_property
    def workspace(self) -> Workspace:
        """The opened project: settings, home, state, stores."""
        from fairlead.ops.flow import Workspace

        return Workspace.find(self.folder)

    # Making and judging

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

    def register(self, bundle: str | None = None) -> Answer:
        """A version in the registry, with lineage."""
        from fairlead.doors.python import making

        return making.register(self.workspace, bundle)

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

    # Releasing and answering

    def deploy(
        self,
        version: int | Sequence[int] | None = None,
        *,
        canary: float | None = None,
        shadow: bool = False,
        ab: float | None = None,
        bandit: bool = False,
        pilot: str | None = None,
        cohort: str | None = None,
        until: str | None = None,
        question: str = "",
        plan: bool = False,
    ) -> Answer:
        """Let a version answer: alone, or tried beside the champion; several versions may be tried at once.

        canary, ab: the share of the requests for all of them together. bandit: shares that follow what each brings.
        pilot: a name; `cohort` ("region in ('north', 'west')") is answered by it until `until` (a date), `question` is
        told in its report. plan: only say how long a verdict would take.
        """
        from fairlead.doors.python import rolling

        versions = () if version is None else (version,) if isinstance(version, int) else tuple(version)
        way = rolling.way_asked(self.workspace, canary, shadow, ab, bandit, pilot, cohort, until, question)
        return rolling.deploy(self.workspace, versions, way, plan_only=plan)

    def analysis(self) -> Answer:
        """How the rollout stands: `verdict`, `n`, `why` and more, as GET /analysis answers it."""
        from fairlead.doors.python import rolling

        return rolling.analysis(self.workspace)

    def pilot_report(self) -> Answer:
        """The report of the pilot in progress, written as it stands now; `report` is its page."""
        from fairlead.doors.python import rolling

        return rolling.pilot(self.workspace)

    def promote(self, version: int | None = None, *, despite_freeze: str = "") -> Answer:
        """A challenger becomes champion; version: which, where several are tried.

        despite_freeze: why a span of `rollout.freeze` is not waited for.
        """
        from fairlead.doors.python import serving

        return serving.move(self.workspace, "promote", despite_freeze, version)

    def rollback(self) -> Answer:
        """End the rollout, or go back to the champion before; held until `release`."""
        from fairlead.doors.python import serving

        return serving.move(self.workspace, "roll_back")

    def pin(self, why: str = "pinned by hand") -> Answer:
        """This champion stays until `release`; challengers may still be tried."""
        from fairlead.doors.python import serving

        return serving.hold(self.workspace, "pinned", why)

    def freeze(self, why: str = "frozen by hand") -> Answer:
        """Nothing moves by rule until `release`."""
        from fairlead.doors.python import serving

        return serving.hold(self.workspace, "frozen", why)

    def release(self, why: str = "released by hand") -> Answer:
        """Rules may act on this model again."""
        from fairlead.doors.python import serving

        return serving.hold(self.workspace, "", why)

    def release_from_git(self, tag: str | None = None, *, despite_freeze: str = "") -> Answer:
        """Let the version answer that a tag says, or without one the commit at hand; done twice it changes nothing.

        despite_freeze: why a span of `rollout.freeze` is not waited for.
        """
        from fairlead.doors.python import releasing

        return releasing.release_from_git(self.workspace, tag, despite_freeze)

    def predict(self, rows: Any, *, rank: bool = False) -> Answer:
        """Ask the running server. rows: DataFrame, list of dicts, or a path. rank: of a ranking, with `ranks`.

        A model that forecasts takes histories, or a long table: then each series is forecast from its newest value on,
        and `asked` says which and from when.
        """
        from fairlead.doors.python import serving

        return serving.predict(self.workspace, rows, rank)

    def feedback(self, labels: Any) -> Answer:
        """Send labels: rows with `request` and `row`, or with the key column (and time), and `label`.

        A model that forecasts takes lists as labels, or a long table of the values that came: they are the truth of
        every forecast that they lie in.
        """
        from fairlead.doors.python import serving

        return serving.feedback(self.workspace, labels)

    def decisions(self, last: int = 20) -> Answer:
        """What the rule decided, why, what came of it, and how to undo it; oldest first."""
        from fairlead.doors.python import deciding

        return deciding.decisions(self.workspace, last)

    def report(
        self, window: int | None = None, *, incident: str | None = None, out: str | Path | None = None
    ) -> Answer:
        """Write a page about a window (the newest without a number) or an incident, and its JSON beside it."""
        from fairlead.doors.python import reporting

        return reporting.report(self.workspace, window, incident, out)

    def undo(self, decision: str = "", *, why: str = "undone by hand") -> Answer:
        """Take a decision back, the newest that moved anything without `decision` (how its id begins)."""
        from fairlead.doors.python import deciding

        return deciding.undo(self.workspace, decision, why)

    def status(self) -> Answer:
        """What is served, since when, why, how healthy, what it waits for."""
        from fairlead.doors.python import serving

        return serving.status(self.workspace)

    @property
    def keys(self) -> Keys:
        """Who may ask: `.create(name)`, `.rotate(name)`, `.revoke(name)`, `.list()`."""
        from fairlead.doors.python.keys import Keys

        return Keys(self.workspace)

    # Staying healthy

    def collect(self) -> Answer:
        """Bring what the spool holds into records and labels, once."""
        from fairlead.doors.python import watching

        return watching.collect(self.workspace)

    def forget(
        self,
        key: str,
        *,
        column: str | None = None,
        request: bool = False,
        every_model: bool = False,
        wait_s: float = 30.0,
    ) -> Answer:
        """Erase one person's rows from spool, records and labels; `key` is of the id column, of `column`, or a request.

        `done` is False while a segment stays open longer than `wait_s`: the collector goes on by itself.
        """
        from fairlead.doors.python import forgetting

        return forgetting.forget(self.workspace, key, column, request, every_model, wait_s)

    def watch(self) -> Answer:
        """Close due windows, find, decide, act, once."""
        from fairlead.doors.python import watching

        return watching.watch(self.workspace)

    def watch_explained(self, last: int = 1) -> Answer:
        """Why each check of the newest `last` windows (4 are kept) spoke or was silent; looks at nothing anew."""
        from fairlead.doors.python import why_watched

        return why_watched.why_watched(self.workspace, last)

    def watching(self, every_s: float) -> Iterator[Answer]:
        """`watch` again and again; yields every pass that saw or did something."""
        from fairlead.doors.python import watching

        return watching.follow(self.workspace, every_s)

    # What is wrong, and who looks after it

    def incidents(self, every: bool = False, last: int = 100) -> Answer:
        """Findings that belong together; those that are over too, with `every`."""
        from fairlead.doors.python import incidents

        return incidents.incidents(self.workspace, every, last)

    def incident(self, reference: str | int) -> Answer:
        """One incident with its findings and its timeline, by number or id."""
        from fairlead.doors.python import incidents

        return incidents.incident(self.workspace, reference)

    def alerts(self, test: bool = False) -> Answer:
        """Through what people are told, and how each channel stands; `test` sends a message through each."""
        from fairlead.doors.python import alerting

        return alerting.alerts(self.workspace, test)

    def ack(self, reference: str | int, why: str = "") -> Answer:
        """You look after it: no reminders, no escalation, until it gets worse."""
        from fairlead.doors.python import incidents

        return incidents.ack(self.workspace, reference, why)

    def assign(self, reference: str | int, who: str) -> Answer:
        """It is `who`'s to look after."""
        from fairlead.doors.python import incidents

        return incidents.assign(self.workspace, reference, who)

    def comment(self, reference: str | int, text: str) -> Answer:
        """A line in its timeline."""
        from fairlead.doors.python import incidents

        return incidents.comment(self.workspace, reference, text)

    def snooze(self, reference: str | int, span: str, why: str = "") -> Answer:
        """Silent for `span`, as "3d"; "off" ends it. What gets critical speaks all the same."""
        from fairlead.doors.python import incidents

        return incidents.snooze(self.workspace, reference, span, why)

    def expected(self, reference: str | int, why: str = "", *, undo: bool = False) -> Answer:
        """The new level is usual from the time it began: signed beside the sealed reference; `undo` takes it back."""
        from fairlead.doors.python import incidents

        return incidents.expected(self.workspace, reference, why, undo=undo)

    def performance(self, last: int = 20, *, page: bool = False) -> Answer:
        """How well the model does: estimated before labels, realised with them, each version beside its report.

        last: windows that are listed. page: also writes a page with plots, whose path is `report`.
        """
        from fairlead.doors.python import performing

        return performing.performance(self.workspace, last, page)

    def retrain(self, progress: Progress | None = None) -> Answer:
        """A new candidate from records and labels, through the gate to a canary."""
        from fairlead.doors.python import watching

        return watching.retrain(self.workspace, progress)

    def learn(
        self, progress: Progress | None = None, *, anew: bool = False, stop: Callable[[], bool] = lambda: False
    ) -> Answer:
        """Learn what labels have come, label by label; seal, judge and try what is due ([retrain] online, seal).

        anew: begin with the training table again. stop: asked now and then; the next call goes on.
        """
        from fairlead.doors.python import learning

        return learning.learn(self.workspace, progress, anew=anew, stop=stop)

    def rehearse(
        self,
        data: Any = None,
        policies: tuple[str, ...] = (),
        progress: Progress | None = None,
        *,
        windows: bool = False,
        faults: bool | int = False,
        tune: bool = False,
        jobs: int = 1,
        write: bool = False,
        copies: int = 2,
    ) -> Answer:
        """Replay the project's history through the code that runs live; policies side by side, and a recommendation.

        windows: also the project with every choice of rows to learn from. faults: put faults in at random times, so
        many of each kind (20 for True). tune: search the settings of learners. jobs: processes. write: write the
        recommendation into fairlead.toml, beside a copy of it as it was. copies: shuffled ones on which false alarms
        are counted. What models answered is kept in the home, so one that was stopped goes on.
        """
        from fairlead.doors.python import rehearsing

        asked = rehearsing.Asked(
            policies, windows, 20 if faults is True else int(faults), tune, jobs, write, copies
        )  # fmt: skip
        return rehearsing.rehearse(self.workspace, data, asked, progress)

    # Looking

    def explain(
        self,
        rows: Any,
        *,
        bundle: str | None = None,
        method: str = "",
        most: int = 100,
        html: str | Path | None = None,
    ) -> Answer:
        """What each column of each row did to its answer: attributions that sum with the baseline to the margin.

        rows: a table (path, DataFrame), a row as dict or JSON, or a list of them; the first `most` are explained.
        html: where to write a page of plots.
        """
        from fairlead.doors.python import explaining

        return explaining.explain(self.workspace, rows, bundle, method, most, html)

    def counterfactuals(self, rows: Any, *, goal: str = "", bundle: str | None = None, most: int = 10) -> Answer:
        """What would have to differ in each row for another answer, within the rules of [explain].

        goal: a label, or `>=3` or `<=3` for numbers; empty: another label, the likeliest.
        """
        from fairlead.doors.python import explaining

        return explaining.counterfactuals(self.workspace, rows, goal, bundle, most)

    def explain_model(
        self,
        *,
        bundle: str | None = None,
        data: Any = None,
        html: str | Path | None = None,
        progress: Progress | None = None,
    ) -> Answer:
        """What matters overall, how the answer follows single columns, and a small tree that imitates the model.

        data: rows to look at; else those that the bundle was judged on.
        """
        from fairlead.doors.python import explaining

        return explaining.explain_model(self.workspace, bundle, data, html, progress)

    def inspect(self, bundle: str | Path | None = None) -> Answer:
        """What is in a bundle, who sealed it, does it verify; never executes it."""
        from fairlead.doors.python import looking

        return looking.inspect(self.workspace, bundle)

    def config(self) -> Answer:
        """The effective configuration and where each value comes from."""
        from fairlead.doors.python import looking

        return looking.config(self.workspace)

    def audit(self, last: int = 50) -> Answer:
        """Verify the audit chain and show its newest events."""
        from fairlead.doors.python import looking

        return looking.audit(self.workspace, last)

    def backup(self, to: str, **how: Any) -> Answer:
        """Back the home up to a folder or store. how: passphrase (env:NAME or file:PATH), or recipient and identity
        (PEM files of X25519 keys), or without_keys=True; verify, keep, say."""
        from fairlead.doors.python import keeping

        return keeping.backup(self.workspace, to, **how)

    def restore(self, source: str, **how: Any) -> Answer:
        """Bring the home back from a backup into its empty folder. how: passphrase or identity, into, follow,
        promote."""
        from fairlead.doors.python import keeping

        return keeping.restore(self.folder, source, **how)

    def doctor(self) -> Answer:
        """Reconcile captured rows with answered ones and look for what is wrong, each with its cure."""
        from fairlead.doors.python import looking

        return looking.doctor(self.workspace)

    def settings(self) -> Mapping[str, Any]:
        """The effective configuration as nested dicts."""
        import msgspec

        settings: Mapping[str, Any] = msgspec.to_builtins(self.workspace.settings)
        return settings
