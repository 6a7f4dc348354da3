"""What backing a home up and bringing it back costs: MB a second, to a folder and to S3 by moto's server.

Doubt: hashing, signing and a store call a part could make backups of homes of some hundred MB take minutes, and the
checks of a restore more than the copying. Pinned: a home of 120 MB of random (so not compressible) rows in files of
0.1 to 8 MB, a bundle-free state with 200 events, seed 5; a second backup after a tenth of the files changed; five
rounds each, in turns. The raw copy of the same files beside it (read, write, fsync) says what the disk allows.
moto's server is Python in a process of its own on the same machine: its figure is a lower bound for any S3.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from fairlead.ops.audit import Audit
from fairlead.ops.keep import KeyLock, backup, restore
from fairlead.ops.project import Home
from fairlead.ops.state import State
from fairlead.ops.stores import store_of
from fairlead.runtime.bundle import SigningKey

MB = 1_000_000
ROUNDS = 5
LOCK = KeyLock("correct horse battery")
SIZES = (100_000, 400_000, 1_000_000, 8_000_000)


def filled(root: Path) -> Home:
    """The home that is kept."""
    home, dice = Home(root).ensure(), random.Random(5)
    key = SigningKey.create(home.seal_key)
    with State.open(home.state_db) as state:
        audit = Audit(state, key=key, head=home.root / "audit.head")
        for number in range(200):
            audit.record("bench", "write", "x", str(number))
    total, number = 0, 0
    while total < 120 * MB:
        size = SIZES[number % len(SIZES)]
        path = home.records / "m" / "2026-01-01" / f"{number % 24:02d}" / f"i-0-{number:08d}-0.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(dice.randbytes(size))
        total, number = total + size, number + 1
    return home


def changed(home: Home, turn: int) -> int:
    """A tenth of the files is written anew; their bytes."""
    dice, total = random.Random(turn), 0
    files = sorted(home.records.rglob("*.parquet"))
    for path in dice.sample(files, len(files) // 10):
        size = path.stat().st_size
        aside = path.with_name(f".{path.name}")
        aside.write_bytes(dice.randbytes(size))
        os.replace(aside, path)
        total += size
    return total


def copied(home: Home, to: Path) -> float:
    """MB a second of copying the same files, each made durable."""
    began, total = time.perf_counter(), 0
    for path in home.records.rglob("*.parquet"):
        target = to / path.relative_to(home.root)
        target.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
            file.flush()
            os.fsync(file.fileno())
        total += path.stat().st_size
    seconds = time.perf_counter() - began
    shutil.rmtree(to)
    return total / MB / seconds


@contextlib.contextmanager
def s3() -> Iterator[str]:
    """S3 by moto's server in a process of its own; the address of a bucket in it."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        port = next(line.rsplit(":", 1)[1].strip() for line in process.stderr if "Running on http" in line)
        os.environ |= {
            "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "word", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        }  # fmt: skip
        urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{port}/kept", method="PUT"), timeout=10
        ).close()
        # What it says of each request would fill its pipe.
        import threading

        threading.Thread(target=lambda: [None for _ in process.stderr or ()], daemon=True).start()
        yield "s3://kept"
    finally:
        process.kill()
        process.wait(30)


def rounds(home: Home, key: SigningKey, place: Callable[[int], str], folder: Path) -> dict[str, list[float]]:
    """MB a second of each kind, one a round: of all bytes, and of the changed ones."""
    found: dict[str, list[float]] = {"first": [], "again": [], "again_s": [], "unchanged_s": [], "restore": []}
    for turn in range(ROUNDS):
        store = store_of(place(turn))
        with State.open(home.state_db) as state:
            first = backup(home.root, state, key, store, LOCK)
            moved = changed(home, turn)
            again = backup(home.root, state, key, store, LOCK)
            unchanged = backup(home.root, state, key, store, LOCK)
        back = restore(store, folder / f"back{turn}", LOCK)
        shutil.rmtree(folder / f"back{turn}")
        if Path(store.address).is_dir():
            shutil.rmtree(store.address)
        store.close()
        found["first"].append(first.bytes / MB / first.seconds)
        found["again"].append(moved / MB / again.seconds)
        found["again_s"].append(again.seconds)
        found["unchanged_s"].append(unchanged.seconds)
        found["restore"].append(back.bytes / MB / back.seconds)
        (home.root / "keep.json").unlink()  # each round begins in a store of its own
    return found


def told(scenario: str, found: dict[str, list[float]], raw: list[float], size: float) -> None:
    middle = {name: statistics.median(values) for name, values in found.items()}
    print(
        json.dumps(
            {
                "scenario": scenario,
                "home_mb": round(size, 1),
                "first_mb_per_s": round(middle["first"], 1),
                "changed_mb_per_s": round(middle["again"], 1),
                "changed_seconds": round(middle["again_s"], 2),
                "unchanged_seconds": round(middle["unchanged_s"], 2),
                "restore_mb_per_s": round(middle["restore"], 1),
                "copy_mb_per_s": round(statistics.median(raw), 1),
                "spread": {
                    name: [round(min(values), 2), round(max(values), 2)]
                    for name, values in {**found, "copy": raw}.items()
                },
                "rounds": ROUNDS,
            }
        )
    )


def main() -> None:
    chosen = sys.argv[1:] or ["folder", "s3"]
    with tempfile.TemporaryDirectory(prefix="bench-keep-") as name:
        folder = Path(name)
        home = filled(folder / "home")
        key = SigningKey.load(home.seal_key)
        size = sum(path.stat().st_size for path in home.records.rglob("*.parquet")) / MB
        raw = [copied(home, folder / "copy") for _ in range(ROUNDS)]
        if "folder" in chosen:
            told("keep-folder", rounds(home, key, lambda turn: str(folder / f"store{turn}"), folder), raw, size)
        if "s3" in chosen:
            with s3() as address:
                told("keep-s3", rounds(home, key, lambda turn: f"{address}/{turn}", folder), raw, size)


if __name__ == "__main__":
    main()
