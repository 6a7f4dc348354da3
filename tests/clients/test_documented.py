"""Every block of the page on clients, run as it stands against a real server; only the addresses are others."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.clients.conftest import Served
from tests.clients.environments import python_of
from tests.conftest import ROOT, environment

PAGE = (ROOT / "docs" / "how-to" / "clients.md").read_text()
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", PAGE, re.S)


def ids() -> list[str]:
    """A word for each block: the library it imports, or the protocol it names."""
    found = []
    for language, block in BLOCKS:
        names = re.findall(r"^(?:import|from) (httpx|tritonclient\.\w+|kserve|mlflow|grpc)\b", block, re.M)
        found.append(names[0] if names else f"{language}: {block.splitlines()[0].lstrip('# ').split(',')[0]}")
    return found


@pytest.mark.parametrize("served", ["logistic"], indirect=True)
@pytest.mark.parametrize(("language", "block"), BLOCKS, ids=ids())
def test_a_block_gives_the_answer_of_the_model(served: Served, tmp_path: Path, language: str, block: str) -> None:
    told = served.told
    row, expected = told["rows"][0], told["expected"][0]
    (tmp_path / "row.json").write_text(json.dumps(row))
    host, _, port = served.http.rpartition(":")
    code = block.replace("localhost:8081", served.grpc).replace("localhost:8080", served.http)
    code = code.replace('"localhost", 8080', f'"{host}", {port}')
    if language == "sh":
        for tool in ("curl", "python3"):
            if tool in code and shutil.which(tool) is None:
                pytest.skip(f"{tool} (Debian package {tool}) is missing")
        command = ["bash", "-e", "-o", "pipefail", "-c", code]
    else:
        command = [python_of("kserve") if "kserve" in code else sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = done.stdout
    assert expected["label"] in said
    labels_alone = any(word in code for word in ("/invocations", "/v1/", "/score", "mlflow"))
    times = 2 if "kserve" in code else 1
    for chance in [] if labels_alone else expected["probabilities"].values():
        found = [float(number) for number in re.findall(r"\d\.\d+(?:e-\d+)?", said)]
        assert [number == pytest.approx(chance, rel=1e-12) for number in found].count(True) == times, said


def test_the_page_knows_every_code_of_grpc() -> None:
    from fairlead.runtime.wire.v2_grpc import STATUS

    assert {name for name in STATUS.values() if f"`{name}`" not in PAGE} == {"FAILED_PRECONDITION"}
