"""What of tensors depends on the compiled reader of lists, where there is none: decoders do it and nobody sees it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from speakers import SPEAKERS
from test_codecs_tensors import (  # noqa: F401
    test_a_first_dimension_of_one_is_no_row_of_lists,
    test_a_model_of_one_tensor_takes_bare_tensors,
    test_columns_of_one_row_may_go_without_lists,
    test_no_body_makes_anything_but_rows_or_a_refusal,
    test_no_v2_input_makes_anything_but_rows_or_a_refusal,
    test_tensors_are_decoded_to_the_bytes_of_their_elements,
    test_v2_refuses_what_does_not_fit,
    test_v2_takes_any_number_type_that_holds_the_same_numbers,
)

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
