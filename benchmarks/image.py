"""Images of a small compiled model, and of one with its own libraries: size and how fast they start. Scenario `image`.

Built by buildah on a base made of this machine's own interpreter, from locked wheels; started in namespaces of its own
with a read-only root, as `tests/journeys/test_image.py` does. `start` is from the command to the ready line, `answer`
to the first prediction, each container with an empty volume. Needs root and Debian's buildah; `python -m benchmarks
image` measures.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.conftest import eventually  # noqa: E402
from tests.journeys import test_image as image  # noqa: E402
from tests.journeys import test_native_models as neighbours  # noqa: E402
from tests.journeys.cli import fairlead  # noqa: E402
from tests.journeys.contained import Buildah, Container, started  # noqa: E402
from tests.journeys.python_base import make_rootfs  # noqa: E402
from tests.unit.export.sealed_loans import loans  # noqa: E402

ROUNDS, NATIVE_ROUNDS = 9, 5


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        project = loans(folder / "loans")
        lock = ROOT / "requirements" / "base.txt"
        wheels = image.wheels(folder / "wheels", "--require-hashes", "-r", str(lock))
        assert fairlead(project, "export", "docker", "--set", f"wheels={wheels}").code == 0
        buildah = Buildah(folder)
        buildah.base(make_rootfs(folder / "root"), image.BASE)
        begun = time.perf_counter()
        buildah.build(project / "export" / "docker", "localhost/loans:one", image.BASE)
        built_s = time.perf_counter() - begun
        config = buildah.inspect("localhost/loans:one")["OCIv1"]["config"]
        told = {"scenario": "image", "base_mb": round(buildah.size(image.BASE) / 1e6), "build_s": round(built_s, 1),
                "mb": round(buildah.size("localhost/loans:one") / 1e6)}  # fmt: skip
        told |= times(buildah.mounted("localhost/loans:one"), config, folder / "volumes", ROUNDS, image.ROW)
        native = image.native_image(buildah, folder / "native")
        told["native"] = {"mb": round(native.size / 1e6)}
        row = neighbours.table().head(1)[neighbours.FEATURES].to_json(orient="records")
        told["native"] |= times(native.root, native.config, folder / "native-volumes", NATIVE_ROUNDS, row)
        buildah("rm", "--all")
        buildah("rmi", "--all", "--force")
    print(json.dumps(told))


def times(root: Path, config: dict[str, Any], volumes: Path, rounds: int, rows: str) -> dict[str, Any]:
    """Seconds to the ready line and to the first prediction, medians; each container has an empty volume. A native
    model answers after its own process is up, which readiness waits for."""
    starts, answers = [], []
    for number in range(rounds):
        begun = time.perf_counter()
        with started(root, config, volumes / str(number)) as container:
            image.running(container)
            starts.append(time.perf_counter() - begun)
            eventually(lambda: predicted(container, rows), 60, "the first prediction")
            answers.append(time.perf_counter() - begun)
    told = {"start_s": starts, "answer_s": answers}
    spread = {name: [round(min(found), 3), round(max(found), 3)] for name, found in told.items()}
    return {**{name: round(statistics.median(found), 3) for name, found in told.items()}, "spread": spread}


def predicted(container: Container, rows: str) -> bool:
    answer = container.ask(8080, "/predict/loans", rows, Content_Type="application/json")
    return answer is not None and answer.code == 200


if __name__ == "__main__":
    main()
