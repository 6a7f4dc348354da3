"""The suite of tensors once more where no reader of lists was compiled: decoders take over and nobody sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from speakers import SPEAKERS
from test_codecs_tensors import *  # noqa: F403

from fairlead.runtime.wire import checks, lists, tensor_inputs, tensor_tables


@pytest.fixture(autouse=True, scope="module", params=["none", "refuses all"])
def no_kernel(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lists, "_lists", None)
        if request.param == "none":
            for module in (lists, checks, tensor_inputs, tensor_tables):
                patch.setattr(module, "LEFT", Any)
        yield


@pytest.fixture(params=[speaker for speaker in SPEAKERS if speaker.name in {"v2", "native", "v1", "mlflow"}], ids=repr)
def speaker(request: pytest.FixtureRequest) -> Any:
    return request.param
