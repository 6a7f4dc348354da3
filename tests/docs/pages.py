"""What a page of docs/how-to shows: its fenced blocks in order, the commands in them, and what it says they print.

A comment before a fence tells tests what a reader sees anyway:
`<!-- not run: WHY -->` it cannot run here; `<!-- run by: tests/… -->` another test runs it; `<!-- file: PATH -->` the
block is that file of the project; `<!-- prints -->` a block without commands is what the one before printed;
`<!-- ends with: 3 -->` its last command ends with that code.
A `toml` block is a part of `fairlead.toml` unless it is a file of its own.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs" / "how-to"
SHELLS = ("sh", "bash", "console")

_FENCE = re.compile(r"^```(\w*)$")
_VARIES = re.compile(r"(…|\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b|/home/you\S*|\d[\d,.]*(?:[eT]-?\d+)?|\b[kMG]?B\b|\s+)")
_NOTE = re.compile(r"^<!-- (not run|run by|file|prints|ends with)(?:: (.*))? -->$")


class Command(NamedTuple):
    """One command and the lines that the page says it prints; none where the page does not say."""

    words: str
    shows: tuple[str, ...] = ()


class Block(NamedTuple):
    """One fenced block. line: of its fence; note: kind and text of the comment before it."""

    page: str
    line: int
    language: str
    text: str
    note: tuple[str, str] = ("", "")

    @property
    def place(self) -> str:
        """For messages."""
        return f"docs/how-to/{self.page}.md:{self.line}"

    @property
    def commands(self) -> list[Command]:
        """Of a block of a shell; of `console` with what they print."""
        if self.language == "console":
            return list(_shown(self.text))
        return [Command(words) for words in _joined(self.text)] if self.language in SHELLS else []


def blocks(page: str) -> list[Block]:
    """All fenced blocks of docs/how-to/PAGE.md. Raises ValueError where a fence does not end."""
    found, note = [], ("", "")
    lines = iter(enumerate((HOW_TO / f"{page}.md").read_text().splitlines(), start=1))
    for number, line in lines:
        if fence := _FENCE.match(line.strip()):
            inside = []
            for _, more in lines:
                if more.strip() == "```":
                    break
                inside.append(more)
            else:
                raise ValueError(f"docs/how-to/{page}.md:{number}: the fence does not end")
            found.append(Block(page, number, fence[1], "\n".join(inside), note))
        told = _NOTE.match(line.strip())
        if line.strip():
            note = (told[1], told[2] or "") if told else ("", "")
    return found


def prose(page: str) -> Iterator[str]:
    """The code spans outside of fences that begin with the program's name."""
    text = re.sub(r"^```.*?^```$", "", (HOW_TO / f"{page}.md").read_text(), flags=re.M | re.S)
    for span in re.findall(r"`([^`]+)`", text):
        if re.match(r"fairlead\s", span):
            yield " ".join(span.split())


def _joined(text: str) -> Iterator[str]:
    """Lines of a script as commands: comment lines left out, lines that go on joined."""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.strip()


def _shown(text: str) -> Iterator[Command]:
    words, shows = "", []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.startswith("$ "):
            if words:
                yield Command(words, tuple(shows))
            words, shows = line[2:].strip(), []
        elif words and line.strip():
            shows.append(line.rstrip())
    if words:
        yield Command(words, tuple(shows))


def calls(command: str) -> Iterator[list[str]]:
    """The words of every call of `fairlead` in a line of a shell."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words: list[str] = []
    for word in [*lexer, ";"]:
        if set(word) <= set("();<>|&"):
            while words and re.match(r"\w+=", words[0]):
                words = words[1:]
            if words and words[0] == "fairlead":
                yield words[1:]
            words = []
        else:
            words.append(word)


def pattern(line: str) -> str:
    """What a printed line has to be like: numbers, hashes, times and paths differ, and `…` stands for anything."""
    parts = []
    for part in re.split(_VARIES, line.strip()):
        if part == "…" or part.startswith("/home/you"):
            parts.append(r".*")
        elif re.fullmatch(r"(?=[0-9a-f]*\d)[0-9a-f]{8,}", part):
            parts.append(r"[0-9a-f]{6,}")
        elif part[:1].isdigit():
            parts.append(r"[-\d][\d,.eT+-]*")
        elif re.fullmatch(r"[kMG]?B", part):
            parts.append(r"[kMG]?B")
        else:
            parts.append(r"\s+" if part.isspace() else re.escape(part))
    return "".join(parts)


def misses(shows: tuple[str, ...], printed: str) -> list[str]:
    """The lines that were to be printed, in this order, and were not."""
    lines, missing, at = printed.splitlines(), [], 0
    for line in shows:
        if line.strip() == "…":
            continue
        found = next((n for n in range(at, len(lines)) if re.search(pattern(line), lines[n])), None)
        if found is None:
            missing.append(line)
        else:
            at = found + 1
    return missing
