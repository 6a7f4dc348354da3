"""`/docs`: what is served, what it takes, how to ask; readable without a script."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from fairlead.contract.signature import Column
from fairlead.runtime.bundle.tensor_cells import length
from fairlead.runtime.serve.deployed import Deployed, Serving
from fairlead.runtime.serve.web import neighbouring, tensor_columns
from fairlead.runtime.serve.web.addresses import FIXED, WORDS
from fairlead.runtime.serve.web.columns import MOST_NAMED, Field, example_of, fields_of, number_in_words
from fairlead.runtime.serve.web.forecast_form import steps_in_words
from fairlead.runtime.serve.web.making import Steps
from fairlead.runtime.serve.web.markup import attributes
from fairlead.runtime.serve.web.openapi import MOST_TYPED, endpoints_of
from fairlead.runtime.serve.web.protocols import TITLES

_OPEN = 3
"""Models up to which all are unfolded."""
_NAMED = 4
"""Classes up to which all are named in a line."""
_ORIGIN = '<span class="origin">http://localhost:8080</span>'
_KINDS = {
    "number": "number",
    "integer": "whole number",
    "boolean": "true or false",
    "category": "category",
    "text": "text",
    "time": "time",
    "tensor": "numbers",
}


def contents(serving: Serving, fixed: frozenset[str], *, secured: bool) -> Steps[str]:
    """The inside of the page, piece by piece."""
    served = sorted(serving.deployed.items())
    full = served[:MOST_TYPED]
    told: list[str] = []
    for _, one in full:
        told.append(_model(serving, one, unfold=len(served) <= _OPEN, secured=secured))
        yield
    listed = "\n".join(told)
    listed += "\n".join(_named(name) for name in sorted({*serving.models} - {name for name, _ in full}))
    if not listed:
        listed = "<p>No model is served yet. This page fills itself as soon as one is deployed; reload it then.</p>"
    return f"""<h1>Models served here</h1>
<p class="lead">Every model has a form for people and an address for programs. The whole interface, with every field
typed, is in the <a href="/openapi.json">OpenAPI document</a>.</p>
{listed}
{_feedback()}
{_errors(secured=secured)}
{_addresses(fixed)}"""


def _model(serving: Serving, deployed: Deployed, *, unfold: bool, secured: bool) -> str:
    name = deployed.route.model
    fields = fields_of(deployed)
    passed = deployed.signature.passthrough
    optional = f"<p>Optional, passed through and never looked at by the model: {_codes(passed)}.</p>" if passed else ""
    return f"""<details class="model"{attributes(open=unfold)}>
<summary><h2>{escape(name)}</h2> <span class="what">{summary_of(deployed)}</span></summary>
<p><a class="try" href="/models/{quote(name)}">Try {escape(name)} in a form</a></p>
<h3>What it takes</h3>
<div class="scroll" role="region" tabindex="0" aria-label="Columns of {escape(name)}">
<table>
<thead><tr><th scope="col">column</th><th scope="col">kind</th><th scope="col">values</th>
<th scope="col">missing</th></tr></thead>
<tbody>
{chr(10).join(_row(field) for field in fields)}
</tbody>
</table>
</div>
{optional}
<h3>What it gives</h3>
<p>{_gives(deployed)}</p>
<h3>How to ask</h3>
{_how(name, fields, secured=secured)}
<h3>Its addresses</h3>
<ul class="addresses">
{chr(10).join(_address(path, codec) for path, codec in _paths(serving, deployed))}
</ul>
</details>"""


def _named(name: str) -> str:
    """One of very many, or one that is not loaded."""
    return f"""<section class="sleeping"><h2>{escape(name)}</h2>
