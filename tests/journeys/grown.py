"""What the journey from a laptop to a cluster runs on: the page that tells it, and machines that are folders."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
from tests.conftest import ROOT, environment, eventually
from tests.journeys.test_backup_restore import living

READY = re.compile(r"ready: churn at (http://127\.0\.0\.1:\d+)/")


class Page:
    """docs/how-to/grow.md: its commands one after the other, its settings, with this machine's addresses in them."""

    def __init__(self, addresses: dict[str, str]) -> None:
        text = (ROOT / "docs/how-to/grow.md").read_text()
        for there, here in addresses.items():
            text = text.replace(there, here)
        shown = "\n".join(re.findall(r"(?ms)^```console\n(.*?)^```", text))
        self._commands = [line.split(" #")[0].split()[2:] for line in shown.splitlines() if line.startswith("$ ")]
        self._settings = re.findall(r"(?ms)^```toml\n(.*?)^```", text)

    def command(self, verb: str) -> list[str]:
        """The next one; it is of this verb."""
        words = self._commands.pop(0)
        assert words[0] == verb, f"the page goes on with fairlead {' '.join(words)}"
        return words

    def settings(self) -> str:
        """The next block for fairlead.toml."""
        return self._settings.pop(0)

    @property
    def told(self) -> bool:
        """Whether all of it was used."""
        return not self._commands and not self._settings


class Machine:
    """A folder with a project and a home, and an environment: what a machine of its own has."""

    def __init__(self, folder: Path, **more: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.more = folder, more
        self._up: subprocess.Popen[str] | None = None

    @property
    def home(self) -> Path:
        return self.folder / ".fairlead"

    @property
    def log(self) -> str:
        """What `up` has said since it was started last."""
        return (self.folder / "up.log").read_text()

    def run(self, words: list[str], expect: int = 0) -> str:
        """A verb to its end: what it wrote to stdout."""
        done = subprocess.run(
            [sys.executable, "-m", "fairlead", *words], cwd=self.folder, capture_output=True, text=True, timeout=300,
            env={**environment(), **self.more}, check=False,
        )  # fmt: skip
        assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        return done.stdout if expect == 0 else done.stdout + done.stderr

    def json(self, *words: str) -> dict[str, Any]:
        """A verb's one object."""
        answer: dict[str, Any] = json.loads(self.run([*words, "--json"]))
        return answer

    def up(self, words: list[str]) -> str:
        """`fairlead up`, until it is ready; where it answers."""
        log = self.folder / "up.log"
        with log.open("w") as out:
            self._up = subprocess.Popen(
                [sys.executable, "-m", "fairlead", *words], cwd=self.folder, stdout=out, stderr=out, text=True,
                env={**environment(), **self.more}, start_new_session=True,
            )  # fmt: skip
        process = self._up

        def ready() -> Any:
            assert process.poll() is None, log.read_text()
            return READY.search(log.read_text())

        url = str(eventually(ready, 180, "the ready line of up")[1])
        # Its routes may still be on their way: a proxy asks the same.
        eventually(lambda: httpx.get(f"{url}/v2/health/ready").status_code == 200, 30, "a model that answers")
        return url

    def stop(self) -> None:
        """As a person stops it."""
        assert self._up is not None
        self._up.terminate()
        assert self._up.wait(60) == 0, self.log
        self._up = None

    def kill(self) -> None:
        """As a machine that goes: each of its processes with -9."""
        if self._up is not None:
            os.killpg(self._up.pid, 9)
            self._up.wait(10)
            self._up = None
        eventually(lambda: not living(self.folder), 20, "all processes gone")


def asked(url: str, rows: list[dict[str, Any]], tag: str, together: bool = False) -> list[dict[str, Any]]:
    """The answers, asked one by one or in one request. tag: how the request ids begin."""
    with httpx.Client(base_url=url, timeout=20) as client:
        if together:
            reply = client.post("/predict/churn", json=rows, headers={"x-request-id": tag})
            return list(reply.raise_for_status().json()["predictions"])
        found = []
        for number, row in enumerate(rows):
            reply = client.post("/predict/churn", json=row, headers={"x-request-id": f"{tag}-{number}"})
            found += reply.raise_for_status().json()["predictions"]
        return found
