"""The suite of the codecs once more where no kernel was compiled: the decoders take over and nobody sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from speakers import SPEAKERS
from test_codecs import *  # noqa: F403

from fairlead.runtime.wire import v2_scan


@pytest.fixture(autouse=True, scope="module")
def no_kernel() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(v2_scan, "_v2", None)
        yield


@pytest.fixture(params=[speaker for speaker in SPEAKERS if speaker.name == "v2"], ids=repr)
def speaker(request: pytest.FixtureRequest) -> Any:
    return request.param