<p><a href="/models/{quote(name)}">Open the form of {escape(name)}</a>, which loads it where it is not loaded yet, or
read its <a href="/models/{quote(name)}/openapi.json">OpenAPI document</a>.</p></section>"""


def summary_of(deployed: Deployed) -> str:
    """What a model predicts, in a line of HTML."""
    signature = deployed.signature
    target = f"<code>{escape(signature.target)}</code>" if signature.target else ""
    classes = signature.classes
    if signature.task == "anomaly":
        said = "Tells rows that are unlike the others"
    elif signature.task == "forecasting":
        said = f"Forecasts {target or 'a series'}: {steps_in_words(signature)}"
    elif signature.task == "clustering":
        said = f"Puts rows into one of {len(classes)} groups"
    elif not classes:
        said = f"Predicts the number {target}" if target else "Predicts a number"
    elif len(classes) <= _NAMED:
        said = f"Predicts {target or 'a class'}: {escape(' or '.join(classes))}"
    else:
        said = f"Predicts {target or 'a class'}, one of {len(classes)} classes"
    versions = f" · version {escape(', '.join(deployed.versions))}" if deployed.versions else ""
    return said + versions


def _gives(deployed: Deployed) -> str:
    signature = deployed.signature
    if signature.task == "clustering":
        return f"The name of a cluster a row: {_codes(signature.classes)}."
    if signature.task == "forecasting":
        return (
            f"The next {steps_in_words(signature)}, as a list <code>forecast</code> or as {_codes(signature.outputs)}."
        )
    if signature.task == "anomaly":
        return f"Whether a row is an anomaly, and its score: it is one when that is above {signature.threshold:g}."
    if signature.task != "classification":
        return "One number a row."
    said = f"A label and the probability of each class: {_codes(signature.classes)}."
    if signature.positive is not None and len(signature.classes) == 2:
        said += (
            f" It says <code>{escape(signature.positive)}</code> when its probability is above {signature.threshold:g}."
        )
    if signature.confidence > 0.0:
        said += f" An answer whose own probability is below {signature.confidence:g} is marked <code>abstained</code>."
    return said


def _codes(names: tuple[str, ...]) -> str:
    shown = ", ".join(f"<code>{escape(name)}</code>" for name in names[:MOST_NAMED])
    return shown + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")


def _row(field: Field) -> str:
    column = field.column
    missing = "must be given" if field.required else "<code>null</code>"
    return (
        f'<tr><th scope="row"><code>{escape(column.name)}</code></th><td>{_kind(column)}</td>'
        f"<td>{_values(field)}</td><td>{missing}</td></tr>"
    )


def _kind(column: Column) -> str:
    if column.kind == "tensor" and tensor_columns.picture_of(column) is not None:
        return "image"
    return _KINDS.get(column.kind, column.kind)


def _values(field: Field) -> str:
    column = field.column
    said: list[str] = []
    if column.kind == "tensor":
        told = tensor_columns.kind_in_words(column)
        said.append(f"{told[:1].lower() + told[1:]}; <code>{escape(column.dtype)} {list(column.shape)}</code>")
        said.append('nested lists, one list row by row, or its bytes as <code>{"b64": "…"}</code>')
    if column.minimum is not None:
        said.append(f"from {number_in_words(column, column.minimum)}")
    if column.maximum is not None:
        said.append(f"up to {number_in_words(column, column.maximum)}")
    if column.low is not None and column.high is not None and column.kind != "boolean":
        low, high = (number_in_words(column, at) for at in (column.low, column.high))
        said.append(f"training saw {escape(low)} to {escape(high)}")
    if column.categories:
        said.append(_categories(column, "no others" if field.closed else "others are answered, too"))
    return "; ".join(said)


def _categories(column: Column, others: str) -> str:
    listed = _codes(column.categories)
    if len(column.categories) <= 8:
        return f"{listed}; {others}"
    return f"<details><summary>{len(column.categories)} categories; {others}</summary>{listed}</details>"


def _how(name: str, fields: tuple[Field, ...], *, secured: bool) -> str:
    row: dict[str, Any] = {field.column.name: example_of(field) for field in fields}
    long = [field.column for field in fields if field.column.kind == "tensor" and row[field.column.name] is None]
    nested = any(field.column.kind == "tensor" for field in fields)
    body = json.dumps(row, ensure_ascii=False, indent=2 if len(row) > 3 and not nested else None)
    key = " \\\n  -H 'x-api-key: YOUR-KEY'" if secured else ""
    given = "@row.json" if long else shlex.quote(body)
    curl = f"/predict/{quote(name)} \\\n  -H 'content-type: application/json'{key} \\\n  -d {given}"
    headers = ', headers={"x-api-key": "YOUR-KEY"}' if secured else ""
    python = f"row = {_literal(row, long)}\nanswer = httpx.post(url, json=row{headers}).json()\n"
    python += 'print(answer["predictions"][0])'
    url = f'import httpx\n\nurl = "{_ORIGIN}/predict/{quote(name)}"\n'
    words = "curl; row.json holds a row, as the one below" if long else "curl"
    url = f"import base64\n{url}" if long else url
    return _code(words, f"curl -s {_ORIGIN}{escape(curl)}") + _code("Python", url + escape(python))


def _literal(row: dict[str, Any], long: Sequence[Column] = ()) -> str:
    """A row in Python, a line a column where there are many. long: columns whose tensors are made of zeros there."""
    told = {name: repr(value) for name, value in row.items()}
    told |= {c.name: f'{{"b64": base64.b64encode(bytes({length(c)})).decode()}}' for c in long}
    if len(row) <= 3:
        return "{" + ", ".join(f"{name!r}: {value}" for name, value in told.items()) + "}"
    return "{\n" + "".join(f"    {name!r}: {value},\n" for name, value in told.items()) + "}"


def _code(title: str, markup: str) -> str:
    """Something to copy."""
    return f'<figure><figcaption>{title}</figcaption><pre tabindex="0"><code>{markup}</code></pre></figure>\n'


def _paths(serving: Serving, deployed: Deployed) -> list[tuple[str, str]]:
    return [(path, e.codec.name) for path, e in endpoints_of(serving) if e.deployed is deployed]


def _address(path: str, codec: str) -> str:
    return f"<li><code>POST {escape(path)}</code> {escape(TITLES.get(codec, codec))}</li>"


def _feedback() -> str:
    body = '{"request": "ID", "row": 0, "label": "…", "comment": "…"}'
    return f"""<section aria-labelledby="feedback"><h2 id="feedback">Say when an answer was wrong</h2>
