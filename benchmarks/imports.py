"""What starting costs: `import fairlead` and `fairlead --help`, against an empty Python (scenario `import-help`)."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 15
PROGRAM = Path(sys.executable).parent / "fairlead"
COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "import": [sys.executable, "-c", "import fairlead"],
    "help": [str(PROGRAM), "--help"],
}


def seconds(command: list[str]) -> float:
    """Wall time of one run."""
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def main() -> None:
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            taken[name].append(seconds(command))
    middle = {name: statistics.median(values) for name, values in taken.items()}
    print(json.dumps({
        "scenario": "import-help",
        "python_s": round(middle["python"], 4),
        "import_s": round(middle["import"] - middle["python"], 4),
        "help_s": round(middle["help"], 4),
        "spread": {name: [round(min(v), 4), round(max(v), 4)] for name, v in taken.items()},
    }))  # fmt: skip


if __name__ == "__main__":
    main()
