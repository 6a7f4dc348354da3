"""The wheel, installed outside of the repository, exports whatever the repository does: nothing it needs stays here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from tests.conftest import ROOT, environment

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the files that git knows, as a release is."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "src", "pyproject.toml", "hatch_build.py", "README.md", "LICENSE"], cwd=ROOT,
        capture_output=True, text=True, check=True, timeout=300,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, listed):
        if (ROOT / name).exists():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes((ROOT / name).read_bytes())
    words = [sys.executable, "-m", "uv", "build", "--quiet", "--wheel", "--no-build-isolation", "--python",
             sys.executable, "--out-dir", str(out)]  # fmt: skip
    done = subprocess.run(words, cwd=tree, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; libraries are those of this one, our package is not."""
    folder = tmp_path_factory.mktemp("env") / "env"
    for words in (
        ["venv", "--quiet", "--python", sys.executable, str(folder)],
        ["pip", "install", "--quiet", "--no-deps", "--python", str(folder / "bin" / "python"), str(wheel)],
    ):
        subprocess.run([sys.executable, "-m", "uv", *words], check=True, timeout=120)  # fmt: skip
    (inside,) = folder.glob("lib/python*/site-packages")
    # Paths in such a file are not searched for more of them: the editable install stays out of sight.
    (inside / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin" / "python"


def ran(python: Path, folder: Path, *words: str) -> str:
    """What a program says with nothing of the repository in sight."""
    clean = {name: value for name, value in environment().items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [python, *words], cwd=folder, capture_output=True, text=True, timeout=200, check=False,
        env={**clean, "PATH": f"{python.parent}{os.pathsep}{clean['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_the_wheel_carries_what_exports_read(wheel: Path) -> None:
    here = ROOT / "src"
    wanted = {str(path.relative_to(here)) for path in (here / "fairlead").rglob("*")
              if path.suffix in {".tf", ".txt", ".json", ".html", ".css", ".js", ".mako"}}  # fmt: skip
    assert wanted <= set(zipfile.ZipFile(wheel).namelist())
    assert any(one.startswith("fairlead/reach/export/locks/") for one in wanted)


def test_every_target_is_written_by_the_installed_wheel(python: Path, shop: Path, tmp_path: Path) -> None:
    where = ran(python, tmp_path, "-c", "import fairlead; print(fairlead.__file__)").strip()
    assert Path(where).is_relative_to(python.parents[1])
    targets = json.loads(ran(python, shop, "-m", "fairlead", "export", "--json"))["targets"]
    assert len(targets) >= 8
    for target in targets:
        name = target["target"]
        told = ["--set", "control=https://control.example.org"] if name == "rollouts" else []
        answer = json.loads(
            ran(
                python,
                shop,
                "-m",
                "fairlead",
                "export",
                name,
                "--image",
                "registry.example.org/churn:v1",
                *told,
                "--json",
            )
        )
        assert answer["files"], name