<p>Every answer carries its id in the header <code>x-request-id</code>. Send what was right, or words, at once or months
later; it is joined to the answer it is about. The forms do the same behind “This is wrong”.</p>
{_code("curl", f"curl -s {_ORIGIN}/feedback/MODEL -d {escape(shlex.quote(body))}")}</section>"""


def _errors(*, secured: bool) -> str:
    shown = {code: words for code, words in WORDS.items() if secured or code not in {401, 403, 429}}
    rows = "\n".join(f'<tr><th scope="row">{code}</th><td>{escape(words)}</td></tr>' for code, words in shown.items())
    return f"""<section aria-labelledby="errors"><h2 id="errors">When something is wrong</h2>
<p>The body is <code>{{"error": "…"}}</code>: what, where, and what would be right. It never repeats a value.</p>
<div class="scroll" role="region" tabindex="0" aria-labelledby="errors"><table>
<thead><tr><th scope="col">code</th><th scope="col">meaning</th></tr></thead><tbody>
{rows}
</tbody></table></div></section>"""


def _addresses(fixed: frozenset[str]) -> str:
    rows = "\n".join(
        f'<tr><th scope="row"><code>{escape(path)}</code></th><td>{escape(_summary(path))}</td></tr>'
        for path in sorted(fixed)
    )
    return f"""<section aria-labelledby="other"><h2 id="other">Other addresses</h2>
<div class="scroll" role="region" tabindex="0" aria-labelledby="other"><table>
<thead><tr><th scope="col">address</th><th scope="col">what it says</th></tr></thead><tbody>
{rows}
</tbody></table></div></section>"""


def _summary(path: str) -> str:
    known = FIXED.get(path) or neighbouring.FIXED.get(path) or neighbouring.probe("probe")
    said: str = known["get"]["summary"]
    return said
