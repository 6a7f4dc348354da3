"""A reader of a how-to: does what the page says, in its order, in one folder, and looks at what is printed.

Settings go into `fairlead.toml`, files where the page says, commands into a shell that keeps variables and place.
Commands that go on until they are stopped run in the background until the page ends, as in a terminal beside.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import tomlkit
from tests.conftest import environment, eventually
from tests.docs.pages import HOW_TO, SHELLS, Block, Command, blocks, calls, misses

GOES_ON: dict[str, Callable[[list[str]], bool]] = {
    "serve": lambda words: True,
    "up": lambda words: True,
    "stream": lambda words: "--once" not in words,
    "watch": lambda words: not {"--once", "--explain"} & set(words),
    "collect": lambda words: "--follow" in words,
    "routes": lambda words: not {"--key", "--new-epoch"} & set(words),
    "backup": lambda words: "--every" in words,
    "restore": lambda words: "--follow" in words,
}
"""Verbs that end when they are stopped, by their words."""

BEGUN = {"backup": ("snapshot",), "restore": ("now as of",), "watch": ()}
"""What they print once they work, where it is not `ready`."""


class Reader:
    """One page, followed in a folder. places: what the page names -> where that is here; each has to be on the page."""

    def __init__(self, page: str, folder: Path, places: Mapping[str, str] | None = None, **environ: str) -> None:
        self.page, self.folder, self.places = page, folder, dict(places or {})
        self.before: dict[str, Callable[[], object]] = {}
        self.skipped: list[str] = []
        self.ran: list[str] = []
        self.prelude = ""
        self._scratch = folder.parent / f"{folder.name}-reader"
        self._scratch.mkdir(parents=True, exist_ok=True)
        self.home = self._scratch / "home"
        self.home.mkdir(exist_ok=True)
        self.environ = {
            **environment(), "HOME": str(self.home), "NO_COLOR": "1", "COLUMNS": "160",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environ,
        }  # fmt: skip
        (self._scratch / "variables").write_text("")
        (self._scratch / "place").write_text(str(folder))
        self._printed = ""
        self._services: list[tuple[str, subprocess.Popen[str], Path]] = []
        text = (HOW_TO / f"{page}.md").read_text()
        for name in self.places:
            assert name in text, f"docs/how-to/{page}.md does not name {name!r}"

    def follow(self) -> Iterator[str]:
        """Do what the page says; yields each command once it ended, or runs and is ready. Ends what runs at the end."""
        try:
            for block in blocks(self.page):
                kind, told = block.note
                if kind in ("not run", "run by"):
                    self.skipped.append(f"{block.place}: {kind}: {told}")
                elif kind == "file":
                    path = self.folder / told
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(self.here(block.text) + "\n")
                elif kind == "prints":
                    missing = misses(tuple(self.here(block.text).splitlines()), self._printed)
                    assert not missing, f"{block.place}: not printed: {missing}\nbut:\n{self._printed}"
                elif block.language == "toml":
                    self.set(block.text)
                elif block.language == "python":
                    yield self._python(block)
                elif block.language in SHELLS:
                    yield from self._shell(block)
        finally:
            self._end()
        assert not self.before, f"docs/how-to/{self.page}.md does not say: {', '.join(self.before)}"
        assert self.ran, f"nothing of docs/how-to/{self.page}.md was run"
        print(f"docs/how-to/{self.page}.md: {len(self.ran)} commands run", *self.skipped, sep="\n  ")

    def follow_all(self) -> None:
        """Where nothing is to be done in between."""
        for _ in self.follow():
            pass

    def here(self, text: str) -> str:
        """The page's text with the places of this machine; the longer names first."""
        for name in sorted(self.places, key=len, reverse=True):
            text = text.replace(name, self.places[name])
        return text

    def set(self, text: str) -> None:
        """Settings of the page into `fairlead.toml`, each in the place of the one that was there."""
        file = self.folder / "fairlead.toml"
        whole = tomlkit.parse(file.read_text())
        for table, keys in tomlkit.parse(self.here(text)).items():
            mine = whole.setdefault(table, tomlkit.table())
            for key, value in keys.items():
                mine[key] = value
        file.write_text(tomlkit.dumps(whole))

    def _shell(self, block: Block) -> Iterator[str]:
        commands, self._printed = block.commands, ""
        for command in commands:
            shown = re.sub(r"\s+#\s.*$", "", command.words)
            words = self.here(shown)
            if shown in self.before:
                self.before.pop(shown)()
            if words.startswith("pip install"):
                self.skipped.append(f"{block.place}: not run: {words}")
                continue
            code = int(block.note[1]) if block.note[0] == "ends with" and command is commands[-1] else 0
            if any(said and said[0] in GOES_ON and GOES_ON[said[0]](said) for said in calls(words)):
                self._start(block, command, words)
            else:
                self._run(block, command, words, code)
            self.ran.append(words)
            yield words

    def _python(self, block: Block) -> str:
        """`prelude` has the names that the page takes as known."""
        code = self._scratch / f"line{block.line}.py"
        code.write_text(f"{self.prelude}\n{self.here(block.text)}\n")
        words = f"python {shlex.quote(str(code))}"
        self._run(block, Command(words), words, 0)
        self.ran.append(words)
        return words

    def _script(self, words: str) -> str:
        return f'. {self._scratch}/variables; cd "$(cat {self._scratch}/place)"; {words}'

    def _run(self, block: Block, command: Command, words: str, code: int) -> None:
        script = "set -eo pipefail; " + self._script(words)
        script += f"\nexport -p > {self._scratch}/variables; pwd > {self._scratch}/place"
        done = subprocess.run(
            ["bash", "-c", script], env=self.environ, capture_output=True, text=True, timeout=500, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        printed = done.stdout + done.stderr
        self._printed += printed
        assert done.returncode == code, f"{block.place}: {words}\nended with {done.returncode}:\n{printed[-4000:]}"
        missing = misses(tuple(map(self.here, command.shows)), printed)
        assert not missing, f"{block.place}: {words}\nnot printed: {missing}\nbut:\n{printed[-4000:]}"

    def _start(self, block: Block, command: Command, words: str) -> None:
        log = self._scratch / f"service-{len(self._services)}.log"
        with log.open("w") as out:
            process = subprocess.Popen(
                ["bash", "-c", self._script(words)], env=self.environ, stdout=out, stderr=out, text=True,
                start_new_session=True, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self._services.append((words, process, log))
        verb = next(said[0] for said in calls(words))
        shows = tuple(map(self.here, command.shows)) or BEGUN.get(verb, ("ready",))

        def shown() -> bool:
            assert process.poll() is None, f"{block.place}: {words}\nended:\n{log.read_text()[-4000:]}"
            return not misses(shows, log.read_text())

        try:
            eventually(shown, within_s=120, what=f"{block.place}: {words} printing {shows}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{log.read_text()[-3000:]}") from error

    def go(self, folder: Path) -> None:
        """What follows happens in another folder, as on another machine."""
        folder.mkdir(parents=True, exist_ok=True)
        (self._scratch / "place").write_text(str(folder))

    def service(self, start: str) -> Path:
        """The log of a command that goes on."""
        return next(log for words, _, log in self._services if words.startswith(start))

    def url(self, start: str) -> str:
        """Where a server of the page answers."""
        log = self.service(start)
        return str(eventually(lambda: re.search(r"(https?://[^/\s]+)", log.read_text()), what=f"{start}: a URL")[1])

    def stop(self, start: str, how: signal.Signals = signal.SIGINT) -> int:
        """End a command that goes on; its exit code."""
        (one,) = [each for each in self._services if each[0].startswith(start)]
        self._services.remove(one)
        return _ended(one[1], how)

    def _end(self) -> None:
        for words, process, log in reversed(self._services):
            code = _ended(process, signal.SIGINT)
            if sys.exc_info()[0] is None:
                assert code in (0, 130, -2), f"{shlex.quote(words)} ended with {code}:\n{log.read_text()[-3000:]}"
        self._services.clear()


def _ended(process: subprocess.Popen[str], how: signal.Signals) -> int:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, how)
    try:
        return process.wait(60)
    except subprocess.TimeoutExpired:
        return -9
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
