"""A contract's YAML to its structs. Errors name file, line and key, and the nearest valid key.

YAML is read as data alone: no tags, no anchors (which can blow a small file up), no key twice.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_type_hints

import msgspec

from fairlead.contract.errors import ConfigInvalid, MissingExtra, UsageError
from fairlead.contract.expectations import (
    MOST_COLUMNS,
    MOST_RELATIONS,
    ColumnTerms,
    DataContract,
    RelationTerms,
    Terms,
    VolumeTerms,
)
from fairlead.ops.monitor.contracts.patterns import problem_of
from fairlead.ops.project.durations import parse_duration

LARGEST = 1 << 20
DEEPEST = 8
MOST_PARTS = 50_000
RELATION = re.compile(r"\s*(\S.*?)\s*(<=|>=|==|!=|<|>)\s*(\S.*?)\s*")
_FLAGS = ("true", "false")
_Struct = TypeVar("_Struct", bound=Terms)


class Contract(NamedTuple):
    """terms: what it says. digest: hex sha256 of its content, whatever its version, comments and layout."""

    terms: DataContract
    digest: str
    file: str


def read_contract(path: Path) -> Contract:
    """The contract of a file. Raises ConfigInvalid, MissingExtra."""
    try:
        data = path.read_bytes()
    except OSError as why:
        cure = "`fairlead contract init` writes one."
        raise ConfigInvalid(f"cannot be read: {why.strerror}.", file=path.name, cure=cure) from why
    return parse_contract(data, path.name)


def parse_contract(data: bytes, file: str = "contract.yaml") -> Contract:
    """The contract that this text is. Raises ConfigInvalid, MissingExtra."""
    if len(data) > LARGEST:
        raise ConfigInvalid(f"is larger than {LARGEST} bytes.", file=file)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as why:
        raise ConfigInvalid("is not UTF-8 text.", file=file) from why
    terms = _Parsed(text, file).contract()
    content = msgspec.json.encode(msgspec.structs.replace(terms, version="-"), order="deterministic")
    return Contract(terms, hashlib.sha256(content).hexdigest(), file)


class _Parsed:
    """One text on its way. lines: where each key stands, by its path."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.lines: dict[tuple[str, ...], int] = {}
        self.parts = self.documents = 0
        self.raw = self._load(text)

    def fail(self, path: tuple[str, ...], what: str, cure: str = "") -> ConfigInvalid:
        line = next((self.lines[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.lines), 0)
        return ConfigInvalid(what, file=self.file, line=line, key=".".join(path), cure=cure)

    def _load(self, text: str) -> Any:
        try:
            import yaml
        except ImportError as missing:
            raise MissingExtra("pyyaml", "studio") from missing
        try:
            loader = yaml.SafeLoader(text)
            # Events first: they tell of depth and anchors before anything is built from them.
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                self._look(event, yaml)
            node = loader.get_single_node()
            return None if node is None else self._value(node, (), loader, yaml)
        except yaml.MarkedYAMLError as why:
            mark = why.problem_mark
            what = f"not YAML: {why.problem or why.context or 'cannot be read'}."
            raise ConfigInvalid(what, file=self.file, line=mark.line + 1 if mark else 0) from why
        except (yaml.YAMLError, ValueError, RecursionError) as why:
            if isinstance(why, ConfigInvalid):
                raise
            raise ConfigInvalid(f"not YAML: {str(why).splitlines()[0][:200]}.", file=self.file) from why

    def _look(self, event: Any, yaml: Any) -> None:
        self.parts += 1
        line = event.start_mark.line + 1
        if self.parts > MOST_PARTS:
            raise ConfigInvalid(f"more than {MOST_PARTS} parts.", file=self.file, line=line)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ConfigInvalid("anchors and aliases are not taken.", file=self.file, line=line)
        if getattr(event, "tag", None):
            raise ConfigInvalid("tags (!name) are not taken.", file=self.file, line=line)
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                raise ConfigInvalid("one document a file, please.", file=self.file, line=line)

    def _value(self, node: Any, path: tuple[str, ...], loader: Any, yaml: Any) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if len(path) > DEEPEST:
            raise self.fail(path, f"nested deeper than {DEEPEST}.")
        if isinstance(node, yaml.SequenceNode):
            return [self._value(one, (*path, str(at)), loader, yaml) for at, one in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            value = loader.construct_object(node)
            # Only true and false are flags, as in YAML 1.2: `[yes, no]` are two categories.
            return str(node.value) if isinstance(value, bool) and node.value.lower() not in _FLAGS else value
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.fail(path, "a key must be a word.")
            # As it is written: a column may be called `no` or `2011`.
            key = str(key_node.value)
            inner = (*path, key)
            self.lines[inner] = key_node.start_mark.line + 1
            if key in found:
                raise self.fail(inner, "is there twice.")
            found[key] = self._value(value_node, inner, loader, yaml)
        return found

    def contract(self) -> DataContract:
        """The whole, checked part by part so that errors can say where."""
        raw = self.raw
        if not isinstance(raw, dict):
            raise self.fail((), "expected keys and values, first of all `version: 1`.")
        if isinstance(raw.get("version"), int | float) and not isinstance(raw.get("version"), bool):
            raw = raw | {"version": str(raw["version"])}
        parts: dict[str, Any] = {"columns": {}, "relations": (), "volume": None}
        self._known(raw, DataContract, ())
        columns = raw.get("columns") or {}
        if not isinstance(columns, dict):
            raise self.fail(("columns",), "expected columns by their names.")
        if len(columns) > MOST_COLUMNS:
            raise self.fail(("columns",), f"more than {MOST_COLUMNS} columns.")
        for name, terms in columns.items():
            parts["columns"][name] = self._column(name, {} if terms is None else terms)
        relations = raw.get("relations") or []
        if not isinstance(relations, list) or len(relations) > MOST_RELATIONS:
            raise self.fail(("relations",), f"expected a list of at most {MOST_RELATIONS} rules.")
        parts["relations"] = tuple(self._relation(at, one) for at, one in enumerate(relations))
        if raw.get("volume") is not None:
            parts["volume"] = self._struct(raw["volume"], VolumeTerms, ("volume",))
            most = parts["volume"].at_most
            if most is not None and most < parts["volume"].at_least:
                raise self.fail(("volume",), "at_most is less than at_least.")
        rest = {key: value for key, value in raw.items() if key not in parts and value is not None}
        contract = msgspec.structs.replace(self._struct(rest, DataContract, ()), **parts)
        if contract.freshness:
            self._duration(contract.freshness)
        return contract

    def _struct(self, value: Any, kind: type[_Struct], path: tuple[str, ...]) -> _Struct:
        if not isinstance(value, dict):
            raise self.fail(path, "expected keys and values.")
        self._known(value, kind, path)
        hints = get_type_hints(kind, include_extras=True)
        for key, one in value.items():
            try:
                msgspec.convert(one, hints[key], strict=True)
            except msgspec.ValidationError as why:
                raise self.fail((*path, key), _words(str(why)), _meaning(key)) from None
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as why:
            raise self.fail(path, _words(str(why))) from None

    def _known(self, value: dict[str, Any], kind: type[Terms], path: tuple[str, ...]) -> None:
        for key in value:
            if key not in kind.__struct_fields__:
                near = difflib.get_close_matches(key, kind.__struct_fields__, n=1, cutoff=0.5)
                cure = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(kind.__struct_fields__)}."
                raise self.fail((*path, key), "unknown key.", cure)

    def _column(self, name: str, value: Any) -> ColumnTerms:
        path = ("columns", name)
        terms = self._struct(value, ColumnTerms, path)
        for key in ("range", "mean"):
            self._bounds(getattr(terms, key), (*path, key))
        for level, bounds in terms.quantiles.items():
            at = (*path, "quantiles", level)
            try:
                inside = 0.0 <= float(level) <= 1.0
            except ValueError:
                inside = False
            if not inside:
                raise self.fail(at, "a quantile is asked for by its level, from 0 to 1.", "Write it as 0.5: [10, 20].")
            self._bounds(bounds, at)
        if terms.pattern and (why := problem_of(terms.pattern)):
            raise self.fail((*path, "pattern"), f"{why}.")
        if terms.kind in ("category", "text") and (terms.range or terms.mean or terms.quantiles):
            raise self.fail(path, f"a {terms.kind} has no range, mean or quantiles.")
        if terms.kind not in (None, "category", "text") and terms.pattern:
            raise self.fail((*path, "pattern"), f"a {terms.kind} is no text.")
        return terms

    def _bounds(self, bounds: tuple[float | None, float | None] | None, path: tuple[str, ...]) -> None:
        if bounds is None:
            return
        low, high = bounds
        if any(one is not None and math.isnan(one) for one in bounds):
            raise self.fail(path, "a limit must be a number.")
        if low is not None and high is not None and low > high:
            raise self.fail(path, "the least is greater than the greatest.")

    def _relation(self, at: int, value: Any) -> RelationTerms:
        path = ("relations", str(at))
        terms = self._struct({"rule": value} if isinstance(value, str) else value, RelationTerms, path)
        if RELATION.fullmatch(terms.rule) is None:
            raise self.fail(path, "is no rule between two columns.", "Write it as `casual <= cnt`.")
        return terms

    def _duration(self, text: str) -> None:
        try:
            parse_duration(text)
        except UsageError as why:
            raise self.fail(("freshness",), f"{why}") from why


_MEANING = {
    "version": "Write it as version: \"1\"; change it with the content.",
    "range": "Write it as [0, 100]; null where there is no limit.",
    "mean": "Write it as [10, 20]; null where there is no limit.",
    "missing": "A share from 0 to 1.",
    "tolerate": "A share from 0 to 1.",
    "categories": "Write it as [yes, no].",
    "quantiles": "Write it as {0.5: [10, 20]}.",
    "at_door": "One of count, refuse, leave.",
    "kind": "One of number, integer, boolean, category, text, time.",
    "per": "One of hour, day.",
    "freshness": "Write it as 2h.",
}  # fmt: skip


def _meaning(key: str) -> str:
    return _MEANING.get(key, "")


def _words(text: str) -> str:
    """What msgspec found wrong, without its path."""
    what = text.split(" - at `")[0]
    return what[:1].lower() + what[1:] + "."
