"""A file's profile is that of its rows, whatever the file's form and however it is cut into batches."""

import numpy as np
import pandas as pd
import pytest

from fairlead.contract.settings import ModelSettings, Settings
from fairlead.lab.stats import bins_for, profile, profile_batches
from fairlead.lab.tables import columns_of, open_table, signature_of, write_rows

RANDOM = np.random.default_rng(2)
ROWS = 3000
FRAME = pd.DataFrame(
    {
        "x": np.where(RANDOM.random(ROWS) < 0.1, np.nan, RANDOM.normal(size=ROWS)),
        "n": RANDOM.integers(0, 90, ROWS),
        "code": RANDOM.integers(1, 5, ROWS),
        "c": RANDOM.choice(np.array(["a", "b", None], dtype=object), ROWS),
        "y": RANDOM.normal(size=ROWS),
    }
)
SETTINGS = Settings(model=ModelSettings(name="m", task="regression", target="y"))


@pytest.mark.parametrize("ending", ["parquet", "csv", "feather"])
def test_a_file_is_profiled_batch_by_batch(tmp_path, ending):
    signature = signature_of(FRAME, SETTINGS)
    assert [c.kind for c in signature.columns] == ["number", "integer", "category", "category"]
    columns = columns_of(FRAME, signature)
    bins = bins_for(columns, signature)
    expected = profile(columns, bins)
    path = tmp_path / f"rows.{ending}"
    write_rows(FRAME, path)
    found = profile_batches((columns_of(b, signature, text="arrow") for b in open_table(path).batches(700)), bins)
    assert [(c.counts, c.missing, c.low, c.high) for c in found.columns] == [
        (c.counts, c.missing, c.low, c.high) for c in expected.columns
    ]
    assert np.allclose(found.gram, expected.gram, rtol=1e-12)
