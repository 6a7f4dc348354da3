"""One suite for learners of pictures and texts: fits, seeds, weights, order, augmentation, sealing, as for all others.

torch is installed for it alone, so most of it runs in `make test-long`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.journeys.test_torch_programs import libraries as libraries

SUITE = """
import sys, warnings
sys.path.append(sys.argv[1])
warnings.simplefilter("ignore")
import numpy as np, optuna, pandas as pd
from fairlead.contract.plugins import names, variant
from fairlead.contract.settings import AugmentSettings, ModelSettings, Settings, TrainSettings
from fairlead.contract.errors import ConfigInvalid
from fairlead.lab.compile import certify, compile_pipeline
from fairlead.lab.stats import metrics
from fairlead.lab.train import fit, material_of, score_pipeline

optuna.logging.set_verbosity(optuna.logging.ERROR)
TARGETS = {"two": "classification", "three": "classification", "number": "regression"}
NAME, FEW = sys.argv[2], {"epochs": 25, "channels": "8x8", "hidden": 16}


def frame(rows=260, seed=0):
    random = np.random.default_rng(seed)
    kind, size = random.integers(0, 3, rows), random.normal(size=rows)
    images = random.integers(0, 60, (rows, 8, 6, 3)).astype(np.uint8)
    for row, which in enumerate(kind):
        images[row, :, 2 * which : 2 * which + 2, :] += 150
    words = np.array(["red", "green", "blue"])
    around = np.array(["the", "car", "was", "seen", "by", "a", "man"])
    texts = [" ".join(random.permutation([*random.choice(around, 4), words[which]])) for which in kind]
    texts[5] = None
    pull = kind + 0.7 * size + random.normal(scale=0.2, size=rows)
    return pd.DataFrame({
        "image": list(images), "text": texts, "size": size, "two": np.where(pull > 1, "yes", "no"),
        "three": np.array(["low", "middle", "high"])[kind], "number": 50 + 10 * pull,
    })


def settings(target, **train):
    unseen = "text" if NAME == "image_net" else "image"
    others = tuple(t for t in TARGETS if t != target)
    model = ModelSettings(name="m", task=TARGETS[target], target=target, exclude=(*others, unseen))
    return Settings(model=model, train=TrainSettings(learners=(NAME,), **train))


def small(parameters):
    return {key: FEW.get(key, value) for key, value in parameters.items()}


learner = variant("learner", NAME)()
for target in TARGETS:
    material = material_of(frame(), settings(target))
    pipeline = fit(material, NAME, small(learner.default(260)), seed=3)
    answers = score_pipeline(pipeline, material.columns, material.signature)
    twin = fit(material, NAME, small(learner.default(260)), seed=3)
    again = score_pipeline(twin, material.columns, material.signature)
    assert np.array_equal(answers, again), "not the same for a seed"
    found = metrics(material.signature.task, material.truth, answers, material.signature)
    assert found["r2"] > 0.6 if target == "number" else found["accuracy"] > 0.85, (target, found)
    made = compile_pipeline(pipeline, material.signature, material.frame)
    certificate = certify(pipeline, made, material.signature, material.columns)
    assert certificate.flipped == 0 and certificate.max_difference <= certificate.tolerance, certificate
    print(NAME, target, found.get("accuracy", found.get("r2")), certificate.max_difference)

study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
material = material_of(frame(), settings("three"))
for _ in range(3):
    parameters = learner.space(study.ask(), 260)
    fitted = fit(material, NAME, {**parameters, "epochs": 2}, seed=0)
    made = compile_pipeline(fitted, material.signature, material.frame)
    certificate = certify(fitted, made, material.signature, material.columns)
    assert certificate.flipped == 0 and certificate.max_difference <= certificate.tolerance, (parameters, certificate)

material = material_of(frame(), settings("two", class_weight={"yes": 8.0}))
plain = material_of(frame(), settings("two"))
heavy, light = (
    score_pipeline(fit(m, NAME, small(learner.default(260)), seed=3), m.columns, m.signature)[:, 1].mean()
    for m in (material, plain)
)
assert heavy > light, (heavy, light)

table = frame()
spoilt = np.arange(len(table)) % 3 == 0
table["weight"] = np.where(spoilt, 0.0, 2.0)
table.loc[spoilt, "number"] += 500.0
material = material_of(table, settings("number", weight="weight"))
answers = score_pipeline(fit(material, NAME, small(learner.default(260)), seed=3), material.columns, material.signature)
assert abs(answers[~spoilt].mean() - 60) < 8, "rows without weight taught something"

try:
    fit(material_of(frame(), settings("two", monotone={"size": 1})), NAME, learner.default(260))
    raise SystemExit("monotone was not refused")
