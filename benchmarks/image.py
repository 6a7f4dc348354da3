"""The image of a small compiled model: its size and how fast it starts. Scenario `image`.

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

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.journeys import test_image as image  # noqa: E402
from tests.journeys.cli import fairlead  # noqa: E402
from tests.journeys.contained import Buildah, started  # noqa: E402
from tests.journeys.python_base import make_rootfs  # noqa: E402
from tests.unit.export.sealed_loans import loans  # noqa: E402

ROUNDS = 9


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
        root = buildah.mounted("localhost/loans:one")
        starts, answers = [], []
        for number in range(ROUNDS):
            begun = time.perf_counter()
            with started(root, config, folder / f"volume-{number}") as container:
                image.running(container)
                starts.append(time.perf_counter() - begun)
                answer = container.ask(8080, "/predict/loans", image.ROW, Content_Type="application/json")
                assert answer is not None
                assert answer.code == 200
                answers.append(time.perf_counter() - begun)
        size, base = buildah.size("localhost/loans:one"), buildah.size(image.BASE)
        buildah("rm", "--all")
        buildah("rmi", "--all", "--force")
    told = {"scenario": "image", "mb": round(size / 1e6), "base_mb": round(base / 1e6), "build_s": round(built_s, 1),
            "start_s": round(statistics.median(starts), 3), "answer_s": round(statistics.median(answers), 3),
            "spread": {"start_s": [round(min(starts), 3), round(max(starts), 3)]}}  # fmt: skip
    print(json.dumps(told))


if __name__ == "__main__":
    main()
