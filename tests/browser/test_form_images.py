"""Images in the form of a model: which elements reach the server, and what people are told, in a real browser."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest
from tests.browser.conftest import Tab
from tests.browser.seeing import (
    DIGITS,
    LOAD,
    PHOTOS,
    PLANES,
    SCANS,
    SIGNATURES,
    WAVES,
    Pixels,
    png,
    turned,
    weighed_sum,
)
from tests.browser.served import KEY, SECRET, home, server
from tests.browser.test_form import CONTRAST, UNNAMED, focused, tab_to
from tests.conftest import eventually

from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle.tensor_cells import DTYPES
from fairlead.runtime.capture import Records, collect
from fairlead.runtime.serve.access import hash_of

NAMES = "[...document.querySelectorAll('[id]')].map(e => e.id)"


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address and home of a server with every model of `seeing`."""
    root = home(tmp_path_factory.mktemp("seeing"), *SIGNATURES)
    with server(root, load=LOAD) as url:
        yield url, root


@pytest.fixture
def page(chromium: Any, seeing: tuple[str, Path]) -> Iterator[Any]:
    made = Tab(chromium)
    yield made.page
    made.close(seeing[0])


def choose(page: Any, data: bytes, name: str = "image.png", kind: str = "image/png", field: str = "#f0") -> None:
    """Choose a file and wait until it is read."""
    page.set_input_files(field, {"name": name, "mimeType": kind, "buffer": data})
    page.wait_for_selector(f"{field}-read >> text={name}")


def sent(page: Any, signature: Signature, at: int = 0) -> Pixels:
    """Ask, and give the elements of a column as they were sent, in the shape of the column."""
    column = signature.columns[at]
    with page.expect_request("**/predict/*") as asked:
        page.click("button >> text=Predict")
    page.wait_for_selector("#answer:not([hidden])")
    return unpacked(asked.value.post_data_json[column.name], column)


def unpacked(value: dict[str, str], column: Column) -> Pixels:
    assert set(value) == {"b64"}
    return np.frombuffer(base64.b64decode(value["b64"]), DTYPES[column.dtype]).reshape(column.shape)


def seen(page: Any) -> Pixels:
    """The pixels of the sight, RGB."""
    data = page.evaluate(
        "() => { const c = document.querySelector('canvas'); return "
        "[c.width, c.height, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]]; }"
    )
    return np.array(data[2], np.uint8).reshape(data[1], data[0], 4)[:, :, :3]


def noise(*shape: int) -> Pixels:
    return np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)


def luma(pixels: Pixels) -> Pixels:
    found: Pixels = pixels.astype(float) @ [0.299, 0.587, 0.114]
    return found


