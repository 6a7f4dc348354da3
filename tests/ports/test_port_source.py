"""What every variant of the port `source` must do, ours and third parties' alike."""

from __future__ import annotations

import pandas as pd
import pytest

from fairlead.contract.errors import FairleadError, SourceUnreadable
from fairlead.contract.plugins import names, variant
from fairlead.lab.compile.sources import Hints, open_source

FILES = {
    "a.onnx": b"\x08\x0a", "a.skops": b"PK\x03\x04", "a.joblib": b"\x80\x05.", "a.pkl": b"\x80\x05.",
    "a.json": b'{"learner": {}}', "a.txt": b"tree\nversion=v4\n", "a.pt2": b"PK\x03\x04",
    "a.csv": b"x,y\n1,2\n", "empty": b"",
}  # fmt: skip
SAMPLE = pd.DataFrame({"x": [1.0, 2.0]})


@pytest.fixture(params=names("source"))
def source(request):
    return variant("source", request.param)()


def test_it_knows_its_own_by_name_and_first_bytes_and_opens_nothing(source, tmp_path):
    (tmp_path / "folder").mkdir()
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
        assert source.takes(str(tmp_path / name)) in (True, False)
    for nothing in (tmp_path / "folder", tmp_path / "empty", tmp_path / "a.csv", tmp_path / "nowhere"):
        assert not source.takes(str(nothing))


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("a.csv", "empty")])
def test_one_source_takes_each_form_and_what_is_broken_is_said_as_such(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(FILES[name])
    taking = [n for n in names("source") if variant("source", n)().takes(str(path))]
    assert len(taking) == 1
    with pytest.raises(FairleadError) as said:
        open_source(path, SAMPLE, Hints(trust=True))
    assert str(tmp_path) not in str(said.value)


def test_what_nobody_takes_is_refused_with_what_is_known(tmp_path):
    (tmp_path / "a.csv").write_bytes(FILES["a.csv"])
    with pytest.raises(SourceUnreadable) as said:
        open_source(tmp_path / "a.csv", SAMPLE)
    assert all(name in str(said.value) for name in names("source"))
