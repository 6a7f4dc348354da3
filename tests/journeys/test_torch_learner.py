"""The network that torch trains: killed and taken up again, sealed, and served without torch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import eventually
from tests.journeys.test_torch_programs import libraries as libraries

FIT = """
import sys
from pathlib import Path
sys.path.append(sys.argv[1])
import numpy as np
from fairlead.contract.plugins import variant
from fairlead.lab.train.learning import learn
from fairlead.lab.train.terms import Terms

random = np.random.default_rng(0)
x = random.normal(size=(3000, 6))
pull = np.sin(x[:, 0] * 2) + x[:, 1] * x[:, 2] + random.normal(0, 0.5, 3000)
terms = Terms().watched(Path(sys.argv[2]), lambda text: print(text, flush=True))
settings = {"layers": "32", "epochs": 40, "batch": 16, "learning_rate": 3e-3, "decay": 1e-2, "dropout": 0.2}
net = learn(variant("learner", "neural_net")(), "regression", settings, 3, x, pull, terms=terms)
np.savez(sys.argv[3], passes=net.epochs_, *net.coefs_, *net.intercepts_)
"""
SEALED = """
import json, sys, warnings
from pathlib import Path
sys.path.append(sys.argv[1])
warnings.simplefilter("ignore")
import numpy as np, pandas as pd
import fairlead

folder = Path(sys.argv[2])
random = np.random.default_rng(1)
size, colour = random.normal(size=600), random.choice(["red", "green", None], 600)
pull = np.sin(size * 2) + (colour == "red") + random.normal(0, 0.3, 600)
table = pd.DataFrame({"size": size, "colour": colour, "weight": random.integers(1, 4, 600)})
table["two"], table["three"] = np.where(pull > 0.4, "yes", "no"), np.digitize(pull, [0, 0.8]).astype(str)
table["number"] = pull * 50 + 1000
for target, task in (("two", "classification"), ("three", "classification"), ("number", "regression")):
    place = folder / target
    place.mkdir()
    table[["size", "colour", "weight", target]].rename(columns={target: "y"}).to_csv(place / "t.csv", index=False)
    weigh = 'class_weight = "balanced"' if task == "classification" else ""
    (place / "fairlead.toml").write_text(f'''
[model]
name = "m"
task = "{task}"
target = "y"
[data]
train = "t.csv"
[train]
learners = ["neural_net"]
trials = 2
folds = 2
weight = "weight"
patience = 5
{weigh}
''')
    found = fairlead.open(place).train()
    assert found["parity"]["form"] == "network" and found["parity"]["flipped"] == 0, found["parity"]
    good = {"two": ("accuracy", 0.75), "three": ("accuracy", 0.6), "number": ("r2", 0.6)}[target]
    assert found["metrics"][good[0]] > good[1], found["metrics"]
    assert not list((place / ".fairlead" / "fits").glob("*")), "a finished fit leaves nothing behind"
"""
BEGUN = """
import sys
sys.path.append(sys.argv[1])
import numpy as np
from fairlead.contract.settings import TransferSettings
from fairlead.contract.signature import Signature
from fairlead.lab.train.estimators.torch_network import NetworkRegressor
from fairlead.lab.train.transferring import Transferred

random = np.random.default_rng(0)
x = random.normal(size=(400, 3))
y = 100 + 10 * (x @ [1.0, -2.0, 0.5])
plain = {"dropout": 0.0, "patience": 0}
first = NetworkRegressor(epochs=20, **plain).fit(x, y)
state = {f"weights{at}": held for at, held in enumerate(first.coefs_)}
state |= {f"bias{at}": held for at, held in enumerate(first.intercepts_)}
again = NetworkRegressor(epochs=1, learning_rate=1e-12, decay=0.0, **plain)
again.begin = Transferred("f" * 64, "neural_net", TransferSettings(), state, Signature("regression", (), "y"))
again.fit(x, y + 500)
assert np.allclose(again.predict(x), first.predict(x), atol=1e-2), np.abs(again.predict(x) - first.predict(x)).max()
"""


def run(program: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.long
def test_a_fit_that_is_killed_goes_on_and_ends_as_if_it_had_not_been(libraries: Path, tmp_path: Path) -> None:
    import numpy as np

    whole = run(FIT, libraries, tmp_path / "one", tmp_path / "whole.npz")
    assert whole.returncode == 0, whole.stderr
    killed = subprocess.Popen(
        [sys.executable, "-c", FIT, str(libraries), str(tmp_path / "two"), str(tmp_path / "killed.npz")],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert killed.stdout is not None
    for line in killed.stdout:
        if line.startswith("pass 5 of 40"):
            break
    eventually(lambda: any((tmp_path / "two" / "fits").glob("*.npz")), within_s=30.0)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed.npz").exists()
    again = run(FIT, libraries, tmp_path / "two", tmp_path / "killed.npz")
    assert again.returncode == 0, again.stderr
    first = int(again.stdout.split()[1])
    assert 5 <= first <= 10, "it goes on with the pass after those that were kept"
    one, two = np.load(tmp_path / "whole.npz"), np.load(tmp_path / "killed.npz")
    assert sorted(one.files) == sorted(two.files)
    for name in one.files:
        assert np.array_equal(one[name], two[name]), name


@pytest.mark.long
def test_a_network_is_trained_sealed_and_equal_to_what_was_trained(libraries: Path, tmp_path: Path) -> None:
    done = run(SEALED, libraries, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_a_number_begun_with_another_network_begins_with_its_answers(libraries: Path) -> None:
    done = run(BEGUN, libraries)
    assert done.returncode == 0, done.stdout + done.stderr
