"""Documents of Kubernetes as YAML: the same input gives the same bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]
WIDTH = 116
_ELSEWHERE = re.compile(r"[-+]?(\.?[0-9]|0o)[0-9a-zA-Z_.:+-]*|[yYnN]")
"""Text that this library reads as text and others, kubectl among them, as a number or a truth: 1e3, 0o17, y."""
_BREAKS = re.compile("[\x85\u2028\u2029\ufeff]")
"""What ends a line in YAML 1.1 and does not in 1.2."""


class _Dumper(yaml.SafeDumper):  # type: ignore[misc,unused-ignore]
    """No anchors: people read these files."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else "'" if _ELSEWHERE.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if _BREAKS.search(text) else style)


_Dumper.add_representer(str, _text)


def written(documents: Sequence[Document], head: str = "") -> bytes:
    """The documents of one file; head: comment lines, without their #."""
    comment = "".join(f"# {line}\n" if line else "#\n" for line in head.splitlines())
    parts = [yaml.dump(one, Dumper=_Dumper, sort_keys=False, width=WIDTH, allow_unicode=True) for one in documents]
    return (comment + "---\n".join(parts)).encode()


def write_files(to: Path, files: Mapping[str, bytes]) -> tuple[Path, ...]:
    """Files by their paths below `to`."""
    for name, data in files.items():
        path = to / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tuple(to / name for name in sorted(files))


def read_documents(data: bytes) -> list[Document]:
    """All documents of a file."""
    return [one for one in yaml.safe_load_all(data) if one is not None]
