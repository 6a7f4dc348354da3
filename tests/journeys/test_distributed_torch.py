"""A network fitted by two processes, by its rows or by its layers: the losses and the answers of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.test_torch_programs import libraries as libraries

pytestmark = pytest.mark.long

FIT = """
import json, sys
sys.path.append(sys.argv[1])

def main():
    import numpy as np
    from fairlead.contract.plugins import variant
    from fairlead.lab.train.estimators.torch_fitting import Fitting

    random = np.random.default_rng(0)
    x = random.normal(size=(700, 6))
    pull = np.sin(x[:, 0] * 2) + x[:, 1] * x[:, 2] + random.normal(0, 0.5, 700)
    weights = random.uniform(0.5, 2.0, 700)
    settings = {"layers": "32x16", "batch": 48, "learning_rate": 3e-3, "decay": 1e-2, "dropout": 0.0, "patience": 0}
    found = {}
    for task, truth in (("regression", pull), ("classification", np.digitize(pull, [-0.5, 0.5]).astype(str))):
        losses = {}
        for epochs in ((1, 5) if task == "regression" else (1,)):
            made = {}
            for name in ("neural_net", "divided_net", "staged_net"):
                net = variant("learner", name)().build(task, {**settings, "epochs": epochs}, 3)
                net.processes = 2
                net.fit(x, truth, weights)
                made[name] = net.predict_proba(x) if task == "classification" else net.predict(x)
            aims = pull if task == "regression" else np.unique(truth, return_inverse=True)[1]
            for name, answers in made.items():
                loss = ((answers - aims) ** 2).mean() if task == "regression" else -np.log(
                    answers[np.arange(700), aims]).mean()
                losses.setdefault(name, []).append(float(loss))
            losses.setdefault("apart", []).append(
                [float(np.abs(made[name] - made["neural_net"]).max()) for name in ("divided_net", "staged_net")])
        found[task] = losses
    stopped = {}
    for name in ("neural_net", "staged_net", "divided_net"):
        net = variant("learner", name)().build("regression", {**settings, "epochs": 40, "patience": 3}, 3)
        net.processes = 2
        net.fit(x, pull)
        stopped[name] = [net.epochs_, net.best_epoch_]
    found["stopped"] = stopped
    print(json.dumps(found))

main()
"""


@pytest.fixture(scope="module")
def fitted(libraries: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", FIT, str(libraries)], capture_output=True, text=True, check=False, timeout=560,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.verified("engines", "torch, data parallel", how="run", by="two processes, gloo: losses of one process")
def test_rows_divided_make_the_losses_of_one_process(fitted: dict[str, Any], task: str) -> None:
    found = fitted[task]
    # Sums of single precision in another order.
    assert found["divided_net"] == pytest.approx(found["neural_net"], rel=1e-6)
    assert max(apart for apart, _ in found["apart"]) <= 1e-5
    assert found["neural_net"][-1] < found["neural_net"][0] or task == "classification"


@pytest.mark.parametrize("task", ["regression", "classification"])
@pytest.mark.verified(
    "engines", "torch, model parallel", how="run", by="two processes, a run of layers each: answers of one"
)
def test_layers_divided_make_the_answers_of_one_process(fitted: dict[str, Any], task: str) -> None:
    found = fitted[task]
    assert found["staged_net"] == pytest.approx(found["neural_net"], rel=1e-6)
    assert max(apart for _, apart in found["apart"]) <= 1e-5


def test_they_stop_where_one_process_stops(fitted: dict[str, Any]) -> None:
    stopped = fitted["stopped"]
    assert stopped["staged_net"] == stopped["neural_net"]
    assert stopped["divided_net"] == stopped["neural_net"]


LOST = """
import sys
sys.path.append(sys.argv[1])

def main():
    import os, signal, threading, time
    import numpy as np
    from fairlead.contract.errors import RemoteError
    from fairlead.contract.plugins import variant
    from pathlib import Path

    def children():
        own = str(os.getpid())
        return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()
                and (p / "stat").read_text().rpartition(")")[2].split()[1] == own]

    def kill():
        for _ in range(3000):
            found = children()
            if len(found) == 2:
                os.kill(found[-1], signal.SIGKILL)
                return
            time.sleep(0.02)

    random = np.random.default_rng(0)
    x = random.normal(size=(20000, 6))
    net = variant("learner", "divided_net")().build(
        "regression", {"layers": "32", "epochs": 400, "batch": 32, "dropout": 0.0, "patience": 0}, 3)
    net.processes = 2
    threading.Thread(target=kill).start()
    started = time.monotonic()
    try:
        net.fit(x, x[:, 0])
    except RemoteError as why:
        print("refused:", why, round(time.monotonic() - started, 1), len(children()))

main()
"""


def test_a_process_that_dies_ends_the_fit_in_words(libraries: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOST, str(libraries)], capture_output=True, text=True, check=False, timeout=200
    )
    assert done.stdout.startswith("refused: "), done.stdout[-2000:] + done.stderr[-3000:]
    assert done.stdout.rstrip().endswith(" 0")