except ConfigInvalid as why:
    assert NAME in str(why)

# What stops a fit is never changed, and has no part in what is learned: each row is known by its number `size`.
from fairlead.lab.train.estimators import torch_fitting

by = "images" if NAME == "image_net" else "texts"
rules = AugmentSettings(by=by, shift=0.3, drop=0.3, cutout=0.3)
changed = material_of(frame(), settings("three", augment=rules, patience=4))
prepared = changed.preparation()
features = prepared.fit_transform(changed.frame, changed.truth.astype(str))
from fairlead.lab.train.learning import learn

seen = {"learned": [], "judged": []}
at = prepared.output_indices_["numbers"].start


class Watching(torch_fitting.Fitting):
    def _net_seen(self, net):
        net.register_forward_pre_hook(
            lambda module, given: seen["learned" if module.training else "judged"].append(given[0].numpy().copy())
        )
        return net

    def __init__(self, recipe, learned, judged, checkpoint, watch, build, change=None):
        super().__init__(recipe, learned, judged, checkpoint, watch, lambda torch: self._net_seen(build(torch)), change)


from fairlead.lab.train.estimators import torch_estimator

torch_estimator.Fitting = Watching
truth = changed.truth.astype(str)
terms = changed.terms.seeing(prepared, changed.signature)
learn(learner, "classification", small(learner.default(260)), 0, features, truth, terms=terms)
learned, judged = (np.concatenate(seen[part]) for part in ("learned", "judged"))
assert len(judged) and not set(learned[:, at]) & set(judged[:, at]), "rows that stop the fit were learned from"
own = {row[at]: row for row in features.astype(np.float32)}
assert all(np.array_equal(row, own[row[at]]) for row in judged), "rows that stop the fit were changed"
assert np.mean([np.array_equal(row, own[row[at]]) for row in learned]) < 0.5, "hardly a row was changed"
print("all true")
"""
KILLED = """
import sys
from pathlib import Path
sys.path.append(sys.argv[1])
import numpy as np
from fairlead.contract.plugins import variant
from fairlead.contract.settings import AugmentSettings
from fairlead.lab.train.layout import Layout, Picture
from fairlead.lab.train.learning import learn
from fairlead.lab.train.terms import Terms

random = np.random.default_rng(0)
x = random.random((400, 65))
y = np.where(x[:, :32].mean(axis=1) + 0.1 * x[:, 64] > x[:, 32:64].mean(axis=1) + 0.05, "a", "b")
terms = Terms(
    augment=AugmentSettings(by="images", mixup=0.2), layout=Layout((Picture("i", 0, 8, 8),))
).watched(Path(sys.argv[2]), lambda text: print(text, flush=True))
settings = {"channels": "8x8", "hidden": 16, "epochs": 30, "batch": 16, "learning_rate": 2e-3, "patience": 0}
net = learn(variant("learner", "image_net")(), "classification", settings, 3, x, y, terms=terms)
held = [part for pair in (*net.layers_.kernels, *net.layers_.sums) for part in pair]
np.savez(sys.argv[3], passes=net.epochs_, *held)
"""


def run(program: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root}
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True, env=environment, check=False
    )


@pytest.mark.long
@pytest.mark.parametrize("name", ["image_net", "text_net"])
def test_a_learner_that_sees_keeps_what_all_learners_promise(libraries: Path, name: str) -> None:
    done = run(SUITE, libraries, name)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert "all true" in done.stdout


@pytest.mark.long
def test_a_fit_of_images_that_is_killed_goes_on_and_ends_as_if_it_had_not_been(libraries: Path, tmp_path: Path) -> None:
    import numpy as np

    whole = run(KILLED, libraries, tmp_path / "one", tmp_path / "whole.npz")
    assert whole.returncode == 0, whole.stderr
    words = [sys.executable, "-c", KILLED, str(libraries), str(tmp_path / "two"), str(tmp_path / "killed.npz")]
    killed = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert killed.stdout is not None
    for line in killed.stdout:
        if line.startswith("pass 6 of 30"):
            break
    killed.kill()
    killed.wait()
    assert any((tmp_path / "two" / "fits").glob("*.npz"))
    assert not (tmp_path / "killed.npz").exists()
    again = run(KILLED, libraries, tmp_path / "two", tmp_path / "killed.npz")
    assert again.returncode == 0, again.stderr
    assert 5 <= int(again.stdout.split()[1]) <= 12, "it goes on with the pass after those that were kept"
    one, two = np.load(tmp_path / "whole.npz"), np.load(tmp_path / "killed.npz")
    assert sorted(one.files) == sorted(two.files)
    for name in one.files:
        assert np.array_equal(one[name], two[name]), name
