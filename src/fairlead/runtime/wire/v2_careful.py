"""Any V2 request, read step by step: many rows, any datatype, binary tensors, and errors that name what is wrong."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Raw

from fairlead.contract.errors import BodyInvalid, ShapeMismatch
from fairlead.contract.signature import Column
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Parsed
from fairlead.runtime.wire.reading import must_be_plain, read_json
from fairlead.runtime.wire.tensor_inputs import body_of, cells_of_list, cells_of_raw, cells_of_text, column_for
from fairlead.runtime.wire.tensors import asked_outputs, columns_of, values_of, values_of_raw
from fairlead.runtime.wire.v2_timeout import timeout_s
from fairlead.runtime.wire.whole_columns import Values

HEADER_LENGTH = "inference-header-content-length"
_SHAPE = 'body must be {"inputs": [{"name", "shape", "datatype", "data"}, ...]}'


def read(body: bytes, headers: Mapping[str, str], checks: Checks) -> Parsed:
    """What a request asks; `form` is the set of outputs wanted as binary, None for none. Raises InputInvalid."""
    stated, binary = _parts(body, headers)
    got = body_of(stated, checks) if checks.tensors else read_json(stated)
    if not isinstance(got, dict) or not isinstance(got.get("inputs"), list):
        raise BodyInvalid(_SHAPE)
    id = got.get("id")
    if id is not None and not isinstance(id, str):
        raise BodyInvalid("id must be text")
    tensors = _tensors(got["inputs"], binary, checks)
    rows, passes = checks.columns(columns_of(tensors, checks.signature))
    if not rows:
        raise BodyInvalid("the inputs have no rows")
    checks.check_times(passes)
    parsed = Parsed(rows, passes, id)
    _outputs(parsed, got, checks)
    return parsed


def _parts(body: bytes, headers: Mapping[str, str]) -> tuple[bytes, bytes]:
    """The JSON and the binary data behind it."""
    said = headers.get(HEADER_LENGTH)
    if said is None:
        return body, b""
    must_be_plain(headers)
    said = said.strip()
    if not (said.isascii() and said.isdigit()) or len(said) > 18 or int(said) > len(body):
        raise BodyInvalid("Inference-Header-Content-Length must be the number of bytes of the JSON in the body")
    return body[: int(said)], body[int(said) :]


def _tensors(inputs: Sequence[Any], binary: bytes, checks: Checks) -> list[tuple[str, Sequence[int], Values]]:
    """Names, shapes and values; binary data belongs to the tensors that state its size, in their order."""
    found: list[tuple[str, Sequence[int], Values]] = []
    view, at = memoryview(binary), 0
    for number, tensor in enumerate(inputs):
        if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
            raise BodyInvalid(f"input {number} must have name, shape, datatype and data")
        name, shape, datatype = tensor["name"], tensor.get("shape"), tensor.get("datatype")
        said = repr(name[:80])
        if not isinstance(shape, list):
            raise ShapeMismatch(f"input {said}: shape must be [rows] or [rows, 1]: one tensor holds one column")
        parameters = tensor.get("parameters") or {}
        if not isinstance(parameters, dict):
            raise BodyInvalid(f"input {said}: parameters must be an object")
        if "shared_memory_region" in parameters:
            raise BodyInvalid(f"input {said}: shared memory is not offered, send the data")
        size, data = parameters.get("binary_data_size"), tensor.get("data")
        column = column_for(name, len(inputs), checks) if checks.tensors else None
        if size is None:
            if not isinstance(data, (list, Raw)):
                raise BodyInvalid(f"input {said}: data must be a list")
            values = _listed(data, datatype, shape, name, column)
        else:
            if data is not None:
                raise BodyInvalid(f"input {said}: has both data and binary data")
            if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= len(binary) - at:
                raise ShapeMismatch(f"input {said}: binary_data_size says more bytes than the body has")
            values = _raw(view[at : at + size], datatype, shape, name, column)
            at += size
        if column is not None:
            name, shape = column.name, [len(values)]
        elif parameters.get("content_type") == "base64":
            values = _from_base64(values, name)
        found.append((name, shape, values))
    if at != len(binary):
        raise ShapeMismatch(f"the body has {len(binary) - at} bytes of binary data more than its inputs state")
    return found


def _listed(data: list[Any] | Raw, datatype: Any, shape: list[Any], name: str, column: Column | None) -> Values:
    if isinstance(data, Raw):
        assert column is not None  # else it would have been read
        return cells_of_text(data, datatype, shape, column, name)
    if column is not None:
        return cells_of_list(data, datatype, shape, column, name)
    return values_of(data, datatype, shape, name)


def _raw(raw: memoryview, datatype: Any, shape: list[Any], name: str, column: Column | None) -> Values:
    if column is not None:
        return cells_of_raw(raw, datatype, shape, column, name)
    return values_of_raw(raw, datatype, shape, name)


def _from_base64(values: Values, name: str) -> list[str | None]:
    """MLServer's content type for bytes within JSON."""
    try:
        return [None if value is None else base64.b64decode(value, validate=True).decode() for value in values]
    except (binascii.Error, UnicodeDecodeError, ValueError, TypeError):
        raise BodyInvalid(f"input {name[:80]!r}: must be UTF-8 text as base64, as its content_type says") from None


def _outputs(parsed: Parsed, got: Mapping[str, Any], checks: Checks) -> None:
    """Which outputs are asked for, which of them as binary data, and how long the client waits for them."""
    parameters = got.get("parameters") or {}
    outputs = got.get("outputs")
    if not isinstance(parameters, dict):
        raise BodyInvalid("parameters must be an object")
    parsed.patience = timeout_s(parameters.get("timeout"))
    every = parameters.get("binary_data_output") or False
    if outputs is None:
        outputs = []
    if not isinstance(outputs, list) or not all(
        isinstance(o, dict) and isinstance(o.get("name"), str) for o in outputs
    ):
        raise BodyInvalid('outputs must be [{"name": ...}, ...]')
    parsed.outputs = asked_outputs([output["name"] for output in outputs], checks.signature)
    binary = set()
    for output in outputs:
        wanted = output.get("parameters") or {}
        if not isinstance(wanted, dict):
            raise BodyInvalid("parameters of an output must be an object")
        if wanted.get("classification") or wanted.get("shared_memory_region"):
            raise BodyInvalid("outputs as classification or into shared memory are not offered")
        if wanted.get("binary_data", every):
            binary.add(output["name"])
    if every and not outputs:
        binary = {"*"}
    parsed.form = frozenset(binary) or None