def means(pixels: Pixels, factor: int) -> Pixels:
    """Blocks of factor by factor pixels, each as its mean."""
    height, width = pixels.shape[:2]
    blocks = pixels.astype(float).reshape(height // factor, factor, width // factor, factor, *pixels.shape[2:])
    found: Pixels = blocks.mean(axis=(1, 3))
    return found


def test_the_elements_of_a_grey_image_arrive_and_are_recorded(page: Any, seeing: tuple[str, Path]) -> None:
    url, root = seeing
    page.goto(f"{url}/models/digits")
    pixels = noise(8, 8)
    choose(page, png(pixels))
    assert (seen(page) == pixels[:, :, None]).all()
    wanted = pixels / 255 * 16
    np.testing.assert_allclose(sent(page, DIGITS), wanted, rtol=1e-12)
    id = page.inner_text("#answer-id")
    page.click("#wrong")
    page.select_option("#right", "=7")
    page.fill("#words", "It is a seven.")
    page.click("#correct button")
    page.wait_for_selector("#sent >> text=Thank you")

    def recorded() -> list[dict[str, Any]]:
        collect(root)
        rows: list[dict[str, Any]] = Records(root, "digits").joined(None, None).to_pylist()
        return [row for row in rows if id in row.values() and row.get("label")]

    record = eventually(recorded, what="the record with its label")[0]
    assert (record["label"], record["comment"]) == ("7", "It is a seven.")
    np.testing.assert_allclose(np.ravel(record["in.pixels"]), wanted.ravel(), rtol=1e-12)


def test_colours_stay_bytes_with_channels_last(page: Any, seeing: tuple[str, Path]) -> None:
    page.goto(f"{seeing[0]}/models/photos")
    pixels = noise(4, 6, 3)
    choose(page, png(pixels))
    assert (seen(page) == pixels).all()
    page.fill("#f1", "2.5")
    elements = sent(page, PHOTOS)
    assert (elements == pixels).all()
    answer = weighed_sum(elements.tobytes(), PHOTOS.columns[0]) + 2.5
    assert page.inner_text("#said") == f"Answer: {answer:g}" or f"Exactly {answer}" in page.inner_text("#shares")


def test_channels_first_and_a_scale_of_its_own(page: Any, seeing: tuple[str, Path]) -> None:
    page.goto(f"{seeing[0]}/models/planes")
    pixels = noise(4, 4, 3)
    choose(page, png(pixels))
    assert (seen(page) == pixels).all()
    wanted = (pixels.transpose(2, 0, 1) / 255 * 2 - 1).astype(np.float32)
    np.testing.assert_allclose(sent(page, PLANES), wanted, atol=1e-6)


def test_colours_become_grey_and_many_pixels_their_mean(page: Any, seeing: tuple[str, Path]) -> None:
    page.goto(f"{seeing[0]}/models/digits")
    pixels = noise(96, 96, 3)
    choose(page, png(pixels))
    np.testing.assert_allclose(sent(page, DIGITS), luma(means(pixels, 12)) / 255 * 16, atol=1e-9)
    assert "96 by 96 pixels" in page.inner_text("#f0-read")


def test_crop_stretch_pad_and_invert(page: Any, seeing: tuple[str, Path]) -> None:
    page.goto(f"{seeing[0]}/models/digits")
    wide = noise(32, 64)
    choose(page, png(wide))
    crop = means(wide[:, 16:48], 4) / 255 * 16
    np.testing.assert_allclose(sent(page, DIGITS), crop, atol=1e-9)
    page.check("text=Stretch")
    assert page.is_visible("#stale")
    stretched = wide.astype(float).reshape(8, 4, 8, 8).mean(axis=(1, 3)) / 255 * 16
    np.testing.assert_allclose(sent(page, DIGITS), stretched, atol=1e-9)
    page.check("text=Pad")
    elements = sent(page, DIGITS)
    inner = means(wide, 8) / 255 * 16
    np.testing.assert_allclose(elements[2:6], inner, atol=1e-9)
    edge = np.concatenate([inner[0], inner[-1], inner[1:-1, 0], inner[1:-1, -1]]).mean()
    np.testing.assert_allclose(elements[[0, 1, 6, 7]], edge, atol=1e-9)
    page.check("text=Crop")
    page.check("text=Invert")
    np.testing.assert_allclose(sent(page, DIGITS), 16 - crop, atol=1e-9)
    choose(page, png(255 - wide), "another.png")
    np.testing.assert_allclose(sent(page, DIGITS), crop, atol=1e-9)


WITHIN = """
async () => {
  const { elementsOf } = await import('/assets/picture.js');
  const found = [];
  const edges = [1, 2, 3, 5, 7, 8, 9, 11, 13, 29, 47, 49, 64, 97];
  for (const [height, width] of [[8, 8], [7, 49], [49, 13], [2, 2]])
    for (const h of edges) for (const w of edges) for (const fit of ['crop', 'stretch', 'pad']) {
      const picture = { height, width, channels: 3, first: false };
      const column = { size: height * width * 3, low: 0, high: 255, least: 0, most: 255, whole: false, picture };
      const even = new Uint8ClampedArray(w * h * 4).fill(200);
      const noise = even.map((_, at) => (at * 7919 + 13) % 251);
      const flat = elementsOf({ data: even, width: w, height: h }, column, { fit, invert: false });
      const rough = elementsOf({ data: noise, width: w, height: h }, column, { fit, invert: true });
      if (!flat.every((one) => Math.abs(one - 200) < 1e-9)) found.push(['uneven', w, h, width, height, fit]);
      if (!rough.every((one) => one >= 4 && one <= 255)) found.push(['beyond', w, h, width, height, fit]);
    }
  return found;
}
"""


def test_any_size_fits_any_frame(page: Any, seeing: tuple[str, Path]) -> None:
    page.goto(f"{seeing[0]}/models/digits")
    assert page.evaluate(WITHIN) == []


def test_a_cut_is_of_whole_pixels(page: Any, seeing: tuple[str, Path]) -> None:
    page.goto(f"{seeing[0]}/models/digits")
    pixels = noise(8, 11)
    choose(page, png(pixels))
    np.testing.assert_allclose(sent(page, DIGITS), pixels[:, 1:9] / 255 * 16, rtol=1e-12)


def test_a_small_image_is_made_larger_without_steps(page: Any, seeing: tuple[str, Path]) -> None:
    page.goto(f"{seeing[0]}/models/digits")
    choose(page, png(np.array([[0, 255], [0, 255]], np.uint8)))
    elements = sent(page, DIGITS)
    assert (elements == elements[0]).all()
    assert (np.diff(elements[0]) >= 0).all()
    assert (elements[0, 0], elements[0, 7]) == (0, 16)
    choose(page, png(np.array([[51]], np.uint8)), "dot.png")
    np.testing.assert_allclose(sent(page, DIGITS), 3.2, atol=1e-9)


def test_what_is_transparent_lies_on_white(page: Any, seeing: tuple[str, Path]) -> None:
    page.goto(f"{seeing[0]}/models/photos")
    pixels = np.zeros((4, 6, 4), np.uint8)
    pixels[:, :3, 3] = 255
    choose(page, png(pixels))
    elements = sent(page, PHOTOS)
    assert (elements[:, :3] == 0).all()
    assert (elements[:, 3:] == 255).all()


JPEG = """
async () => {
  const canvas = document.createElement('canvas');
  canvas.width = 96; canvas.height = 64;
  const pen = canvas.getContext('2d');
  pen.fillStyle = '#000'; pen.fillRect(0, 0, 96, 64);
  pen.fillStyle = '#fff'; pen.fillRect(0, 0, 48, 32);
  const blob = await new Promise(done => canvas.toBlob(done, 'image/jpeg', 1));
  return [...new Uint8Array(await blob.arrayBuffer())];
}
"""


@pytest.mark.parametrize(
    ("orientation", "corner"),
    [(1, (slice(0, 2), slice(0, 3))), (3, (slice(2, 4), slice(3, 6))), (6, (slice(0, 2), slice(3, 6)))],
)
def test_a_photo_is_turned_as_the_camera_was_held(
    page: Any, seeing: tuple[str, Path], orientation: int, corner: tuple[slice, slice]
) -> None:
    page.goto(f"{seeing[0]}/models/photos")
    choose(page, turned(bytes(page.evaluate(JPEG)), orientation), "photo.jpg", "image/jpeg")
    page.check("text=Stretch")
    assert ("64 by 96" if orientation == 6 else "96 by 64") in page.inner_text("#f0-read")
    elements = sent(page, PHOTOS)
    bright = np.zeros((4, 6), bool)
    bright[corner] = True
    assert (elements[bright] > 240).all()
    assert (elements[~bright] < 15).all()


def test_a_large_photo_is_read_and_a_small_body_sent(page: Any, seeing: tuple[str, Path]) -> None:
    page.goto(f"{seeing[0]}/models/scans")
    ramp = np.linspace(0, 255, 4032).astype(np.uint8)
    choose(page, png(np.broadcast_to(ramp, (3024, 4032))))
    with page.expect_request("**/predict/scans") as asked:
        page.click("button >> text=Predict")
    page.wait_for_selector("#answer:not([hidden])")
    assert len(asked.value.post_data) < 250_000
    elements = unpacked(asked.value.post_data_json["scan"], SCANS.columns[0])
    assert (np.diff(elements[100, :, 1].astype(int)) >= 0).all()
    assert elements[100, 0, 0] == pytest.approx(255 * 504 / 4032, abs=2), "the middle was cut out"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"hello, I am a text", "This is not an image that this browser can read."),
        (b"", "This file is empty."),
        (png(np.zeros((8, 8)))[:40], "This is not an image that this browser can read."),
    ],
)
def test_what_is_no_image_is_refused_in_words(page: Any, seeing: tuple[str, Path], data: bytes, words: str) -> None:
    page.goto(f"{seeing[0]}/models/digits")
    choose(page, png(noise(8, 8)))
    page.set_input_files("#f0", {"name": "letter.png", "mimeType": "image/png", "buffer": data})
    page.wait_for_selector("#f0-error:not([hidden])")
    assert page.inner_text("#f0-error").startswith(words)
    assert page.get_attribute("#f0-error", "role") == "alert"
    assert page.get_attribute("#f0", "aria-invalid") == "true"
    assert "f0-error" in page.get_attribute("#f0", "aria-describedby")
    assert focused(page) == "f0"
    assert page.is_hidden(".sight"), "nothing of the image before is left"
    page.click("button >> text=Predict")
    page.wait_for_selector("#problems:not([hidden])")
    assert words in page.inner_text("#problems")
    page.click("#problems a")
    assert focused(page) == "f0"
    choose(page, png(noise(8, 8)), "right.png")
    assert page.is_hidden("#f0-error")
    assert page.get_attribute("#f0", "aria-invalid") is None


