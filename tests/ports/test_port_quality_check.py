"""What every variant of the port `quality_check` must do, ours and third parties' alike."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from fairlead.contract.plugins import names, variant
from fairlead.lab.tables.quality.looking import look_at
from fairlead.lab.tables.quality.report import ORDER

NOW = 1.78e9
SECRET = "someone in particular"


def tables() -> dict[str, pa.Table]:
    """Awkward tables: empty columns, one row, one column, all alike, texts with secrets, odd types."""
    random = np.random.default_rng(1)
    n = 300
    return {
        "one row": pa.table({"a": [1.0], "y": ["x"]}),
        "one column": pa.table({"y": ["a", "b"] * 50}),
        "all missing": pa.table({"a": pa.nulls(n), "b": pa.nulls(n, pa.float64()), "y": ["a", "b"] * (n // 2)}),
        "no numbers": pa.table({"a": [np.inf, -np.inf, np.nan] * 100, "y": [1.5, 2.5, np.nan] * 100}),
        "secrets": pa.table(
            {"a": [f"{SECRET} {i} of us" for i in range(n)], "b": random.normal(size=n), "y": random.normal(size=n)}
        ),
        "odd types": pa.table(
            {
                "binary": [b"\x00\xff"] * n,
                "list": [[1.0, 2.0]] * n,
                "struct": [{"a": 1}] * n,
                "day": pa.array(np.arange(n, dtype=np.int32)).cast(pa.date32()),
                "flag": [True, False, None] * (n // 3),
                "huge": [10**17 + i for i in range(n)],
                "y": ["a", "b", None] * (n // 3),
            }
        ),
    }


@pytest.fixture(params=names("quality_check"))
def check(request):
    return variant("quality_check", request.param)()


@pytest.mark.parametrize("table", list(tables().items()), ids=lambda item: item[0])
@pytest.mark.parametrize("target", ["y", ""])
def test_it_says_the_same_twice_in_bounds_and_without_cells_of_texts(check, table, target):
    look = look_at(table[1], target=target, now=NOW)
    found = list(check.check(look))
    assert found == list(check.check(look))
    for issue in found:
        assert issue.severity in ORDER
        assert issue.says
        assert 0 <= issue.count <= issue.of
        assert not issue.column or issue.column in table[1].column_names
        assert len(issue.rows) <= 5
        assert all(1 <= row <= table[1].num_rows for row in issue.rows)
        assert SECRET not in str(issue)
        assert msgspec.json.decode(msgspec.json.encode(issue), type=type(issue)).says == issue.says
