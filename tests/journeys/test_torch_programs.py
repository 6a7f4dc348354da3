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


IMAGES = """
import sys, warnings
warnings.simplefilter("ignore")
sys.path.append(sys.argv[1])
import numpy as np, onnxruntime, torch
from torch import nn
from torch.nn import functional as F
from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile.sources.torch_export import onnx_of

torch.manual_seed(0)


class By(nn.Module):
    def __init__(self, forward, *layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.by = forward

    def forward(self, x):
        return self.by(self, x)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        return (self.act(self.norm(self.a(x))) + x).mean((2, 3))


def twice(y):
    before = y * 2
    return (F.relu(y, inplace=True) + y - before).flatten(1)


one, three, line = torch.rand(4, 1, 8, 8), torch.rand(4, 3, 10, 12), torch.rand(4, 2, 20)
small = torch.randint(0, 255, (4, 8, 8), dtype=torch.uint8)
same = {
    "plain": (nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 3)), one),
    "options": (nn.Sequential(
        nn.Conv2d(3, 6, (3, 5), stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=3, bias=False), nn.LeakyReLU(),
        nn.AvgPool2d(2, padding=1, count_include_pad=False), nn.Flatten(1)), three),
    "named padding": (nn.Sequential(nn.Conv2d(3, 2, (4, 3), padding="same"), nn.Conv2d(2, 2, 3, padding="valid"),
                      nn.Hardtanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), three),
    "pools": (nn.Sequential(nn.AdaptiveAvgPool2d((5, 6)), nn.MaxPool2d(3, stride=1, padding=1, dilation=1),
              nn.AdaptiveMaxPool2d((1, 2)), nn.Flatten()), three),
    "activations": (nn.Sequential(nn.ReLU6(), nn.Hardswish(), nn.Hardsigmoid(), nn.SiLU(inplace=True), nn.ELU(),
                    nn.Flatten(), nn.Linear(64, 2), nn.Sigmoid()), one),
    "residual": (Residual(), three),
    "twice": (By(lambda m, x: twice(m.layers[0](x)), nn.Conv2d(1, 1, 3)), one),
    "linear on a row of rows": (By(lambda m, x: m.layers[0](x).flatten(1), nn.Linear(20, 4)), line),
    "a line": (nn.Sequential(nn.Conv1d(2, 3, 5, stride=2), nn.MaxPool1d(2), nn.AvgPool1d(2), nn.Flatten()), line),
    "bytes": (By(lambda m, x: m.layers[0](x[:, None].float().div(255)).amax((2, 3)), nn.Conv2d(1, 3, 3)), small),
    "bytes by numbers": (By(lambda m, x: m.layers[0]((x / 255.0).reshape(-1, 64)), nn.Linear(64, 2)), small),
    "axes": (By(lambda m, x: m.layers[0](x.permute(0, 2, 3, 1)).transpose(1, 3).clamp(-0.5, 0.5).flatten(1),
             nn.Linear(3, 2)), three),
    "parts": (By(lambda m, x: torch.cat([x[:, 0, 2:8:3], x[:, -1, :2]], 1).flatten(1)), three),
    "view": (By(lambda m, x: x.view(x.shape[0], -1).clamp(min=0.2).sum(1, keepdim=True)), three),
    "dropout": (nn.Sequential(nn.Dropout2d(0.5), nn.Conv2d(1, 2, 8), nn.Dropout(0.3), nn.Flatten()), one),
    "doubles": (nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 2)).double(), one.double()),
}
rows = {0: torch.export.Dim("rows", min=1)}


def exported(net, x, shapes=rows):
    return torch.export.export(net.eval(), (x,), dynamic_shapes=(shapes,))


for name, (net, x) in same.items():
    program = exported(net, x)
    for form in (program, program.run_decompositions()):
        try:
            session = onnxruntime.InferenceSession(onnx_of(form))
        except NotCompilable as refused:
            assert form is not program, (name, refused)
            continue
        for given in (x, x[:1]):
            with torch.no_grad():
                said = net(given).numpy()
            found = session.run(None, {session.get_inputs()[0].name: given.numpy()})[0]
            assert found.shape == said.shape, (name, found.shape, said.shape)
            assert np.abs(found - said).max() <= 1e-6 * max(1, np.abs(said).max()), (name, np.abs(found - said).max())


def seen(module, x):
    y = module.layers[0](x)
    view = y.view(y.shape[0], -1)
    y.relu_()
    return view


refused = {
    "after .float()": (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten()).double(), one.double()),
    "uses elsewhere": (By(seen, nn.Conv2d(1, 1, 3)), one),
    "changes a tensor in place": (By(lambda m, x: F.relu(x, inplace=True).flatten(1)), one),
    "ceil_mode": (nn.Sequential(nn.MaxPool2d(3, ceil_mode=True), nn.Flatten()), one),
    "windows differ": (nn.Sequential(nn.AdaptiveAvgPool2d(7), nn.Flatten()), three),
    "'conv_transpose2d'": (nn.Sequential(nn.ConvTranspose2d(1, 1, 3), nn.Flatten()), one),
    "'group_norm'": (nn.Sequential(nn.GroupNorm(1, 3), nn.Flatten()), three),
    "one matrix of them": (nn.Conv2d(1, 1, 3), one),
    "size of": (By(lambda m, x: (x / x.shape[0]).flatten(1)), one),
}
for why, (net, x) in refused.items():
    try:
        onnx_of(exported(net, x))
        raise SystemExit(f"translated: {why}")
    except NotCompilable as told:
        assert why in str(told), (why, told)
try:
    onnx_of(exported(By(lambda m, x: x.mean((2, 3))), three, {0: rows[0], 2: torch.export.Dim("high", min=2)}))
    raise SystemExit("translated: any size")
except NotCompilable as told:
    assert "any size" in str(told)
print("all equal")
"""


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where torch is installed."""
    libraries = tmp_path_factory.mktemp("torch")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--require-hashes", "--target", str(libraries)]
    installed = subprocess.run([*pip, "-r", str(NEEDED)], capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"torch (tests/journeys/torch.txt) cannot be installed here: {installed.stderr[-200:]}")
    return libraries


@pytest.mark.long
@pytest.mark.parametrize("program", [PROGRAM, IMAGES], ids=["tables", "images"])
def test_programs_are_translated_and_answer_as_torch_does(libraries: Path, program: str, tmp_path: Path) -> None:
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", program, str(libraries), str(tmp_path)],
        capture_output=True, text=True, check=False, cwd=root,
        env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "all equal" in done.stdout
