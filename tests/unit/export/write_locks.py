"""Bring the locks that ship with Fairlead up to date: `python -m tests.unit.export.write_locks WHEELS`.

WHEELS: folder that the wheels are fetched to. `base.txt` is `requirements/base.txt`; of each extra that a data plane
may need there is what it takes besides, as `requirements/dev.txt` has it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from packaging.utils import canonicalize_name

from fairlead.reach.export.locked import EXTRAS, PYTHONS, read_lock, wheels_in

ROOT = Path(__file__).resolve().parents[3]
LOCKS = ROOT / "src" / "fairlead" / "reach" / "export" / "locks"


def entries(text: str) -> dict[str, str]:
    """The entries of a requirements file with hashes, by name, without comments."""
    found = re.split(r"^(?=[A-Za-z0-9])", re.sub(r"^ *#.*\n", "", text, flags=re.M), flags=re.M)
    return {canonicalize_name(one.partition("==")[0]): one for one in found if "==" in one}


def needs(names: set[str], of: dict[str, str]) -> set[str]:
    """Those names and whatever `requirements/dev.txt` has because of them."""
    via = {}
    for one in re.split(r"^(?=[A-Za-z0-9])", (ROOT / "requirements" / "dev.txt").read_text("utf-8"), flags=re.M):
        if "==" in one:
            asked = re.findall(r"^ +# +(?:via +)?([A-Za-z0-9._-]+)(?:\[.*\])?$", one, flags=re.M)
            via[canonicalize_name(one.partition("==")[0])] = {canonicalize_name(name) for name in asked}
    found = set(names)
    while more := {name for name, asked in via.items() if asked & found} - found:
        found |= more
    return found & set(of)


def main(wheels: Path) -> None:
    base = (ROOT / "requirements" / "base.txt").read_text(encoding="utf-8")
    dev = entries((ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8"))
    texts = {"base": base}
    for extra, roots in EXTRAS.items():
        wanted = sorted(needs(set(roots), dev) - set(entries(base)))
        texts[extra] = "".join(dev[name] for name in wanted)
    licences: dict[str, str] = {}
    for extra, text in texts.items():
        (LOCKS / f"{extra}.txt").write_text(text, encoding="utf-8")
        fetch = ["download", "-q", "--no-deps", "--only-binary", ":all:", "--require-hashes", "-d", str(wheels / extra)]
        for python in PYTHONS:
            subprocess.run(
                [sys.executable, "-m", "pip", *fetch, "--python-version", python, "-r", str(LOCKS / f"{extra}.txt")],
                check=True,
            )
            by_name = {name: part.licence for name, part in wheels_in(wheels / extra).items()}
            licences |= {f"{part.name}=={part.version}": by_name[part.name] for part in read_lock(text, python)}
            for old in (wheels / extra).glob("*.whl"):
                old.unlink()
    (LOCKS / "licences.json").write_text(json.dumps(licences, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
