"""What a worker answers with: the routes of one generation with their models loaded, swapped as one reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote

import msgspec

from fairlead.contract.errors import BundleRefused, FairleadError
from fairlead.contract.plugins import names, variant
from fairlead.contract.routes import Route, Routes, Variant
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle.abstaining import abstaining
from fairlead.runtime.bundle.population import counting
from fairlead.runtime.bundle.zones import zone_of
from fairlead.runtime.serve.assignment import assign
from fairlead.runtime.serve.counters import BUCKETS, Counters
from fairlead.runtime.serve.expecting import expecting
from fairlead.runtime.wire.checks import Checks, Row
from fairlead.runtime.wire.codec import Codec
from fairlead.runtime.wire.frames import Schema

if TYPE_CHECKING:
    from fairlead.runtime.serve.access import Access

Guard = Callable[[Sequence[Row]], None]


class Model(Protocol):
    """What `runtime/bundle` gives for a verified bundle, as far as serving needs it."""

    @property
    def signature(self) -> Signature: ...

    @property
    def guard(self) -> Guard | None: ...

    def score_rows(self, rows: Sequence[Row]) -> Any: ...

    def decide(self, scores: Any) -> Any: ...


Load = Callable[[Path, Sequence[str]], Model]
Find = Callable[[str], Path]


class Live:
    """One variant with its loaded model and where it counts. cost: seconds a row lately, learnt as it answers.

    answer: labels (None for a number) and scores of some rows, as lists with one entry a row.
    abstaining: which of its answers it leaves to people; None where it answers every row.
    unusual: numbers of the rows that are unlike those of training; None where that cannot be told.
    aside: the model is slow or may hang, and answers without being waited for (`submit`).
    """

    __slots__ = (
        "abstaining", "answer", "aside", "classified", "columns", "cost", "counters", "guard", "model", "rows_at",
        "schema", "shadow", "unusual", "unusual_at", "variant", "version",
    )  # fmt: skip

    def __init__(self, route: Route, taken: Variant, model: Model, counters: Counters, merged: Signature) -> None:
        self.variant, self.model, self.shadow = taken, model, taken.shadow
        self.version = str(taken.version) if taken.version else ""
        self.cost = 0.0
        self.classified = bool(model.signature.labels)
        self.guard = model.guard
        outside = counting(model.signature)
        if outside is not None:
            self.guard = _counted(self.guard, outside, counters, (route.model, str(taken.version or ""), taken.name))
        if route.expected is not None:
            self.guard = expecting(self.guard, route, taken, model.signature, counters)
        self.abstaining = abstaining(model.signature)
        self.aside = hasattr(model, "submit")
        self.answer = getattr(model, "answer_rows", None) or partial(_answered, model, self.classified)
        own = model.signature.names
        # Rows come in the route's order; a variant with another one gets them in its own.
        self.columns = None if own == merged.names else tuple(merged.names.index(name) for name in own)
        kept = _without_values(model.signature, route.redact)
        self.schema = Schema(
            route.model, taken.bundle, taken.version, kept, list(route.redact), list(merged.passthrough)
        )
        labels = (route.model, str(taken.version or ""), taken.name)
        self.counters = counters
        self.rows_at = counters.index(("rows", *labels))
        finder = getattr(model, "unusual", None)
        self.unusual: Callable[[Sequence[Row]], list[int]] | None = None if finder is None else finder.find
        self.unusual_at = -1 if finder is None else counters.index(("anomalous", *labels))

    def learn(self, seconds: float, rows: int) -> None:
        """Answering `rows` took `seconds`: a moving average, quick to rise, so that overload is met at once."""
        cost = seconds / rows
        self.cost += (cost - self.cost) * (0.5 if cost > self.cost else 0.1)


def _counted(
    guard: Guard | None, outside: Callable[[Sequence[Row]], int], counters: Counters, labels: tuple[str, ...]
) -> Guard:
    """`guard`, and rows counted that the model is not meant for."""
    at = counters.index(("outside", *labels))

    def counted(rows: Sequence[Row]) -> None:
        if guard is not None:
            guard(rows)
        counters.cells[at] += outside(rows)

    return counted


def _answered(model: Model, classified: bool, rows: Sequence[Row]) -> tuple[Any, list[list[float]]]:
    """For a model without `answer_rows`."""
    scores = model.score_rows(rows)
    labels = model.decide(scores) if classified else None
    return labels if labels is None or isinstance(labels, list) else labels.tolist(), scores.tolist()


class Deployed:
    """One route with everything that can be worked out before a request comes. used: when last, by `clock.steady`."""

    def __init__(self, route: Route, lives: Sequence[Live], checks: Checks, codecs: Mapping[str, Codec]) -> None:
        self.route, self.checks, self.codecs = route, checks, dict(codecs)
        self.used = 0.0
        self.answering = tuple(live for live in lives if not live.shadow)
        self.shadows = tuple(live for live in lives if live.shadow)
        self.only = self.answering[0] if len(self.answering) == 1 else None
        self.by_name = {live.variant.name: live for live in self.answering}
        self.cohort = frozenset(route.cohort)
        signature = checks.signature
        self.signature = signature
        self.zone = zone_of(signature.timezone)
        self.sticky = _place(route.sticky_by, signature)
        self.key = _place(signature.row_key, signature)
        self.sampled = route.sample < 1.0
        hidden = set(route.redact)
        self.tensors = tuple(column for column in signature.columns if column.kind == "tensor")
        self.hidden_rows = tuple(at for at, name in enumerate(signature.names) if name in hidden)
        self.hidden_passes = tuple(at for at, name in enumerate(signature.passthrough) if name in hidden)
        self.redacts = bool(self.hidden_rows or self.hidden_passes)
        self.hides_key = signature.row_key in hidden
        self.versions = tuple(str(live.variant.version) for live in self.answering if live.variant.version)

    def met(self, key: str) -> Live:
        """The variant that `key` meets, as `assign` has it."""
        if self.cohort and self.only is None:
            return self.answering[-1 if key in self.cohort else 0]
        return self.by_name[assign(self.route, key).name]


class Endpoint:
    """A path where predictions are asked for.

    likely: the variant that answers most of its rows. whole: the variant that answers each of its requests whole,
    row for row as they come, with all of them captured; None where requests are to be looked at one by one.
    shared: none is, but whichever of its variants answers a request whole does it so.
    """

    __slots__ = (
        "_bytes", "_codes", "_labels", "_seconds", "codec", "counters", "deployed", "likely", "parse", "pinned",
        "shared", "whole",
    )  # fmt: skip

    def __init__(self, deployed: Deployed, codec: Codec, counters: Counters, pinned: Live | None = None) -> None:
        self.deployed, self.codec, self.pinned = deployed, codec, pinned
        self.parse = codec.parse
        live = pinned or deployed.only
        self.likely = live or max(deployed.answering, key=lambda one: one.variant.weight)
        lives = deployed.answering if live is None else (live,)
        plain = not deployed.sampled and all(one.columns is None and not one.aside for one in lives)
        self.whole = live if plain else None
        self.shared = plain and live is None
        self.counters = counters
        self._labels = (deployed.route.model, codec.name)
        self._codes: dict[tuple[int, str], int] = {}
        self._seconds: dict[Live, int] = {}
        self._bytes = -1

    def count(self, code: int, live: Live | None = None, requests: int = 1) -> None:
        """More requests answered with `code`."""
        name = live.variant.name if live is not None else ""
        at = self._codes.get((code, name))
        if at is None:
            version = str(live.variant.version or "") if live is not None else ""
            model, protocol = self._labels
            at = self.counters.index(("requests", model, version, name, protocol, str(code)))
            self._codes[code, name] = at
        self.counters.cells[at] += requests

    def seconds_at(self, live: Live) -> int:
        """Where the histogram of what `live` answered here begins: a cell a bucket, one above them, the sum."""
        at = self._seconds.get(live)
        if at is None:
            model, protocol = self._labels
            labels = ("seconds", model, live.version, live.variant.name, protocol)
            at = self._seconds[live] = self.counters.index(labels, len(BUCKETS) + 2)
        return at

    def carried(self, received: int, sent: int) -> None:
        """Bytes of bodies that were answered and of those that answered them."""
        if self._bytes < 0:
            self._bytes = self.counters.index(("bytes", *self._labels), 2)
        self.counters.cells[self._bytes] += received
        self.counters.cells[self._bytes + 1] += sent


class Serving:
    """Everything that one generation of routes serves; immutable once built.

    aliases: further paths of the default model -> the codec that is spoken there (what a platform asks for).
    asleep: routes whose models are loaded when they are asked.
    """

    def __init__(
        self,
        routes: Routes,
        deployed: Sequence[Deployed],
        counters: Counters,
        aliases: Mapping[str, str] = MappingProxyType({}),
        asleep: Mapping[str, Route] = MappingProxyType({}),
    ) -> None:
        self.asleep = asleep
        self.generation, self.limits = routes.generation, routes.limits
        self.access: Access | None = None  # nobody is asked who they are
        self.routes = routes
        self.deployed = {one.route.model: one for one in deployed}
        self.default = self._default(routes)
        self.redact_key = bytes.fromhex(routes.redact_key)
        self.endpoints: dict[str, Endpoint] = {}
        for one in deployed:
            self._add(one, counters, aliases)

    @property
    def models(self) -> list[str]:
        """Names of all models that may be asked, loaded or not."""
        return sorted([*self.deployed, *self.asleep])

    def sleeper(self, path: str) -> str | None:
        """The sleeping model that an address is about."""
        parts = [unquote(part).partition(":")[0] for part in path.split("/")]
        return next((part for part in parts if part in self.asleep), None)

    def _default(self, routes: Routes) -> Deployed | None:
        if routes.default:
            return self.deployed.get(routes.default)
        return next(iter(self.deployed.values())) if len(routes.routes) == 1 and self.deployed else None

    def _add(self, one: Deployed, counters: Counters, aliases: Mapping[str, str]) -> None:
        for name, codec in one.codecs.items():
            paths = list(codec.paths())
            if one is self.default:
                paths += [*codec.default_paths(), *(path for path, spoken in aliases.items() if spoken == name)]
            for path in paths:
                if "{version}" not in path:
                    self.endpoints[path] = Endpoint(one, codec, counters)
                    continue
                for live in one.answering:
                    if live.variant.version:
                        pinned = path.replace("{version}", str(live.variant.version))
                        self.endpoints[pinned] = Endpoint(one, codec, counters, live)


def _without_values(signature: Signature, redacted: Sequence[str]) -> Signature:
    """The signature without the categories of columns whose values are not to be stored."""
    columns = tuple(msgspec.structs.replace(c, categories=()) if c.name in redacted else c for c in signature.columns)
    return msgspec.structs.replace(signature, columns=columns)


def _place(name: str | None, signature: Signature) -> tuple[bool, int] | None:
    """Where a column is in a request: (passed through?, position)."""
    if name is None:
        return None
    if name in signature.passthrough:
        return True, signature.passthrough.index(name)
    return (False, signature.names.index(name)) if name in signature.names else None


def load_variant(taken: Variant, routes: Routes, find: Find, load: Load) -> Model:
    """The model of a variant. Raises BundleRefused with the reason."""
    try:
        return load(find(taken.bundle), routes.trusted)
    except FairleadError as refused:
        raise BundleRefused(f"variant {taken.name!r}, bundle {taken.bundle[:12]}: {refused}") from refused


def deploy(route: Route, models: Mapping[str, Model], counters: Counters) -> Deployed:
    """A route with its loaded models. Raises BundleRefused where its variants cannot answer together."""
    answering = [taken for taken in route.variants if not taken.shadow]
    if not answering:
        raise BundleRefused(f"route {route.model!r} has no variant that answers")
    signature = _merged(
        route, models[answering[0].bundle].signature, [models[v.bundle].signature for v in route.variants]
    )
    checks = Checks(signature)
    codecs = {name: variant("codec", name)(route.model, signature, checks) for name in names("codec")}
    lives = [Live(route, taken, models[taken.bundle], counters, signature) for taken in route.variants]
    return Deployed(route, lives, checks, codecs)


def _merged(route: Route, first: Signature, all_of: Sequence[Signature]) -> Signature:
    """The first variant's signature, as strict as the strictest variant: what all of them can answer."""
    timed = any(column.kind == "time" for column in first.columns)
    columns = []
    for column in first.columns:
        for other in all_of:
            column = _stricter(route, column, next((c for c in other.columns if c.name == column.name), None))
        columns.append(column)
    known = set(first.names)
    for other in all_of:
        extra = [name for name in other.names if name not in known]
        if extra:
            raise BundleRefused(f"route {route.model!r}: a variant needs {extra[0]!r}, which its first variant lacks")
        if timed and other.timezone != first.timezone:
            raise BundleRefused(f"route {route.model!r}: its variants read times without a zone differently")
        if other.outputs != first.outputs or other.task != first.task:
            raise BundleRefused(f"route {route.model!r}: its variants do not have the same outputs")
        if (other.step, other.series) != (first.step, first.series):
            raise BundleRefused(f"route {route.model!r}: its variants forecast in other steps, or of other series")
    # Any name may be the sticky one: what is no feature is taken as a pass-through column.
    return msgspec.structs.replace(
        first,
        columns=tuple(columns),
        sticky=route.sticky_by or first.sticky,
        # Above 0: answers have a mark for what is left to people; which rows are is each variant's own.
        confidence=max(other.confidence for other in all_of),
    )


def _stricter(route: Route, column: Column, other: Column | None) -> Column:
    if other is None or other is column:
        return column
    if (other.kind, other.coded, other.dtype, other.shape) != (column.kind, column.coded, column.dtype, column.shape):
        raise BundleRefused(f"route {route.model!r}: its variants do not agree on the kind of {column.name!r}")
    lows = [low for low in (column.minimum, other.minimum) if low is not None]
    highs = [high for high in (column.maximum, other.maximum) if high is not None]
    return msgspec.structs.replace(
        column,
        nullable=column.nullable and other.nullable,
        minimum=max(lows, default=None),
        maximum=min(highs, default=None),
    )
