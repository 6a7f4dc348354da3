"""The suite of the codecs once more where no kernel was compiled: the decoders take over and nobody sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from speakers import ROW, SPEAKERS
from test_codecs import *  # noqa: F403

from fairlead.runtime.wire import scanning


@pytest.fixture(autouse=True, scope="module")
def no_kernel() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanning, "_scan", None)
        for one in SPEAKERS:
            one.parse(one.codec(), [ROW])  # imports what it needs, which is no example's time
        yield


@pytest.fixture(params=[speaker for speaker in SPEAKERS if speaker.name in {"v2", "native", "v1", "mlflow"}], ids=repr)
def speaker(request: pytest.FixtureRequest) -> Any:
    return request.param
