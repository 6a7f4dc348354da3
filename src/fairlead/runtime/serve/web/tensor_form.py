"""The field of a tensor in the form of a model: a file and, beside or instead of it, its numbers.

`assets/tensor.js` reads it. An image is turned into numbers in the browser, so that no server decodes files.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from fairlead.contract.signature import Column
from fairlead.runtime.bundle.tensor_cells import DTYPES, size
from fairlead.runtime.serve.web.columns import Field, number_in_words
from fairlead.runtime.serve.web.forecast_form import history_in_words, is_history
from fairlead.runtime.serve.web.markup import attributes
from fairlead.runtime.serve.web.tensor_columns import Picture, picture_of, scale_of, shape_in_words

_SCRIPTLESS = "<noscript><p>An image needs JavaScript: it is turned into numbers here, in the browser.</p></noscript>"
_CHOOSE = ". Choose an image file of any size, or drop one here: your browser turns it into these pixels."
_FITS = (
    ("crop", "Crop: fill the frame, cut what stands over"),
    ("stretch", "Stretch: all of it, out of proportion"),
    ("pad", "Pad: all of it, with a border"),
)


def field_of(field: Field, id: str, said: str) -> str:
    """Label, hint, controls and the place of its error. said: how the server's errors name the column."""
    column = field.column
    picture = picture_of(column)
    if picture is None:
        hint, controls = _form(column), _numbers(id)
    else:
        hint, controls = _pixels(column, picture) + _CHOOSE, _image(column, picture, id)
    needed = ' <span class="needed">required</span>' if field.required else ""
    return f"""<div class="field tensor"{_data(field, picture, said)}>
<label for="{id}">{escape(column.name)}{needed}</label>
<p class="hint" id="{id}-hint">{escape(hint)}</p>
<div class="control">{controls}</div>
</div>"""


def _data(field: Field, picture: Picture | None, said: str) -> str:
    """What the script has to know. low, high: the elements of black and of white."""
    column = field.column
    low, high = scale_of(column)
    least, most = _dtype_limits(column)
    return attributes(
        data_column=column.name,
        data_kind="tensor",
        data_required=field.required,
        data_said=said,
        data_dtype=column.dtype,
        data_shape=",".join(map(str, column.shape)),
        data_low=repr(low),
        data_high=repr(high),
        data_least=_tighter(least, column.minimum, max),
        data_most=_tighter(most, column.maximum, min),
        data_picture=None if picture is None else f"{picture.height},{picture.width},{picture.channels}",
        data_channels_first=picture is not None and picture.first,
    )


def _dtype_limits(column: Column) -> tuple[float | None, float | None]:
    """Whole numbers of a dtype; floats are checked as they are written."""
    dtype = DTYPES[column.dtype]
    if dtype.kind == "f":
        return None, None
    bits = 8 * dtype.itemsize - (dtype.kind == "i")
    return (-float(1 << bits) if dtype.kind == "i" else 0.0), float((1 << bits) - 1)


def _tighter(one: float | None, other: float | None, choose: Callable[[list[float]], float]) -> str | None:
    given = [limit for limit in (one, other) if limit is not None]
    return repr(choose(given)) if given else None


def _pixels(column: Column, picture: Picture) -> str:
    """What an image becomes."""
    low, high = (number_in_words(column, at) for at in scale_of(column))
    return f"{picture.words}, values {low} to {high}"


def _image(column: Column, picture: Picture, id: str) -> str:
    """To be chosen, looked at and fitted; or its numbers to be written."""
    described = f"{id}-hint {id}-read {id}-error"
    given = attributes(id=id, accept="image/*", aria_describedby=described, required=True)
    fits = "\n".join(
        f'<label class="choice"><input type="radio" name="{id}-fit" value="{value}"'
        f"{attributes(checked=value == 'crop')}> {words}</label>"
        for value, words in _FITS
    )
    seen = attributes(
        id=f"{id}-seen", role="img", width=picture.width, height=picture.height, aria_label="No image chosen yet"
    )
    return f"""<input type="file"{given}>
{_SCRIPTLESS}
{_wrong(id)}
{_read(id)}
<div class="sight" hidden>
<figure class="seen"><canvas{seen}></canvas>
<figcaption>This is what the model sees: {escape(_pixels(column, picture))}.</figcaption></figure>
<div class="fitting"><fieldset class="choices"><legend>Fit</legend>
{fits}
</fieldset>
<label class="choice"><input type="checkbox" class="invert"> Invert: dark on light becomes light on dark</label></div>
</div>
<details class="more numbers"><summary>Or give its numbers</summary>
{_written(column, f"{id}-numbers", f"{id}-error", f"The numbers of {column.name}")}
</details>"""


def _written(column: Column, id: str, error: str, label: str) -> str:
    """A place to write numbers that is not the first control."""
    return f"""<label for="{id}">{escape(label)}</label>
<p class="hint" id="{id}-hint">{escape(_form(column))}</p>
<textarea rows="3" spellcheck="false" autocomplete="off"{attributes(id=id, aria_describedby=f"{id}-hint {error}")}>\
</textarea>"""


def _numbers(id: str) -> str:
    """Of what is no image: to be written, or from a file."""
    told = f"{id}-read {id}-error"
    given = attributes(id=id, aria_describedby=f"{id}-hint {told}", aria_required="true")
    kinds = ".json,.csv,.tsv,.txt,application/json,text/csv,text/plain"
    file = attributes(id=f"{id}-file", accept=kinds, aria_describedby=told)
    return f"""<textarea rows="4" spellcheck="false" autocomplete="off"{given}></textarea>
{_wrong(id)}
<label for="{id}-file">Or a file of them: JSON, CSV or plain text</label>
<input type="file"{file}>
{_read(id)}"""


def _wrong(id: str) -> str:
    return f'<p class="error" id="{id}-error" role="alert" hidden></p>'


def _read(id: str) -> str:
    """Where it is said what was read."""
    return f'<p class="status" id="{id}-read" role="status"></p>'


def _form(column: Column) -> str:
    """What is expected, in words."""
    whole = DTYPES[column.dtype].kind != "f"
    count = size(column)
    kind = f"{'whole ' if whole else ''}number{'s' if count > 1 else ''}"
    shape = f", {shape_in_words(column)}, row by row" if len(column.shape) > 1 else ""
    said = f"{count} {kind}{shape}: JSON, or with commas, spaces or lines between them."
    if is_history(column):
        ways = "JSON, or with commas, spaces or lines between them, as columns of a table are pasted."
        said = f"{history_in_words(column)}: {ways}"
    low, high = column.minimum, column.maximum
    if low is not None:
        said += f" {number_in_words(column, low)} or more."
    if high is not None:
        said += f" {number_in_words(column, high)} or less."
    if column.low is not None and column.high is not None:
        said += f" Usual: {number_in_words(column, column.low)} to {number_in_words(column, column.high)}."
    return said
