"""docs/how-to/data-contract.md and watch-data-quality.md: their YAML and TOML are read, what they name exists."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import yaml

from fairlead.contract.expectations import ColumnTerms, DataContract
from fairlead.contract.plugins import names
from fairlead.ops.monitor.contracts.reading import parse_contract
from fairlead.ops.monitor.contracts.schema import contract_schema
from fairlead.ops.project import parse_settings

PAGES = Path(__file__).resolve().parents[2] / "docs"
TEXT = (PAGES / "how-to" / "data-contract.md").read_text()
MODEL = '[model]\nname = "churn"\ntask = "classification"\ntarget = "Churn"\n'


def test_the_contract_shown_is_one_and_fits_the_published_schema() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.S)
    read = parse_contract(block.encode()).terms
    assert read.version == "3"
    assert read.columns["customerID"].unique
    jsonschema.validate(yaml.safe_load(block), contract_schema())
    assert json.loads(json.dumps(contract_schema())) == json.loads(
        (PAGES / "reference" / "contract.schema.json").read_text()
    )


def test_every_key_of_a_contract_is_shown() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.S)
    for key in (*DataContract.__struct_fields__, *ColumnTerms.__struct_fields__):
        assert key in ("closed",) or f"{key}:" in block, key


def test_the_settings_shown_can_be_set() -> None:
    (block,) = re.findall(r"```toml\n(.*?)```", TEXT, re.S)
    assert parse_settings(f"{MODEL}\n{block}")[0].monitor.contract == "contract.yaml"


def test_every_finding_of_quality_is_told() -> None:
    text = (PAGES / "how-to" / "watch-data-quality.md").read_text()
    for check in (
        "missing", "new_category", "imputed", "out_of_range", "vanished_category", "stuck", "gaps", "duplicates",
        "unit", "volume", "daily_shape", "fresh",
    ):  # fmt: skip
        assert f"`{check}`" in text
    assert {"rows", "contract", "stuck", "gaps", "repeats", "units", "vanished", "rhythm"} <= set(names("window_check"))
