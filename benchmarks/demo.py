"""The demo, cold and warm (scenario `demo`): seconds of the story when installed, and of a second call."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time


def play(folder: str) -> dict[str, object]:
    """One story; its summary with the wall time of the whole command."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "fairlead", "demo", "--folder", folder, "--json"], stdout=subprocess.PIPE, check=True
    )
    return {**json.loads(done.stdout), "wall_s": round(time.perf_counter() - started, 1)}


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        first, second = play(f"{scratch}/demo"), play(f"{scratch}/demo")
    print(json.dumps({
        "scenario": "demo",
        "first_s": first["wall_s"],
        "second_s": second["wall_s"],
        "requests": second["requests"],
        "detection_delay_weeks": second["detection_delay_weeks"],
        "false_alarms_before_change": second["false_alarms_before_change"],
        "quality": {k: v for k, v in second["quality"].items() if k != "by_week"},  # type: ignore[attr-defined]
        "reconciled": second["reconciled"],
    }))  # fmt: skip


if __name__ == "__main__":
    main()
