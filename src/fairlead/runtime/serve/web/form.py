"""`/models/{name}`: the form of one model, made from its columns; `assets/form.js` reads it and asks the server."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from fairlead.contract.errors import CellInvalid
from fairlead.contract.signature import Column
from fairlead.runtime.bundle.forecasts import ORIGIN
from fairlead.runtime.serve.deployed import Deployed
from fairlead.runtime.serve.web import tensor_form
from fairlead.runtime.serve.web.columns import Field, example_of, fields_of, number_in_words
from fairlead.runtime.serve.web.docs import summary_of
from fairlead.runtime.serve.web.forecast_form import right_answer
from fairlead.runtime.serve.web.markup import attributes

MOST_OPTIONS = 12
"""Categories of an open column up to which they are a list to choose from; more are suggestions while typing."""
MOST_SUGGESTED = 1000
_FEW_CLASSES = 6
_OTHER = "Another value…"


def contents(deployed: Deployed) -> str:
    """The inside of the page."""
    name = deployed.route.model
    fields = fields_of(deployed)
    controls = "\n".join(_field(field, f"f{at}", _zone_of(field, deployed)) for at, field in enumerate(fields))
    return f"""<h1>{escape(name)}</h1>
<p class="lead">{summary_of(deployed)}. Fill in what you know, ask, and say when the answer is wrong.</p>
<div class="ask">
<form id="ask" novalidate{attributes(data_predict=f"/predict/{quote(name)}")}>
<div class="problems" id="problems" role="alert" tabindex="-1" hidden></div>
<fieldset class="cells"><legend>What the model looks at</legend>
{controls}
</fieldset>
{_optional(deployed, len(fields))}
<div class="actions">
<button type="submit" class="main-action">Predict</button>
<button type="button" id="example">Fill in an example</button>
<button type="reset">Clear</button>
</div>
<p class="status" id="asking" role="status"></p>
</form>
<section class="answer" id="answer" aria-labelledby="said" hidden>
<h2 id="said" tabindex="-1"></h2>
<p class="note" id="stale" role="status" hidden>The values were changed since. Ask again for a new answer.</p>
<div id="shares"></div>
{_decides(deployed)}
<p class="fine">Id of this answer: <code id="answer-id"></code></p>
<button type="button" id="wrong" aria-expanded="false" aria-controls="correct">This is wrong</button>
{_correction(deployed, name)}
</section>
</div>"""


def _zone_of(field: Field, deployed: Deployed) -> str:
    """Where a time is read, and of a forecast's origin which time it is."""
    signature = deployed.signature
    newest = signature.task == "forecasting" and field.column.name == ORIGIN
    return signature.timezone + (", of the newest value" if newest else "")


def _decides(deployed: Deployed) -> str:
    """Why the label may not be the most probable class."""
    signature = deployed.signature
    if signature.task == "anomaly":
        return f'<p class="fine">A row is an anomaly when its score is above {signature.threshold:.6g}.</p>'
    if signature.positive is None or len(signature.classes) != 2 or signature.threshold == 0.5:
        return ""
    share = f"{signature.threshold * 100:g} %"
    return f'<p class="fine">It says {escape(signature.positive)} when that is more than {share} probable.</p>'


def _optional(deployed: Deployed, first: int) -> str:
    signature = deployed.signature
    if not signature.passthrough:
        return ""
    controls = []
    for at, name in enumerate(signature.passthrough, first):
        timed = bool(signature.time) and name == signature.time[0]
        hint = (
            f"When it happened, in {signature.timezone}."
            if timed
            else "Finds this answer again."
            if name == signature.row_key
            else "Passed on."
        )
        kind = "time" if timed else "text"
        hint += " May be left empty."
        controls.append(_control(Field(Column(name, "text")), f"f{at}", hint, kind, _typed(kind), passed=True))
    return f"""<details class="more"><summary>Optional: not looked at by the model</summary>
<fieldset class="cells"><legend class="unseen">Passed through</legend>
{chr(10).join(controls)}
</fieldset></details>"""


def _field(field: Field, id: str, zone: str) -> str:
    """Label, hint, control and the place of its error."""
    column = field.column
    if column.kind == "tensor":
        return tensor_form.field_of(field, id, _as_errors_say(column.name))
    hint = _hint(field, zone)
    if column.kind == "boolean" or column.coded == "boolean":
        options = [("true", "yes"), ("false", "no")]
        return _control(field, id, hint, "boolean", _select(field, options))
    if column.categories and (field.closed or len(column.categories) <= MOST_OPTIONS):
        options = [(name, name) for name in column.categories]
        return _control(field, id, hint, _reads(column), _select(field, options, other=not field.closed))
    if column.categories:
        return _control(field, id, hint, _reads(column), _suggesting(column, id))
    if column.kind == "text":
        return _control(field, id, hint, "text", '<textarea rows="3"{}></textarea>')
    kind = _reads(column)
    return _control(field, id, hint, kind, _typed(kind))


def _reads(column: Column) -> str:
    """How the script turns what was typed into a value."""
    if column.kind in {"category", "text"}:
        return "code" if column.coded == "integer" else "text"
    return column.kind


