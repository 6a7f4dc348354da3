"""Runs where KServe is installed: documents on stdin, built as KServe's own models, which must take every word."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import kserve.models
from kubernetes import client

ROOTS = {"InferenceService": "V1beta1InferenceService", "ServingRuntime": "V1alpha1ServingRuntime"}


def built(kind: str, data: Any, where: str) -> Any:
    """`data` as the model `kind`; raises ValueError for a word or kind that the models do not know."""
    many = re.fullmatch(r"list\[(.+)\]", kind)
    named = re.fullmatch(r"dict\((\w+), (.+)\)", kind)
    if many:
        if not isinstance(data, list):
            raise ValueError(f"{where}: a list is wanted")
        return [built(many[1], one, f"{where}[{at}]") for at, one in enumerate(data)]
    if named:
        return {key: built(named[2], one, f"{where}.{key}") for key, one in data.items()}
    plain = {"str": str, "int": int, "bool": bool, "float": (int, float)}.get(kind)
    if plain is not None:
        if not isinstance(data, plain) or (kind == "int" and isinstance(data, bool)):
            raise ValueError(f"{where}: {kind} is wanted, found {data!r}")
        return data
    model = getattr(kserve.models, kind, None) or getattr(client, kind, None)
    if model is None:
        return data
    names = {word: name for name, word in model.attribute_map.items()}
    if unknown := sorted(data.keys() - names.keys()):
        raise ValueError(f"{where}: {kind} does not know {unknown}")
    return model(**{names[k]: built(model.openapi_types[names[k]], v, f"{where}.{k}") for k, v in data.items()})


for document in json.load(sys.stdin):
    built(ROOTS[document["kind"]], document, document["kind"])
    print("built", document["kind"])
