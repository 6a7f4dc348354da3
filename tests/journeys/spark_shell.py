"""Many verbs in one process that holds a session of Spark: what each prints and how it ends, a line of JSON a verb.

Run as a program: the settings of the engine as JSON, then on stdin a line [folder, word, word, ...] for each verb.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, environment

STARTED_S, ANSWERED_S = 240.0, 900.0
"""A learner of Spark makes hundreds of small jobs a fit, which a loaded machine takes minutes over."""


class Shell:
    """The verbs of `fairlead` on one session. Words are those of a shell."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log
        assert self._answer(STARTED_S) == "up"

    def run(self, folder: Path, *words: str, expect: int = 0) -> dict[str, Any]:
        """One verb to its end: {code, out, err}."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([str(folder), *words]) + "\n")
        self._process.stdin.flush()
        done: dict[str, Any] = self._answer(ANSWERED_S)
        assert done["code"] == expect, f"fairlead {' '.join(words)}: {done['out'][-2000:]}\n{done['err'][-2000:]}"
        return done

    def json(self, folder: Path, *words: str, expect: int = 0) -> dict[str, Any]:
        """Its one object."""
        found: dict[str, Any] = json.loads(self.run(folder, *words, "--json", expect=expect)["out"])
        return found

    def _answer(self, within_s: float) -> Any:
        # A process that does not answer is ended, and then the line is empty.
        watch = threading.Timer(within_s, self._process.kill)
        watch.start()
        try:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
        finally:
            watch.cancel()
        assert line, f"no answer within {within_s:.0f} s: {self._log.read_text()[-3000:]}"
        return json.loads(line)


@contextlib.contextmanager
def shell(folder: Path, engine: dict[str, Any]) -> Iterator[Shell]:
    """Verbs on a session with these settings; the process ends with the block."""
    log = folder / "shell.log"
    words = [sys.executable, "-m", "tests.journeys.spark_shell", json.dumps(engine)]
    with log.open("w") as told:
        process = subprocess.Popen(
            words, cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=told, text=True
        )
        try:
            yield Shell(process, log)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(30)
            process.stdout and process.stdout.close()


def main() -> None:
    """Serve the verbs on stdin."""
    import msgspec

    from fairlead.contract.engines import EngineSettings
    from fairlead.lab.tables.engines.session import session

    answers = os.fdopen(os.dup(1), "w")
    # Whatever else writes to stdout is none of an answer's.
    os.dup2(2, 1)
    held = session(msgspec.convert(json.loads(sys.argv[1]), EngineSettings))
    print(json.dumps("up"), file=answers, flush=True)
    for line in sys.stdin:
        folder, *words = json.loads(line)
        print(json.dumps(done(folder, words)), file=answers, flush=True)
    held.stop()


def done(folder: str, words: list[str]) -> dict[str, Any]:
    """One verb in this process."""
    from fairlead.doors.cli import main as program
    from fairlead.doors.cli.output import chosen

    os.chdir(folder)
    chosen.as_json, chosen.when_stopped = False, ""
    sys.argv = ["fairlead", *words]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            program.main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


if __name__ == "__main__":
    main()
