"""The JSON schema of a data contract, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.contract.expectations import DataContract


def contract_schema() -> dict[str, Any]:
    """docs/reference/contract.schema.json. A version may be written as a number, a relation as its rule alone, a
    column without terms as nothing."""
    (found,), parts = msgspec.json.schema_components([DataContract], ref_template="#/$defs/{name}")
    contract = parts["DataContract"]
    properties = contract["properties"]
    properties["version"] = {"anyOf": [properties["version"], {"type": "number"}]}
    columns, relations = properties["columns"], properties["relations"]
    columns["additionalProperties"] = {"anyOf": [columns["additionalProperties"], {"type": "null"}]}
    relations["items"] = {"anyOf": [relations["items"], {"type": "string"}]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Fairlead data contract",
        **found,
        "$defs": parts,
    }
