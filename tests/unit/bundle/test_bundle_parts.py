"""Keys, attestations, the calendar, and the lock in front of onnxruntime."""

from __future__ import annotations

import datetime
import math
import subprocess
import sys

import msgspec
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from fairlead.contract.errors import BundleRefused, UsageError
from fairlead.contract.evidence import Attestation
from fairlead.runtime.bundle import SigningKey, attest, attestations
from fairlead.runtime.bundle.calendar import EARLIEST, LATEST, PARTS, part_of, parts_of
from fairlead.runtime.bundle.onnx_guard import check_onnx
from fairlead.runtime.bundle.tail import OnnxTail

BUNDLE = "a" * 64


def test_keys_are_private_and_never_overwritten(tmp_path):
    path = tmp_path / "keys" / "seal.key"
    key = SigningKey.create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load(path).public == key.public
    with pytest.raises(UsageError, match="already"):
        SigningKey.create(path)
    assert [p.name for p in path.parent.iterdir()] == ["seal.key"]
    path.chmod(0o644)
    with pytest.raises(UsageError, match="0600"):
        SigningKey.load(path)
    path.chmod(0o600)
    path.write_text("not a key")
    with pytest.raises(UsageError, match="64 hex"):
        SigningKey.load(path)
    with pytest.raises(UsageError, match="cannot be read"):
        SigningKey.load(tmp_path / "absent")


def statement(at=1.0, kind="verdict"):
    return Attestation(BUNDLE, kind, at, "someone", {"outcome": "pass", "checks": [1, 2.5, None]})


def test_attestations_come_back_oldest_first(tmp_path, key):
    for made in (statement(3.0), statement(1.0), statement(2.0, "waiver"), statement(3.0)):
        attest(tmp_path, made, key)
    assert attestations(tmp_path, BUNDLE, (key.public,)) == [statement(1.0), statement(2.0, "waiver"), statement(3.0)]
    assert attestations(tmp_path, "b" * 64, (key.public,)) == []
    assert attestations(tmp_path, "", (key.public,)) == []


@settings(max_examples=60, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), byte=st.integers(1, 255), signature=st.booleans())
def test_an_attestation_that_was_touched_is_never_skipped(tmp_path_factory, key, where, byte, signature):
    root = tmp_path_factory.mktemp("attestations")
    attest(root, statement(1.0), key)
    path = attest(root, statement(2.0), key)
    target = path.with_suffix(".sig") if signature else path
    data = target.read_bytes()
    at = int(where * len(data))
    target.write_bytes(data[:at] + bytes([data[at] ^ byte]) + data[at + 1 :])
    with pytest.raises(BundleRefused, match="attestation"):
        attestations(root, BUNDLE, (key.public,))


def test_attestations_by_strangers_about_others_or_without_signature_are_refused(tmp_path, key):
    stranger = SigningKey.create(tmp_path / "k")
    attest(tmp_path / "one", statement(), stranger)
    with pytest.raises(BundleRefused, match="not trusted"):
        attestations(tmp_path / "one", BUNDLE, (key.public,))
    path = attest(tmp_path / "two", statement(), key)
    moved = tmp_path / "two" / ("b" * 64)
    path.parent.rename(moved)
    with pytest.raises(BundleRefused, match="another bundle"):
        attestations(tmp_path / "two", "b" * 64, (key.public,))
    (moved / path.with_suffix(".sig").name).unlink()
    with pytest.raises(BundleRefused, match="No such file"):
        attestations(tmp_path / "two", "b" * 64, (key.public,))


def test_a_sealed_manifest_is_no_attestation(tmp_path, key, sealed):
    folder = tmp_path / BUNDLE
    folder.mkdir()
    (folder / f"{BUNDLE}.json").write_bytes((sealed / "manifest.json").read_bytes())
    (folder / f"{BUNDLE}.sig").write_bytes((sealed / "seal.sig").read_bytes())
    with pytest.raises(BundleRefused, match="does not match"):
        attestations(tmp_path, BUNDLE, (key.public,))


