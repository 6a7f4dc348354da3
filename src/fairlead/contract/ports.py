"""The ports: what a variant must offer to be plugged in. Built-ins enter by the same door as third parties."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from fairlead.contract.routes import Limits
from fairlead.contract.signature import Task

Clock = Callable[[], float]
"""Seconds since the epoch: the wall clock in `up`, event time in `rehearse` and tests."""


class Request:
    """One request as a transport hands it on. `reply(code, headers, body)` is called once, on the loop's thread; to a
    HEAD with the body of GET, which the transport leaves out.

    arrived: seconds since the epoch by a clock that nobody sets (`runtime.serve.clock.steady`): durations and deadlines
    are its differences. headers: names in lower case. path: percent-decoded once, without the query, which stays as
    sent. peer: common name of the client's certificate, None without one. caller: set by the application once it
    knows who asks. patience: seconds that the client says it waits, None where it does not say. later: set by the
    application when it will reply after `answer` came back; a request that is neither answered nor later then is a
    fault.
    """

    __slots__ = (
        "arrived", "body", "caller", "headers", "later", "method", "path", "patience", "peer", "query", "reply",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        arrived: float,
        reply: Callable[[int, Sequence[tuple[str, str]], bytes], None],
        peer: str | None = None,
        patience: float | None = None,
    ) -> None:
        self.method, self.path, self.query, self.headers = method, path, query, headers
        self.body, self.arrived, self.reply = body, arrived, reply
        self.peer, self.patience = peer, patience
        self.caller: Caller | None = None
        self.later = False


class Caller:
    """Who asks, once authenticated. id: stable name of the key or subject, never a secret; captured as a hash."""

    __slots__ = ("id", "rules")

    def __init__(self, id: str, rules: Any) -> None:
        self.id, self.rules = id, rules


class Application(Protocol):
    """The data plane without its transport: written for lists of requests.

    An application may have `turned_away(code)`: it is told, on the loop's thread, with which HTTP code the transport
    answered what it did not pass on (over capacity, no sound HTTP, a body too large or too slow, never answered), so
    that it can be counted. It must not raise.

    It may have `answer_large(request, body)`, for a request whose body is beyond `limits().batch_bytes` and lies in a
    file (`runtime.serve.stored.Stored`) instead of `request.body`: it replies later, by `reply` or, with a body that is
    a file as well, by `reply_stored` where the request has that. And `admits(request)`, asked when only the head of
    such a request has come: False when it has replied already, and no body is wanted.
    """

    def answer(self, requests: Sequence[Request]) -> None:
        """Answer all requests that arrived in one loop tick, each by its `reply`."""

    def limits(self) -> Limits:
        """The bounds now in force; the transport enforces body size and queue."""

    def close(self) -> None:
        """Write what is left and let go of files."""


class Transport(Protocol):
    """Port `transport`: accepts connections in worker processes and hands requests to applications."""

    def serve(self, factory: str, host: str, port: int, workers: int, settings: Mapping[str, Any]) -> None:
        """Serve until SIGTERM or SIGINT, then drain.

        factory: "module:function", called in each worker with (slot, settings); settings gain host and port.
        Variants take one more argument, ready(host, port), called once when the first worker accepts.
        """


class Learner(Protocol):
    """Port `learner`: one family of models and its search space.

    A learner may have `libraries`, names of modules that it needs and that an extra installs;
    `constrain(estimator, signs) -> estimator` for an unfitted estimator whose answer is to follow each prepared feature
    up (1), down (-1) or as it likes (0); `at_quantile(estimator, quantile) -> estimator` for an unfitted one that is to
    answer a quantile; `seek_rounds(estimator, learned, judged, classifies, patience) -> parameters` that finds how many
    rounds are worth it (`lab.train.stopping.Part`); `starts(rows) -> [parameters]`, settings within its space that are
    tried after its defaults, before any are drawn. Its estimator is weighed if its `fit` takes `sample_weight`, and is
    told of a folder and a listener if it has the attributes `keep` and `watch`.
    """

    name: str
    tasks: tuple[Task, ...]
    complexity: int  # smaller is simpler; decides "the simplest within one standard error"

    def space(self, trial: Any, rows: int) -> dict[str, Any]:
        """Parameters drawn from an Optuna trial."""

    def default(self, rows: int) -> dict[str, Any]:
        """Parameters of the first trial."""

    def build(self, task: Task, parameters: Mapping[str, Any], seed: int) -> Any:
        """An unfitted sklearn estimator."""


class Streamed(Protocol):
    """Port `streamed`: how the learner of that name learns from rows that lie on the disk, a part at a time.

    how: in words, for reports. A third party's variant is named as its learner is.
    """

    how: str

    def refuses(self, rows: int, width: int, outputs: int, memory: int) -> str | None:
        """None if so many rows of `width` features can be learned from in `memory` bytes, else the reason why not."""

    def fit(self, estimator: Any, stream: Any, classes: Sequence[str]) -> Any:
        """The learner's unfitted estimator, fitted on every row.

        stream: `lab.train.out_of_core.stored.Stored`, which gives (features, truth, weights) in parts, again and
        again, truth as positions in `classes` or as numbers; classes: empty for a regression.
        """


class Shrinker(Protocol):
    """Port `shrinker`: one way to make a model smaller.

    group: what `fairlead compress --only` calls this and its like. A shrinker that changes fitted models has
    `shrink(fitted, rows, step, seed) -> estimator` as well: rows with features (n, f), truth and weights (n,), step as
    `Subject.then` wrote it; the fitted model stays as it was. It raises NotCompilable for a model that it does not
    take.
    """

    name: str
    group: str

    def tries(self, subject: Any) -> Iterable[Any]:
        """What to try for a `lab.compress.Subject`, mild ones first: `lab.compress.Smaller`, none where it has none."""


class WarmStarted(Protocol):
    """Port `warm`: how the learner of that name goes on from a model of its own that is sealed."""

    name: str

    def artefact(self, estimator: Any) -> bytes | None:
        """What is kept beside the bundle of a fitted estimator to go on from; None: the sealed model says it all."""

    def tries(self, parameters: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Parameters worth trying when going on from a model with these."""

    def fit(self, estimator: Any, sealed: bytes, stream: Any, classes: Sequence[str]) -> Any:
        """The learner's unfitted estimator, gone on from `sealed` (the artefact, or the linear tail) on these rows.

        stream, classes: as for `Streamed`.
        """


