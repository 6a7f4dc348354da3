"""Networks learned from images and texts as the documents say: to a served answer, and from five digits to ten.

torch is installed for the learning alone; whatever answers does without.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.conftest import ROOT, Program, eventually
from tests.journeys.test_churn_loop import post, ready_url
from tests.journeys.test_torch_programs import libraries as libraries

pytestmark = pytest.mark.long
HOW_TO = ROOT / "docs" / "how-to"


def section(page: str, title: str) -> str:
    """What a page says under a title."""
    return (HOW_TO / page).read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]


def blocks(text: str, kind: str) -> list[str]:
    """The blocks of code of a kind, in order."""
    return re.findall(rf"```{kind}\n(.*?)```", text, re.S)


@pytest.fixture
def learning(libraries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The program in an empty folder, with torch."""
    monkeypatch.setenv("PYTHONPATH", str(libraries))
    return Program(tmp_path)


def python(program: Program, code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], cwd=program.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def settings(program: Program, *tables: str) -> None:
    (program.folder / "fairlead.toml").write_text("\n".join(tables))


def words(console: str) -> list[list[str]]:
    """The words of each line after `fairlead`."""
    return [line.split()[1:] for line in console.splitlines() if line.startswith("fairlead ")]


def answered(program: Program, lines: list[list[str]], rows: list[dict[str, Any]]) -> tuple[pd.DataFrame, Any]:
    """What the page's `score` writes, and what a server says to `rows`; both without torch."""
    os.environ.pop("PYTHONPATH")
    for line in lines:
        program.run(*line)
    server = program.start("serve", "--port", "0")
    try:
        url = eventually(lambda: ready_url(program.folder / "serve.log"), what="the ready line")
        name = tomllib.loads((program.folder / "fairlead.toml").read_text())["model"]["name"]
        said = post(f"{url}/predict/{name}", rows)["predictions"]
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        assert server.wait(20) == 0
    return pd.read_csv(program.folder / "answers.csv"), said


def test_digits_are_learned_from_changed_images_to_a_served_answer(learning: Program) -> None:
    text = section("learn-from-images.md", "From a table to a served answer")
    python(learning, blocks(text, "python")[0])
    settings(learning, *blocks(text, "toml"))
    train, *judged, score = words(blocks(text, "console")[0])
    found = learning.json(*train)
    assert found["learner"] == "image_net"
    assert found["parity"]["form"] == "pictures"
    assert found["parity"]["flipped"] == 0
    assert found["metrics"]["accuracy"] > 0.95
    assert not list((learning.folder / ".fairlead" / "fits").glob("*")), "a finished fit leaves nothing behind"
    for line in judged:
        learning.run(*line)
    later = np.load(learning.folder / "later.npz")
    images, truth = later["image"], later["digit"]
    answers, said = answered(learning, [score], [{"image": one.tolist()} for one in images])
    right = (answers["label"].astype(str) == truth.astype(str)).mean()
    assert [one["label"] for one in said] == answers["label"].astype(str).tolist()
    print(f"accuracy out of fold {found['metrics']['accuracy']:.4f}, of {len(truth)} served answers {right:.4f}")
    assert right > 0.95


