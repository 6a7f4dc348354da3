"""Models that take pictures, sealed and served, asked by other people's clients and compared with the model itself."""

from __future__ import annotations

import importlib.util
import json
import select
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.clients.conftest import Served
from tests.clients.test_clients import run
from tests.conftest import ROOT, environment

sys.path.insert(0, str(ROOT / "tests" / "unit" / "bundle"))

import tensor_samples

from fairlead.contract.signature import Signature
from fairlead.runtime.bundle import SigningKey, load
from fairlead.runtime.bundle.golden import row_of
from fairlead.runtime.bundle.tensor_cells import cell_from, outside

SERVE = """
import sys; from pathlib import Path
from fairlead.contract.routes import Limits
from fairlead.contract.settings import ServeSettings
from fairlead.runtime.serve import ServeOptions, serve
serve(
    ServeOptions(bundle=Path(sys.argv[1]), home=Path(sys.argv[2]), port=0, limits=Limits(batch_bytes=int(sys.argv[3])),
                 server=ServeSettings(grpc_port=0)),
    lambda url: print(url, flush=True),
)
"""


@pytest.fixture(scope="module", params=[("linear", 1 << 18), ("network", 1 << 18), ("network", 500)], ids=str)
def pictured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A picture beside ordinary columns, one alone, and one whose every body is for the batch lane."""
    kind, batch_bytes = request.param
    root = tmp_path_factory.mktemp(kind)
    key = SigningKey.create(root / "key")
    bundle = tensor_samples.sealed_at(root / "bundle", kind, key)
    model = load(bundle, [key.public])
    signature: Signature = model.signature
    rows = [row_of(row, signature) for row in tensor_samples.rows_of(signature, 12)]
    for row in rows:
        row["image"] = plain(row["image"])
        # Triton's clients have no way to say that a text is missing.
        row |= {"plan": row["plan"] or "basic"} if "plan" in row else {}
    (root / "home").mkdir()
    with (root / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, bundle, root / "home", str(batch_bytes)],
            stdout=subprocess.PIPE, stderr=log, env=environment(), text=True,
        )  # fmt: skip
    try:
        assert process.stdout is not None
        came, _, _ = select.select([process.stdout], [], [], 60)
        said = process.stdout.readline().split() if came else []
        assert len(said) == 2, (root / "server.log").read_text()
        http, grpc = (address.partition("://")[2] for address in said)
        told = {
            "http": http, "grpc": grpc, "model": "pictures", "version": "1", "classes": list(signature.classes),
            "rows": rows, "expected": model.predict(rows),
        }  # fmt: skip
        case = root / "case.json"
        case.write_text(json.dumps(told))
        yield Served(http, grpc, case, bundle)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def plain(image: object) -> object:
    """A picture as lists, however golden rows hold it."""
    cell = cell_from(image, tensor_samples.IMAGE)
    assert cell is not None
    return outside(cell, tensor_samples.IMAGE)


def test_a_model_of_pictures_answers_every_client(pictured: Served) -> None:
    if importlib.util.find_spec("tritonclient") is None:
        pytest.skip("tritonclient (pip) is missing")
    run("with_images", pictured)