class AlertChannel(Protocol):
    """Port `alert`: delivers one message. Raises RemoteError when it could not, in words that hold no secret.

    Built with its address, of which it connects to nothing yet. A channel may have `tell(alert)`, which gets a
    `contract.incidents.Alert` in the place of words; `pictures`, True where `alert.picture` is to be drawn for it; and
    `check()`, which raises ConfigInvalid for an address that it cannot use.
    """

    def send(self, title: str, body: str) -> None:
        """Deliver, within ten seconds."""


class Emitter(Protocol):
    """Port `emitter`: turns one family of fitted estimators into a tail.

    `accepts` is the allow-list: types and parameters that are known to be reproduced.
    file: the tail's name in a bundle, `model/tail.onnx` or `model/tail.json` (`runtime.bundle.tail.LinearForm`).
    An emitter may have `prepare(estimator, lanes) -> lanes` for what its estimator does to its features first, and
    `emit_sparse(estimator, features)` where rows in a sparse matrix mean something else than the same rows in full.
    """

    form: str
    tolerance: float
    file: str

    def accepts(self, estimator: Any) -> str | None:
        """None if this estimator can be emitted exactly, else the reason why not."""

    def emit(self, estimator: Any, features: int) -> bytes:
        """Bytes of `file`. ONNX: one double input `x` (rows, features), one double output `value` (rows, outputs)."""


class Explainer(Protocol):
    """Port `explainer`: shares the margin of a compiled model among its source columns.

    subject, terms: see `runtime.explain.subject`; exact: whether nothing is sampled.
    """

    name: str
    exact: bool

    def accepts(self, subject: Any, terms: Any) -> str | None:
        """None if it can explain this on these terms, else the reason why not."""

    def attribute(self, subject: Any, features: Any, terms: Any) -> Any:
        """`runtime.explain.attributed.Attributed` of features, double (rows, width): attributions (rows, columns, k)
        that sum to margin - baseline. Raises DeadlineExceeded by `terms.check()` between steps.
        """


class Fetch(Protocol):
    """Where the bytes of a bundle come from."""

    def __call__(self, bundle: str) -> Path:
        """A local folder with that bundle; raises BundleNotFound."""


class ExportTarget(Protocol):
    """Port `export_target`: one system that a version is exported to; `reach.export.Exported` says of what.

    `options`: name -> `reach.export.Option`, what `--set name=value` may say. A target may have `bundled = False`,
    where it does without a version, and `notes(exported) -> lines` that a person should read.
    """

    name: str
    options: Mapping[str, Any]

    def write(self, exported: Any, to: Path) -> tuple[Path, ...]:
        """Write files into the empty folder `to` and return their paths. Equal input, equal bytes.

        The folder is renamed into place afterwards, so no path of it may stand in a file. Raises FairleadError where
        this version cannot be exported so, saying what would help.
        """