@given(st.floats(EARLIEST, LATEST - 1))
def test_parts_of_a_time_are_those_of_the_calendar(seconds):
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=math.floor(seconds))
    expected = {
        "year": moment.year,
        "month": moment.month,
        "day": moment.day,
        "weekday": moment.weekday(),
        "hour": moment.hour,
        "minute": moment.minute,
        "day_of_year": moment.timetuple().tm_yday,
        "epoch_day": moment.toordinal() - datetime.date(1970, 1, 1).toordinal(),
    }
    assert {part: part_of(seconds, part) for part in PARTS} == expected
    assert {part: parts_of(np.array([seconds]), part)[0] for part in PARTS} == expected


@pytest.mark.parametrize("seconds", [1e300, -1e300, 1e18, float(LATEST + 1)])
def test_times_beyond_the_calendar_count_as_its_ends(seconds):
    for part in PARTS:
        assert part_of(seconds, part) == parts_of(np.array([seconds]), part)[0]
    assert math.isnan(part_of(math.nan, "year"))
    assert np.isnan(parts_of(np.array([math.nan]), "hour")).all()


def model(nodes, constants=(), **more):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [None, 2])],
        [helper.make_tensor_value_info("value", TensorProto.DOUBLE, [None, 2])],
        list(constants),
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("evil", 1)], ir_version=10, **more
    )


def test_plain_arithmetic_passes_and_runs():
    one = numpy_helper.from_array(np.array([1.0]), "one")
    data = model([helper.make_node("Add", ["x", "one"], ["value"])], [one]).SerializeToString()
    check_onnx(data)
    assert OnnxTail(data, 2).scores(np.array([[1.0, 2.0]])).tolist() == [[2.0, 3.0]]
    with pytest.raises(BundleRefused, match="the front gives 3"):
        OnnxTail(data, 3)


def test_convolutions_and_pools_with_edges_of_their_own_pass():
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["c"], ["value"], kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 1, 1]),
    ]
    check_onnx(model(nodes).SerializeToString())


def external():
    tensor = numpy_helper.from_array(np.array([1.0]), "one")
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    return tensor


def giant():
    tensor = numpy_helper.from_array(np.array([1.0]), "one")
    tensor.dims[:] = [2**40, 2**20]
    return tensor


def branch():
    inner = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "i",
        [],
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)],
    )
    return helper.make_node("Identity", ["x"], ["value"], then_branch=inner)


ADD = helper.make_node("Add", ["x", "one"], ["value"])
FUNCTION = helper.make_function(
    "evil", "F", ["x"], ["y"], [helper.make_node("Identity", ["x"], ["y"])], [helper.make_opsetid("", 21)]
)


@pytest.mark.parametrize(
    ("built", "why"),
    [
        (model([helper.make_node("Loop", ["x"], ["value"])]), "operator 'Loop'"),
        (model([helper.make_node("ConstantOfShape", ["x"], ["value"])]), "operator 'ConstantOfShape'"),
        (model([helper.make_node("Add", ["x", "x"], ["value"], domain="evil")]), "of domain 'evil'"),
        (model([ADD], [external()]), "outside the file"),
        (model([ADD], [giant()]), "claims more cells"),
        (model([branch()]), "graphs inside nodes"),
        (model([helper.make_node("F", ["x"], ["value"])], functions=[FUNCTION]), "not allowed"),
        (model([helper.make_node("Identity", ["x"], [f"v{i}"]) for i in range(5000)]), "more than 4096 nodes"),
        (model([helper.make_node("Conv", ["x", "w"], ["value"], pads=[0, 0, 0, 257])]), "an edge of more than 256"),
        (model([helper.make_node("MaxPool", ["x"], ["value"], pads=[10**12])]), "an edge of more than 256"),
        (model([helper.make_node("Conv", ["x", "w"], ["value"], pads=[-1])]), "of less than none"),
    ],
)
def test_anything_else_is_refused_before_onnxruntime_sees_it(built, why):
    with pytest.raises(BundleRefused, match=why):
        check_onnx(built.SerializeToString())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_pass_without_a_crash(data):
    with pytest.raises(BundleRefused):
        check_onnx(data)


def test_the_room_loads_no_heavy_library_and_onnxruntime_only_with_a_model():
    code = (
        "import sys, fairlead.runtime.bundle.run, fairlead.runtime.bundle.store, fairlead.runtime.bundle.attesting\n"
        "heavy = {'sklearn', 'pandas', 'scipy', 'pyarrow', 'onnx', 'onnxruntime', 'sqlalchemy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_structs_survive_json():
    assert msgspec.json.decode(msgspec.json.encode(statement()), type=Attestation) == statement()
