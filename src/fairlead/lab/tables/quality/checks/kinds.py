"""Columns whose cells are of more than one kind."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fairlead.lab.stats.buffers import to_mask
from fairlead.lab.tables.parsing import MISSING_WORDS, parse_numbers, plain
from fairlead.lab.tables.quality.looking import Look
from fairlead.lab.tables.quality.report import Issue
from fairlead.lab.tables.quality.suggesting import exclude

_SHARE = 0.05  # of cells that read as numbers (or do not) before a column counts as mixed


class MixedKinds:
    """Strays in columns of numbers and times; words and numbers in one column; numbers written with separators."""

    name = "mixed_types"

    def check(self, look: Look) -> Iterator[Issue]:
        """At most one issue a column."""
        for column in look.schema.columns:
            facts = look.facts[column.name]
            if facts.controls:
                yield Issue(
                    "control_characters", "warning", f"{_cells(facts.controls)} control characters", column.name,
                    count=facts.controls, of=column.rows, rows=(facts.first_control,),
                )  # fmt: skip
            if column.strays:
                what = "dates or times" if column.kind == "time" else "numbers"
                yield Issue(
                    self.name, "warning", f"{_cells(column.strays)} something else than {what}", column.name,
                    count=column.strays, of=column.rows, rows=(column.first_stray,),
                )  # fmt: skip
            elif column.kind in {"category", "text"} and column.coded == "text" and column.role == "feature":
                yield from self._words_and_numbers(look, column.name)

    def _words_and_numbers(self, look: Look, name: str) -> Iterator[Issue]:
        facts = look.facts[name]
        if facts.source != "text" or facts.padded or not facts.present:
            return
        share = facts.numbers / facts.present
        if _SHARE <= share < 1.0 and facts.present - facts.words > facts.numbers:
            numbers, strange = parse_numbers(plain(look.sample.column(name)))
            fewer = strange if share > 0.5 else ~np.isnan(numbers)
            says = f"numbers in {share:.0%} of its cells and words in the others"
            yield Issue(self.name, "warning", says, name, count=int(min(facts.numbers, facts.present - facts.numbers)),
                        of=facts.rows, rows=look.examples(fewer), evidence={"numbers": facts.numbers})  # fmt: skip
            return
        grouped = self._separated(look, name)
        if grouped:
            says = "numbers written with thousands separators, currencies or percent signs are read as texts"
            yield Issue(
                self.name, "warning", says, name, count=look.projected(grouped), of=look.rows, exact=look.whole,
                suggestions=() if look.column(name).kind == "category" else (exclude(name, "until it holds numbers"),),
            )  # fmt: skip

    def _separated(self, look: Look, name: str) -> int:
        codes, words = look.codes(name)
        if not words:
            return 0
        array = pc.utf8_trim_whitespace(_array(words))
        shaped = r"^[$€£¥]?\s*[+-]?[0-9]{1,3}([,.' ][0-9]{3})*([.,][0-9]+)?\s*[$€£¥%]?$"
        fits = to_mask(pc.match_substring_regex(array, shaped)) | to_mask(
            pc.is_in(pc.utf8_lower(array), value_set=_array(list(MISSING_WORDS)))
        )
        cells = np.bincount(codes[codes >= 0], minlength=len(words))
        hit = int(cells[fits].sum())
        return hit if hit >= 0.95 * cells.sum() and fits.sum() >= 2 else 0


def _array(words: list[str]) -> pa.Array:
    return pa.array(words, pa.string())


def _cells(n: int) -> str:
    return "1 cell holds" if n == 1 else f"{n:,} cells hold"