def test_a_file_beyond_measure_is_not_opened(page: Any, seeing: tuple[str, Path]) -> None:
    page.goto(f"{seeing[0]}/models/digits")
    page.evaluate(
        """() => { const f = document.querySelector('#f0'); const d = new DataTransfer();
        d.items.add(new File([new Uint8Array(65e6)], 'huge.png')); f.files = d.files;
        f.dispatchEvent(new Event('change', { bubbles: true })); }"""
    )
    page.wait_for_selector("#f0-error:not([hidden])")
    assert "too large: 65 MB" in page.inner_text("#f0-error")


def test_no_image_is_a_problem_like_any_other(page: Any, seeing: tuple[str, Path]) -> None:
    page.goto(f"{seeing[0]}/models/photos")
    page.click("button >> text=Predict")
    page.wait_for_selector("#problems:not([hidden])")
    assert page.inner_text("#problems a") == "photo: Choose an image."
    page.click("#example")
    assert page.is_hidden("#f0-error")
    elements = sent(page, PHOTOS)
    assert (elements.min(), elements.max()) == (0, 255)
    page.click("button >> text=Clear")
    assert page.is_hidden(".sight")
    page.click("button >> text=Predict")
    assert page.inner_text("#problems a") == "photo: Choose an image."


def test_an_image_may_be_dropped(page: Any, seeing: tuple[str, Path]) -> None:
    page.goto(f"{seeing[0]}/models/digits")
    pixels = noise(8, 8)
    page.evaluate(
        """([bytes]) => { const d = new DataTransfer();
        d.items.add(new File([new Uint8Array(bytes)], 'dropped.png', { type: 'image/png' }));
        const field = document.querySelector('.tensor');
        for (const kind of ['dragover', 'drop']) {
          const event = new DragEvent(kind, { dataTransfer: d, bubbles: true, cancelable: true });
          field.dispatchEvent(event);
          if (!event.defaultPrevented) throw new Error(kind);
        } }""",
        [list(png(pixels))],
    )
    page.wait_for_selector("#f0-read >> text=dropped.png")
    assert page.evaluate("document.querySelector('#f0').files[0].name") == "dropped.png"
    np.testing.assert_allclose(sent(page, DIGITS), pixels / 255 * 16, rtol=1e-12)
    assert "over" not in page.get_attribute(".tensor", "class").split()


