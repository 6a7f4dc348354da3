"""`python -m fairlead.runtime.serve.observing FOLDER`: the alert rules and the dashboard that come with Fairlead."""

from __future__ import annotations

import argparse
import sys
from importlib.resources import files
from pathlib import Path


def write(folder: Path) -> list[Path]:
    """Write the files; what is there under their names is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for given in sorted(files(__package__).joinpath("files").iterdir(), key=lambda one: one.name):
        written.append(folder / given.name)
        written[-1].write_bytes(given.read_bytes())
    return written


def main() -> int:
    """Exit codes: 0 done, 1 the folder cannot be written to, 2 usage."""
    parser = argparse.ArgumentParser(
        prog="python -m fairlead.runtime.serve.observing",
        description="Write the Prometheus alert rules and the Grafana dashboard into a folder.",
    )
    parser.add_argument("folder", type=Path)
    try:
        for path in write(parser.parse_args().folder):
            sys.stdout.write(f"{path}\n")
    except OSError as failed:
        sys.stderr.write(f"cannot write: {failed.strerror}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
