"""Models that do what no model should, and bundles of them. Imported by the models' own processes, too."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd

from fairlead.contract.evidence import Lineage
from fairlead.contract.profile import Profile, Reference
from fairlead.lab.compile import Candidate, signature_for_estimator, write_bundle
from fairlead.lab.compile.foreign import columns_like
from fairlead.runtime.native import NativeTerms

TERMS = NativeTerms(deadline_s=20.0, start_s=60.0)
HERE = str(Path(__file__).parent)


class Capricious:
    """p(yes) is a logistic curve of `amount`; certain amounts make it misbehave."""

    classes_ = np.array(["no", "yes"])

    def __init__(self):
        self.feature_names_in_ = np.array(["amount", "plan"], dtype=object)

    def predict_proba(self, frame):
        amounts = frame["amount"].to_numpy()
        if (amounts == 666.0).any():
            ctypes.string_at(0)
        if (amounts == 667.0).any():
            os._exit(3)
        if (amounts == 668.0).any():
            raise RuntimeError("a secret cell")
        if (amounts == 669.0).any():
            time.sleep(3600)
        if (amounts == 670.0).any():
            bytearray(64 << 30)
        if (amounts == 671.0).any():
            print("chatter on standard output", flush=True)
        p = 1.0 / (1.0 + np.exp(-(np.nan_to_num(amounts) - 50.0) / 20.0 - (frame["plan"] == "pro")))
        return np.column_stack((1.0 - p, p))

    def predict(self, frame):
        return self.classes_[self.predict_proba(frame).argmax(axis=1)]


def rows(count: int = 200) -> pd.DataFrame:
    random = np.random.default_rng(0)
    plans = pd.Series(random.choice(["basic", "pro"], count)).where(random.random(count) > 0.1)
    return pd.DataFrame({"amount": random.uniform(0, 100, count).round(3), "plan": plans})


def candidate(estimator, sample, artefact=None, **options) -> Candidate:
    signature = signature_for_estimator(estimator, sample, target="y")
    columns = columns_like(sample, signature)
    lineage = Lineage("0" * 64, len(sample), type(estimator).__name__, {}, 0, "c")
    return Candidate(
        estimator, signature, lineage, Reference(Profile(0, ())), columns, sample=sample, artefact=artefact, **options
    )


def sealed(folder: Path, key, estimator=None, sample=None, artefact=None) -> Path:
    """A native bundle in `folder`."""
    folder.mkdir(parents=True)
    made = candidate(Capricious() if estimator is None else estimator, rows() if sample is None else sample, artefact)
    write_bundle(made, folder, key, native=TERMS)
    return folder