def _control(field: Field, id: str, hint: str, kind: str, control: str, *, passed: bool = False) -> str:
    """control: its markup with {} where the attributes go. passed: not a feature."""
    column = field.column
    given = attributes(
        id=id,
        autocomplete="off",
        aria_describedby=f"{id}-hint {id}-error",
        aria_required="true" if field.required else None,
    )
    data = attributes(
        data_column=column.name,
        data_kind=kind,
        data_required=field.required,
        data_passed=passed,
        data_minimum=_limit(column, column.minimum),
        data_maximum=_limit(column, column.maximum),
        data_said=_as_errors_say(column.name),
        data_example=None if passed else _example(field, kind),
    )
    needed = ' <span class="needed">required</span>' if field.required else ""
    return f"""<div class="field"{data}>
<label for="{id}">{escape(column.name)}{needed}</label>
<p class="hint" id="{id}-hint">{escape(hint)}</p>
<div class="control">{control.replace("{}", given, 1)}</div>
<p class="error" id="{id}-error" hidden></p>
</div>"""


def _limit(column: Column, value: float | None) -> str | None:
    """A limit as the script compares and shows it; those of times are the server's to check."""
    return None if value is None or column.kind == "time" else number_in_words(column, value)


def _as_errors_say(name: str) -> str:
    """How errors of the server name this column, so that they are shown where they belong."""
    said = str(CellInvalid(0, name, "", ""))
    return said[said.index("column ") : said.index(": found")]


def _example(field: Field, kind: str) -> str:
    value = example_of(field)
    if kind == "time" and isinstance(value, str):
        return value.removesuffix("Z")[:16]
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def _hint(field: Field, zone: str) -> str:
    column = field.column
    said = []
    kind = {"number": "A number", "integer": "A whole number", "time": f"A date and time, in {zone}"}.get(
        column.kind, ""
    )
    low, high = column.minimum, column.maximum
    if low is not None:
        kind += f" from {number_in_words(column, low)}"
    if high is not None:
        kind += f" up to {number_in_words(column, high)}"
    if kind:
        said.append(kind + ".")
    if column.kind in {"number", "integer"} and column.low is not None and column.high is not None:
        usual = (number_in_words(column, at) for at in (column.low, column.high))
        said.append("Usual: {} to {}.".format(*usual))
    if not field.required:
        said.append("May be left empty." if column.kind not in {"boolean", "category"} else "May be left open.")
    return " ".join(said)


def _typed(kind: str) -> str:
    if kind == "time":
        return '<input type="datetime-local" step="1"{}>'
    modes = {"number": "decimal", "integer": "text", "code": "text"}
    return f'<input type="text" inputmode="{modes.get(kind, "text")}" spellcheck="false"{{}}>'


def _select(field: Field, options: list[tuple[str, str]], *, other: bool = False) -> str:
    """A list to choose from. A value has `=` in front: an empty category is not the same as none."""
    first = '<option value="">Choose…</option>' if field.required else '<option value="">not known</option>'
    listed = "".join(
        f'<option value="={escape(value)}">{escape(said) or "(empty)"}</option>' for value, said in options
    )
    if not other:
        return f"<select{{}}>{first}{listed}</select>"
    label = f"Another value of {field.column.name}"
    written = (
        f'<input type="text" class="other" spellcheck="false" autocomplete="off" aria-label="{escape(label)}" hidden>'
    )
    return f'<select{{}}>{first}{listed}<option value="+">{_OTHER}</option></select>\n{written}'


def _suggesting(column: Column, id: str) -> str:
    options = "".join(f'<option value="{escape(name)}"></option>' for name in column.categories[:MOST_SUGGESTED])
    return f'<input type="text" list="{id}-list" spellcheck="false"{{}}>\n<datalist id="{id}-list">{options}</datalist>'


def _correction(deployed: Deployed, name: str) -> str:
    classes = deployed.signature.labels
    shown = {"false": "no anomaly", "true": "an anomaly"} if deployed.signature.task == "anomaly" else {}
    if deployed.signature.task == "forecasting":
        right = right_answer(deployed.signature)
    elif not classes:
        right = """<div class="field" data-kind="number" data-column="label"><label for="right">The right number</label>
<input type="text" inputmode="decimal" id="right" autocomplete="off" aria-describedby="right-error">
<p class="error" id="right-error" hidden></p></div>"""
    elif len(classes) <= _FEW_CLASSES:
        radios = "\n".join(
            f'<label class="choice"><input type="radio" name="right" value="={escape(one)}"> '
            f"{escape(shown.get(one, one))}</label>"
            for one in classes
        )
        right = f'<fieldset class="choices"><legend>The right answer</legend>\n{radios}\n</fieldset>'
    else:
        options = "".join(f'<option value="={escape(one)}">{escape(one)}</option>' for one in classes)
        right = f"""<div class="field"><label for="right">The right answer</label>
<select id="right"><option value="">not known</option>{options}</select></div>"""
    return f"""<form id="correct" class="correct" data-feedback="/feedback/{quote(name)}" novalidate hidden>
<h3 id="correct-title" tabindex="-1">What would have been right?</h3>
<div class="problems" id="correct-problem" role="alert" tabindex="-1" hidden></div>
{right}
<div class="field"><label for="words">In your words</label>
<p class="hint" id="words-hint">What is wrong with this answer? May be left empty if you gave the right one.</p>
<textarea id="words" rows="3" maxlength="4096" aria-describedby="words-hint"></textarea></div>
<button type="submit" class="main-action">Send</button>
<p class="status" id="sent" role="status"></p>
</form>"""