def test_by_keyboard_alone(page: Any, seeing: tuple[str, Path]) -> None:
    pixels = noise(16, 8)
    # Before the page is opened: the browser is told of listeners without being waited for.
    file = {"name": "tall.png", "mimeType": "image/png", "buffer": png(pixels)}
    page.on("filechooser", lambda chooser: chooser.set_files(file))
    page.goto(f"{seeing[0]}/models/digits")
    tab_to(page, "f0")
    page.keyboard.press("Enter")
    page.wait_for_selector(".sight:not([hidden])")
    assert focused(page) == "f0", "the focus stays where it was"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    with page.expect_request("**/predict/digits") as asked:
        tab_to(page, "Predict")
        page.keyboard.press("Enter")
    page.wait_for_selector("#answer:not([hidden])")
    assert focused(page) == "said"
    elements = unpacked(asked.value.post_data_json["pixels"], DIGITS.columns[0])
    stretched = pixels.astype(float).reshape(8, 2, 8).mean(axis=1)
    np.testing.assert_allclose(elements, 16 - stretched / 255 * 16, atol=1e-9)


def test_numbers_in_the_place_of_an_image(page: Any, seeing: tuple[str, Path]) -> None:
    page.goto(f"{seeing[0]}/models/digits")
    choose(page, png(noise(8, 8)))
    page.click("text=Or give its numbers")
    page.fill("#f0-numbers", " ".join(str(at / 4) for at in range(64)))
    elements = sent(page, DIGITS)
    assert (elements.ravel() == np.arange(64) / 4).all()
    assert page.evaluate("document.querySelector('#f0').files.length") == 0
    assert page.is_visible("canvas")
    assert page.is_hidden(".fitting")
    page.fill("#f0-numbers", "1 2 3")
    page.click("button >> text=Predict")
    page.wait_for_selector("#problems:not([hidden])")
    assert page.inner_text("#problems a") == "pixels: Found 3 numbers, expected 64."
    page.click("#problems a")
    assert focused(page) == "f0-numbers"
    choose(page, png(noise(8, 8)), "again.png")
    assert page.input_value("#f0-numbers") == ""