def test_five_digits_become_ten_by_a_new_head(learning: Program) -> None:
    whole = blocks(section("learn-from-images.md", "From a table to a served answer"), "toml")[0]
    text = section("learn-from-images.md", "Begin with what is there")
    plain = whole.partition("augment")[0] + "\n[evaluate]\nrobustness = false\nexplanations = false\n"
    python(learning, blocks(text, "python")[0])
    settings(learning, plain.replace("digits.npz", "five.npz"))
    first = learning.json("train")
    learning.run("evaluate")
    learning.run("register")
    learning.run("deploy")
    asked = blocks(text, "toml")[0].partition("[train.transfer]")
    ten = plain.replace("digits.npz", "ten.npz") + asked[1] + "\n"
    settings(learning, ten + 'from = "champion"\n')
    refused = learning.run("train", expect=2)
    assert "Set new_head = true" in refused.stderr
    settings(learning, ten + asked[2])
    found = learning.json("train")
    told = learning.json("inspect", found["bundle"])
    assert told["lineage"]["begun_with"] == first["bundle"]
    assert not [note for note in found["warnings"] if "learned from" in note]
    begun = np.load(learning.folder / "ten.npz")["image"]
    answers = scores(learning, found["bundle"])
    kept = np.load(learning.folder / "later.npz")
    right = (answers == kept["digit"].astype(str)).mean()
    out_of_fold = found["metrics"]["accuracy"]
    print(f"{len(begun)} images: accuracy out of fold {out_of_fold:.4f}, of unseen new digits {right:.4f}")
    assert right > 0.75
    frozen = kernels(learning, first["bundle"]), kernels(learning, found["bundle"])
    assert np.array_equal(frozen[0][0], frozen[1][0])
    assert np.array_equal(frozen[0][1], frozen[1][1])
    assert not np.array_equal(frozen[0][2], frozen[1][2])
    again = learning.json("reproduce", found["bundle"])
    assert again["identical"], again["differs"]
    # The same rows once more: what the champion has learned from, it knows.
    settings(
        learning, plain.replace("digits.npz", "five.npz"), '[train.transfer]\nfrom = "1"\nfreeze = "all_but_head"\n'
    )
    known = learning.json("train")
    assert [note for note in known["warnings"] if "has learned from 481 of these 600 rows before, 0 of them" in note]
    assert known["metrics"]["accuracy"] > 0.97


def kernels(program: Program, bundle: str) -> list[np.ndarray]:
    """The filters of a sealed network, in order."""
    import onnx

    model = onnx.load(program.folder / ".fairlead" / "bundles" / bundle / "model" / "tail.onnx")
    held = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    return [held[f"kernel{at}"] for at in range(4)]


def scores(program: Program, bundle: str) -> np.ndarray:
    """Labels for later.npz by the sealed bundle alone, in a process without torch."""
    code = """
import sys
import numpy as np
from pathlib import Path
from fairlead.runtime.bundle import load
key = Path(".fairlead/keys")
from fairlead.runtime.bundle import signer_of
folder = Path(".fairlead/bundles") / sys.argv[1]
model = load(folder, [signer_of(folder)])
images = np.load("later.npz")["image"]
found = model.decide(model.score_columns({"image": images.reshape(len(images), -1)}))
assert not {"torch", "sklearn", "pandas", "onnx"} & set(sys.modules)
np.save("said.npy", np.array([str(label) for label in found]))
"""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code, bundle], cwd=program.folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    said: np.ndarray = np.load(program.folder / "said.npy")
    return said


def test_tickets_find_their_queue(learning: Program) -> None:
    page = (HOW_TO / "learn-from-texts.md").read_text()
    python(learning, blocks(page, "python")[0])
    (learning.folder / "synonyms.txt").write_text(blocks(page, "text")[0])
    settings(learning, *blocks(page, "toml"))
    train, *judged, score = words(blocks(page, "console")[0])
    found = learning.json(*train)
    assert found["parity"]["form"] == "texts"
    assert found["parity"]["flipped"] == 0
    lineage = learning.json("inspect", found["bundle"])["lineage"]
    assert "synonyms.txt" in lineage["files"]
    for line in judged:
        learning.run(*line)
    rows: list[dict[str, Any]] = [{"text": "my box never arrived", "from": "web"}, {"text": "", "from": "mail"}]
    answers, said = answered(learning, [score], rows)
    truth = pd.read_csv(learning.folder / "later.csv")["queue"]
    right = (answers["label"] == truth).mean()
    print(f"accuracy out of fold {found['metrics']['accuracy']:.4f}, of {len(truth)} later tickets {right:.4f}")
    assert right > 0.95
    # `box` is in no row: it says what its neighbours in the file say.
    assert said[0]["label"] == "delivery"
    assert sum(said[1]["probabilities"].values()) == pytest.approx(1.0)
