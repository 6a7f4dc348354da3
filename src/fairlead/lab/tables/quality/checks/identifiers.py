"""Columns that name rows rather than say something about them."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.lab.tables.quality.looking import Look
from fairlead.lab.tables.quality.report import Issue, Suggestion
from fairlead.lab.tables.quality.suggesting import exclude

_SHARE = 0.9


class Identifiers:
    """Keys that the project does not know as such, and columns whose values hardly come back."""

    name = "id_like"

    def check(self, look: Look) -> Iterator[Issue]:
        """At most one issue a column. A key that `[model] id` names is none."""
        for name in look.ids:
            column = look.schema.column(name)
            if (name == look.key and look.key_named) or name in look.excluded:
                continue
            repeats = look.key_repeats.found()[0] if name == look.key else 0
            if column.name == look.target or (repeats and repeats > (1 - _SHARE) * look.rows):
                continue
            tip = Suggestion(("model",), "id", name, "labels may then come by it") if name == look.key else None
            yield Issue(self.name, "note", "names rows: a different value in each, or nearly", name, count=look.rows,
                        of=look.rows, suggestions=(tip or exclude(name, "it numbers rows"),))  # fmt: skip
        for name in look.features:
            column = look.column(name)
            if column.kind != "text" or look.facts[name].source != "text" or look.facts[name].spaced:
                continue
            codes, words = look.codes(name)
            seen = int((codes >= 0).sum())
            if seen >= 50 and len(words) >= _SHARE * seen:
                says = f"{len(words) / seen:.0%} of its values come once: it names rows or people"
                yield Issue(self.name, "warning", says, name, count=len(words), of=seen, exact=look.whole,
                            suggestions=(exclude(name, "it names rows"),))  # fmt: skip