def test_tensors_that_are_no_images(page: Any, seeing: tuple[str, Path]) -> None:
    page.goto(f"{seeing[0]}/models/waves")
    assert "5 numbers: JSON" in page.inner_text("#f0-hint")
    assert "8 whole numbers, 2 × 1 × 2 × 2, row by row" in page.inner_text("#f1-hint")
    page.fill("#f0", "1, 2.5; -3e-1\n.5 0")
    page.fill("#f1", "[[[[1,2],[3,4]]],[[[5,6],[7,-8]]]]")
    with page.expect_request("**/predict/waves") as asked:
        page.click("button >> text=Predict")
    page.wait_for_selector("#answer:not([hidden])")
    row = asked.value.post_data_json
    assert unpacked(row["wave"], WAVES.columns[0]).tolist() == np.array([1, 2.5, -0.3, 0.5, 0], np.float32).tolist()
    assert unpacked(row["block"], WAVES.columns[1]).tolist() == [[[[1, 2], [3, 4]]], [[[5, 6], [7, -8]]]]
    file = {"name": "wave.csv", "mimeType": "text/csv", "buffer": b"1,2\r\n0,0\r\n1\r\n"}
    page.set_input_files("#f0-file", file)
    page.wait_for_selector("#f0-read >> text=5 numbers from 0 to 2, 0.8 on average")
    assert page.input_value("#f0") == ""
    assert sent(page, WAVES).tolist() == [1, 2, 0, 0, 1]
    page.click("#example")
    assert len(page.input_value("#f1").split(",")) == 8
    assert sent(page, WAVES, 1).ravel()[-1] == 9


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("#f0", "1 2 3 4", "Found 4 numbers, expected 5."),
        ("#f0", "1 2 3 4 five", "Number 5 is none: write it in digits, as 3.5."),
        ("#f0", "1 2 3 3 3.5", "Number 5 must be 3 or less."),
        ("#f0", "[1, 2, 3, 4", "This is not valid JSON."),
        ("#f0", '[1, 2, 3, 4, "5"]', "Number 5 is none: write it in digits, as 3.5."),
        ("#f0", '{"b64": ""}', "Write a list of numbers."),
        ("#f0", "[" * 99_999 + "]" * 99_999, "Number 1 is none: write it in digits, as 3.5."),
        ("#f0", "-1e39 0 0 0 0", "Number 1 must be -3.4028234663852886e+38 or more."),
        ("#f1", "1 2 3 4 5 6 7 8.5", "Number 8 must be whole."),
        ("#f1", "1 2 3 4 5 6 7 40000", "Number 8 must be 32767 or less."),
        ("#f1", "[[1, 2, 3, 4], [5, 6, 7, 8]]", "Nest the lists as 2 × 1 × 2 × 2, or give one list."),
    ],
)
def test_numbers_that_do_not_fit_are_told_at_their_field(
    page: Any, seeing: tuple[str, Path], field: str, text: str, words: str
) -> None:
    page.goto(f"{seeing[0]}/models/waves")
    page.click("#example")
    page.fill(field, text)
    page.click("button >> text=Predict")
    page.wait_for_selector("#problems:not([hidden])")
    assert page.inner_text(f"{field}-error") == words
    assert page.get_attribute(field, "aria-invalid") == "true"
    page.click("#problems a")
    assert focused(page) == field[1:]


