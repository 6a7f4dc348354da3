"""Programs of torch.export: translated, sealed, and equal to torch. torch is installed for these tests alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

NEEDED = Path(__file__).with_name("torch.txt")
PROGRAM = """
import sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
sys.path.append(sys.argv[1])
import numpy as np, torch
import fairlead
from fairlead.contract.errors import NotCompilable, UsageError
from tests.journeys.test_bundle_sources import CONFIG, NUMBERS, answers, numeric, same

torch.manual_seed(0)
folder = Path(sys.argv[2])


class Net(torch.nn.Module):
    def __init__(self, last, outputs):
        super().__init__()
        self.last = last
        self.register_buffer("mean", torch.tensor([3000.0, 20000.0, 20.0]))
        self.net = torch.nn.Sequential(
            torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 16), torch.nn.ReLU(), torch.nn.Dropout(0.2),
            torch.nn.LayerNorm(16), torch.nn.Linear(16, 8), torch.nn.SiLU(), torch.nn.GELU(),
            torch.nn.Linear(8, outputs),
        )

    def forward(self, x):
        y = self.net((x - self.mean) / 1000.0)
        if self.last == "softmax":
            return torch.softmax(y, dim=1)
        return torch.sigmoid(y).squeeze(1) if self.last == "sigmoid" else y


def saved(net, name, **shapes):
    x = torch.tensor(rows[NUMBERS].to_numpy(np.float32))
    net.train()(x)
    net.eval()
    torch.export.save(torch.export.export(net, (x[:5],), **shapes), folder / name)
    return folder / name


def project(task):
    (folder / "fairlead.toml").write_text(CONFIG.format(task=task, trust=""))
    return fairlead.open(folder)


rows = numeric()[[*NUMBERS, "loan", "repaid"]]
later = numeric(seed=5)
free = {"dynamic_shapes": {"x": {0: torch.export.Dim("n", min=1)}}}
for last, outputs, task in (("softmax", 2, "classification"), ("sigmoid", 1, "classification"), ("", 1, "regression")):
    net = Net(last, outputs)
    path = saved(net, f"{last or 'number'}.pt2", **free)
    try:
        project(task).bundle(path, rows)
        raise SystemExit("opened without trust")
    except UsageError as refused:
        assert "--trust" in str(refused)
    sealed = project(task).bundle(path, rows, trust=True)
    assert sealed["form"] == "onnx", sealed
    assert sealed["parity"]["flipped"] == 0
    with torch.no_grad():
        said = net(torch.tensor(later[NUMBERS].to_numpy(np.float32))).numpy().reshape(len(later), -1)
    same(answers(sealed, later), np.column_stack([1 - said, said]) if last == "sigmoid" else said, 1e-5)


class Sorting(torch.nn.Module):
    def forward(self, x):
        return torch.sort(x, dim=1)[0][:, :1]


for net, shapes, why in ((Sorting(), free, "not translated"), (Net("", 1), {}, "dynamic first dimension")):
    try:
        project("regression").bundle(saved(net, "refused.pt2", **shapes), rows, trust=True)
        raise SystemExit(f"sealed: {why}")
    except NotCompilable as refused:
        assert why in str(refused), refused
print("all equal")
"""


@pytest.mark.long
def test_programs_are_translated_and_answer_as_torch_does(tmp_path: Path) -> None:
    libraries = tmp_path / "libraries"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--require-hashes", "--target", str(libraries)]
    installed = subprocess.run([*pip, "-r", str(NEEDED)], capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"torch (tests/journeys/torch.txt) cannot be installed here: {installed.stderr[-200:]}")
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(libraries), str(tmp_path)],
        capture_output=True, text=True, check=False, cwd=root,
        env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "all equal" in done.stdout
