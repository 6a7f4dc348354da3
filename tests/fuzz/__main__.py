"""`python -m tests.fuzz TARGET FOLDER [libFuzzer options]`: one target under atheris. FOLDER: of inputs, which grows.

What it finds is written as `crash-*` where `-artifact_prefix` says; kept under `tests/fuzz/corpus/TARGET/` it is
replayed by `make test` from then on.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    with atheris.instrument_imports(include=["fairlead.runtime"]):
        from tests.fuzz.targets import CORPUS, seeds, target
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (folder / f"seed-{number}").write_bytes(seed)
    kept = [str(CORPUS / name)] if (CORPUS / name).is_dir() else []
    atheris.Setup([sys.argv[0], *sys.argv[3:], str(folder), *kept], target(name))
    atheris.Fuzz()


main()
