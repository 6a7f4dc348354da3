"""A load generator that does not end is told of, and ended."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fairlead.contract.errors import RemoteError
from fairlead.reach.capacity.stepping import _result


@pytest.mark.parametrize(("program", "said"), [
    ("import time; time.sleep(60)", "did not end within"),
    ("import sys; sys.exit('no such thing')", "no such thing"),
    ("import sys; sys.stdout.buffer.write(b'\\xff{')", "ended badly"),
])  # fmt: skip
def test_what_a_generator_does_wrong_is_said(program: str, said: str) -> None:
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            with pytest.raises(RemoteError, match=said):
                _result(process, 0.5 if "sleep" in program else 30.0)
        finally:
            process.kill()
