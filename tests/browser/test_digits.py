"""From a photo of a digit to the answer of the model that was trained, sealed and served: nothing is made up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.browser.conftest import Tab
from tests.browser.seeing import png
from tests.browser.served import server
from tests.browser.test_form_images import choose, unpacked

from fairlead.lab.compile import write_bundle
from fairlead.lab.train import candidate_of
from fairlead.runtime.bundle import SigningKey, load

pytestmark = pytest.mark.filterwarnings("ignore:lbfgs")
LEARNT = 1200


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any, Any, str]]:
    """Address, estimator, its bundle loaded, and the name of the model."""
    pixels, labels = load_digits(return_X_y=True)
    fitted = make_pipeline(StandardScaler(), LogisticRegression(max_iter=60))
    fitted.fit(pixels[:LEARNT], labels[:LEARNT])
    root = tmp_path_factory.mktemp("digits")
    key = SigningKey.create(root / "seal.key")
    sample = pd.DataFrame({"image": list(pixels[:LEARNT].reshape(-1, 8, 8).astype(np.uint8))})
    bundle: Path = root / "bundle"
    write_bundle(candidate_of(fitted, sample), bundle, key)
    model = load(bundle, [key.public])
    (root / "home").mkdir()
    with server(root / "home", bundle=bundle) as url:
        yield url, fitted, model, model.manifest.name


def test_a_photo_of_a_digit_is_answered_as_the_trained_model_answers(
    chromium: Any, digits: tuple[str, Any, Any, str]
) -> None:
    url, fitted, model, name = digits
    (column,) = model.signature.columns
    made = Tab(chromium)
    page = made.page
    page.goto(f"{url}/models/{name}")
    assert page.inner_text("#f0-hint").startswith("8 by 8 pixels, grey, values 0 to 16.")
    right = 0
    pixels, labels = load_digits(return_X_y=True)
    for at in range(LEARNT, LEARNT + 10):
        # Dark ink on light paper, 60 pixels a pixel, as one would scan it.
        paper = 255 - np.kron(pixels[at].reshape(8, 8) / 16 * 255, np.ones((60, 60))).round()
        choose(page, png(paper.astype(np.uint8)), f"{at}.png")
        page.check("text=Invert")
        with page.expect_request(f"**/predict/{name}") as asked:
            page.click("button >> text=Predict")
        elements = unpacked(asked.value.post_data_json["image"], column)
        assert (elements.ravel() == pixels[at]).all()
        expected = fitted.predict(pixels[at : at + 1])[0]
        page.wait_for_selector(f"#said >> text=Answer: {expected}")
        right += expected == labels[at]
    assert right >= 8
    made.close(url)
