"""Folders of native models: each goes with its owner, however that ends, and never while one lives."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile

import pytest

from fairlead.runtime.native.scratch import Scratch, sweep

OWNER = """
import os, sys
from fairlead.runtime.native.scratch import Scratch
scratch = Scratch()
if sys.argv[1] == "forked" and os.fork():
    os._exit(0)
print(scratch.path, os.getpid(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("how", ["alone", "forked"])
def test_a_folder_goes_once_all_who_have_it_were_killed(here, how):
    environ = {**os.environ, "TMPDIR": str(here)}
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, how], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        path, pid = owner.stdout.readline().split()
        sweep()
        assert os.path.isdir(path), "its maker lives, or a fork of it"
        descriptor = os.pidfd_open(int(pid))
        os.kill(int(pid), 9)
        assert select.select([descriptor], [], [], 20.0)[0], "it ends"
        os.close(descriptor)
    sweep()
    assert not os.path.exists(path)


def test_what_only_looks_like_one_stays(here, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "kept").write_text("")
    os.symlink(elsewhere, here / "fairlead-native-of-link")
    (here / "fairlead-native-of-file").write_text("")
    (here / "fairlead-native-old").mkdir()
    scratch = Scratch()
    sweep()
    assert sorted(path.name for path in here.iterdir()) == sorted(
        ["fairlead-native-of-file", "fairlead-native-of-link", "fairlead-native-old", os.path.basename(scratch.path)]
    )
    assert (elsewhere / "kept").exists()
    scratch.close()
    scratch.close()
    assert not os.path.exists(scratch.path)


def test_it_is_emptied_of_files_as_of_folders(here):
    scratch = Scratch()
    os.makedirs(os.path.join(scratch.path, "a", "b"))
    for name in ("a/x", "y"):
        open(os.path.join(scratch.path, name), "w").close()
    os.symlink("/", os.path.join(scratch.path, "link"))
    scratch.empty()
    assert os.listdir(scratch.path) == []
    scratch.close()