def test_assistive_technology_is_told_of_the_image(page: Any, seeing: tuple[str, Path]) -> None:
    page.goto(f"{seeing[0]}/models/digits")
    assert page.inner_text("#f0-hint").startswith("8 by 8 pixels, grey, values 0 to 16.")
    choose(page, png(np.full((8, 8), 255, np.uint8)), "white.png")
    tree = page.locator("#ask").aria_snapshot()
    for pattern in (
        r'- group "What the model looks at"',
        r'- button "pixels required"',
        r"- status: Read white\.png, 8 by 8 pixels\.",
        r'img "What the model sees of white\.png, 8 by 8 pixels: 64 numbers from 16 to 16, 16 on average"',
        r"This is what the model sees: 8 by 8 pixels, grey, values 0 to 16\.",
        r'- group "Fit"',
        r'radio "Crop: fill the frame, cut what stands over" \[checked\]',
        r'checkbox "Invert: dark on light becomes light on dark"',
    ):
        assert re.search(pattern, tree), tree
    page.click("text=Or give its numbers")
    assert 'textbox "The numbers of pixels"' in page.locator("#ask").aria_snapshot()
    page.goto(f"{seeing[0]}/models/waves")
    tree = page.locator("#ask").aria_snapshot()
    assert 'textbox "wave required"' in tree
    assert 'button "Or a file of them: JSON, CSV or plain text"' in tree


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_every_state_is_readable(chromium: Any, seeing: tuple[str, Path], scheme: str, width: int) -> None:
    made = Tab(chromium, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = made.page

    def fine() -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(UNNAMED) == []
        assert page.evaluate(CONTRAST) == []
        ids = page.evaluate(NAMES)
        assert len(ids) == len(set(ids))

    for model in ("digits", "photos", "waves", "scans"):
        page.goto(f"{seeing[0]}/models/{model}")
        fine()
        page.click("#example")
        fine()
    page.goto(f"{seeing[0]}/models/digits")
    choose(page, png(noise(40, 20)), "a rather long name of a file without any place to break " + "x" * 60 + ".png")
    page.click("text=Or give its numbers")
    fine()
    page.click("button >> text=Predict")
    page.wait_for_selector("#answer:not([hidden])")
    fine()
    page.set_input_files("#f0", {"name": "t.txt", "mimeType": "text/plain", "buffer": b"t"})
    page.wait_for_selector("#f0-error:not([hidden])")
    fine()
    page.goto(f"{seeing[0]}/docs")
    fine()
    made.close(seeing[0])


def test_without_javascript_it_is_said(chromium: Any, seeing: tuple[str, Path]) -> None:
    made = Tab(chromium, java_script_enabled=False)
    made.page.goto(f"{seeing[0]}/models/digits")
    assert "An image needs JavaScript" in made.page.inner_text(".tensor")
    made.close(seeing[0])


def test_a_guarded_server_takes_images_after_the_key(chromium: Any, tmp_path: Path) -> None:
    key = msgspec.structs.replace(KEY, hash=hash_of(SECRET))
    with server(home(tmp_path, "digits", keys=(key,)), required=True, load=LOAD) as url:
        made = Tab(chromium)
        made.page.goto(f"{url}/models/digits")
        made.page.fill("#key", SECRET)
        made.page.keyboard.press("Enter")
        made.page.wait_for_selector("#ask")
        assert "needs JavaScript" not in made.page.inner_text(".tensor")
        pixels = noise(8, 8)
        choose(made.page, png(pixels))
        np.testing.assert_allclose(sent(made.page, DIGITS), pixels / 255 * 16, rtol=1e-12)
        made.close(url)


def test_the_policy_allows_no_more_than_before(seeing: tuple[str, Path]) -> None:
    policy = httpx.get(f"{seeing[0]}/models/digits").headers["content-security-policy"]
    assert "img-src 'self';" in policy
    assert not re.search("blob:|data:|unsafe", policy)


def test_what_the_documentation_says_to_type_works(page: Any, seeing: tuple[str, Path]) -> None:
    page.goto(f"{seeing[0]}/docs")
    for at, model in enumerate(sorted(SIGNATURES)):
        part = f"details.model >> nth={at}"
        page.click(f"{part} >> summary >> nth=0")
        assert page.inner_text(f"{part} >> h2") == model
        code = page.inner_text(f"{part} >> pre >> nth=1")
        answered: dict[str, Any] = {}
        exec(code.replace("print(", "("), answered)
        assert len(answered["answer"]["predictions"]) == 1
    told = page.inner_text("details.model >> nth=0")
    assert "image of 8 by 8 pixels, grey; float64 [8, 8]; nested lists" in told
